"""The platform is registered at a provider that runs on this machine."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.oauth_provider import OAuthProvider
from tests.support.social import running_provider, running_runtime, with_providers
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings


@pytest.fixture
def provider() -> Iterator[OAuthProvider]:
    """Google and Facebook."""
    with running_provider() as running:
        yield running


@pytest.fixture
async def runtime(settings: Settings, provider: OAuthProvider) -> AsyncIterator[Runtime]:
    """The process's tools, with both providers set up."""
    async with running_runtime(with_providers(settings, provider)) as made:
        yield made
