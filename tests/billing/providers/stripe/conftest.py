"""A practice that is paid through the local Stripe."""

import pytest

from billing.accounts.models import PaymentAccount
from billing.accounts.service import load_access
from billing.providers.stripe.adapter import StripeProvider
from tests.support.checkout import Desk, make_desk
from tests.support.connected_accounts import bring_own_stripe, connect_stripe, stripe_runtime
from tests.support.providers.fixtures import stripe_server
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

__all__ = ["stripe_server"]


@pytest.fixture
def stripe_side(runtime: Runtime, stripe_server: StripeServer) -> Runtime:
    """The process's tools, with the platform's account at the local Stripe."""
    return stripe_runtime(runtime, stripe_server)


@pytest.fixture
async def account(stripe_side: Runtime, practice: TenantContext, stripe_server: StripeServer) -> PaymentAccount:
    """The practice's connected account."""
    return await connect_stripe(stripe_side, practice, stripe_server)


@pytest.fixture
async def desk(stripe_side: Runtime, practice: TenantContext, account: PaymentAccount) -> Desk:
    """A practice that can be booked, and paid by card."""
    return await make_desk(stripe_side, practice)


@pytest.fixture
async def provider(stripe_side: Runtime, practice: TenantContext, account: PaymentAccount) -> StripeProvider:
    """The adapter for the practice's connected account."""
    return StripeProvider(stripe_side, await load_access(stripe_side, practice, "stripe", account.id))


@pytest.fixture
async def own(stripe_side: Runtime, practice: TenantContext, stripe_server: StripeServer) -> StripeProvider:
    """The adapter for an account with the practice's own keys."""
    account = await bring_own_stripe(stripe_side, practice, stripe_server)
    return StripeProvider(stripe_side, await load_access(stripe_side, practice, "stripe", account.id))
