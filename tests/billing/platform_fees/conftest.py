"""The whole application with the platform's account at a local Stripe."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from tests.support.platform_fees import WEBHOOK_SECRET, charging
from tests.support.providers.fixtures import stripe_server
from tests.support.providers.stripe_server import PLATFORM_TEST_KEY, StripeServer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings, StripeSettings
from todoenbalance.subscriptions import register_composers

__all__ = ["stripe_server"]


@pytest.fixture
async def runtime(settings: Settings, stripe_server: StripeServer) -> AsyncIterator[Runtime]:
    """In place of the usual one: charging is set up."""
    register_composers()
    account = StripeSettings(
        secret_key=SecretStr(PLATFORM_TEST_KEY),
        platform_webhook_secret=SecretStr(WEBHOOK_SECRET),
        api_base=stripe_server.url,
    )
    made = Runtime.from_settings(charging(settings, account))
    yield made
    await made.close()
