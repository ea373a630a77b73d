"""The platform is registered at a provider that runs on this machine."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.conftest import HttpFactory
from tests.support.oauth_provider import OAuthProvider
from tests.support.social import Visit, running_provider, running_runtime, with_providers
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext


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


@pytest.fixture
def browser(http: HttpFactory, practice: TenantContext) -> httpx.AsyncClient:
    """A front end in somebody's browser."""
    return http(practice)


@pytest.fixture
def platform(http: HttpFactory) -> httpx.AsyncClient:
    """The same browser on the platform's host."""
    return http()


@pytest.fixture
def visit(http: HttpFactory, practice: TenantContext, runtime: Runtime, provider: OAuthProvider) -> Visit:
    """Somebody at the practice."""
    return Visit(http, practice, runtime, provider)
