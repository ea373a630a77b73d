"""Practices over local providers that hold every call against the providers' contracts."""

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from billing.providers.paypal.transport import forget_transports
from tests.support.payment_accounts import Counter
from tests.support.practices import make_staff_member
from tests.support.providers.fixtures import paypal_server, stripe_server
from tests.support.providers.paypal_server import PayPalServer
from tests.support.providers.stripe_server import PLATFORM_TEST_KEY, StripeServer
from todoenbalance.app import Surfaces, create_app
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import PayPalSettings, ProviderSettings, Settings, StripeSettings
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

__all__ = ["paypal_server", "stripe_server"]


@pytest.fixture
def connected_settings(settings: Settings, stripe_server: StripeServer, paypal_server: PayPalServer) -> Settings:
    """The platform has an account at Stripe, and both providers are the local ones."""
    stripe = StripeSettings(
        secret_key=SecretStr(PLATFORM_TEST_KEY), client_id="ca_platform", api_base=stripe_server.url
    )
    paypal = PayPalSettings(api_base=paypal_server.url)
    return settings.model_copy(update={"providers": ProviderSettings(stripe=stripe, paypal=paypal)})


@pytest.fixture
async def runtime(connected_settings: Settings) -> AsyncIterator[Runtime]:
    """The process's tools, with providers."""
    register_composers()
    made = Runtime.from_settings(connected_settings)
    yield made
    forget_transports()
    await made.close()


@pytest.fixture
async def counter(
    runtime: Runtime, practice: TenantContext, stripe_server: StripeServer, paypal_server: PayPalServer
) -> AsyncIterator[Counter]:
    """The owner of a fresh practice, at its own host."""
    owner = await make_staff_member(runtime, practice)
    app = create_app(runtime, Surfaces.build(runtime.settings))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    base = f"http://{practice.slug}.localhost:8000"
    async with httpx.AsyncClient(transport=transport, base_url=base, headers=owner.headers) as api:
        yield Counter(runtime, practice, api, owner, stripe_server, paypal_server)
