"""The platform with providers at which the scenarios pay, connect accounts and sign in; all on this machine."""

from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from tests.support.oauth_provider import OAuthProvider
from tests.support.platform_fees import WEBHOOK_SECRET
from tests.support.providers.fixtures import stripe_server
from tests.support.providers.stripe_server import PLATFORM_TEST_KEY, StripeServer
from tests.support.social import running_provider, running_runtime, with_providers
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings, StripeSettings
from todoenbalance.kit.text_settings import TextSettings
from todoenbalance.subscriptions import register_payable_kinds

__all__ = ["stripe_server"]


@pytest.fixture
def provider() -> Iterator[OAuthProvider]:
    """Google and Facebook."""
    with running_provider() as running:
        yield running


@pytest.fixture
async def runtime(settings: Settings, provider: OAuthProvider, stripe_server: StripeServer) -> AsyncIterator[Runtime]:
    """In place of the usual one: the platform has accounts at all of them."""
    register_payable_kinds()
    social = with_providers(settings, provider)
    stripe = StripeSettings(
        secret_key=SecretStr(PLATFORM_TEST_KEY),
        publishable_key="pk_test_platform",
        client_id="ca_platform",
        webhook_secret=SecretStr("whsec_connect"),
        platform_webhook_secret=SecretStr(WEBHOOK_SECRET),
        api_base=stripe_server.url,
    )
    providers = social.providers.model_copy(update={"stripe": stripe})
    texts = TextSettings(adapter="mailbox")
    async with running_runtime(social.model_copy(update={"providers": providers, "texts": texts})) as made:
        yield made
