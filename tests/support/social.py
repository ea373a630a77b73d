"""The whole way of a social sign-in: our host, the provider's page, the callback host, back to the practice."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr
from sqlalchemy import func, select

from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.oauth_provider import OAuthProvider, Person
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import FacebookSettings, GoogleSettings, ProviderSettings, Settings
from todoenbalance.kit.tenancy import TenantContext

PROVIDERS = ("google", "facebook")
CALLBACK = "http://localhost:8000/auth/oauth/{}/callback"
ANA = Person("108204268033311374519", "ana@example.com", first_name="Ana", last_name="Arce")


@contextmanager
def running_provider() -> Iterator[OAuthProvider]:
    """A provider at which the platform is registered."""
    provider = OAuthProvider()
    for name in PROVIDERS:
        provider.register(f"platform-{name}", f"secret-of-{name}", CALLBACK.format(name))
    with provider.running():
        yield provider


def with_providers(settings: Settings, provider: OAuthProvider) -> Settings:
    """``settings`` of a platform that is registered at ``provider``."""
    google = GoogleSettings(
        client_id="platform-google", client_secret=SecretStr("secret-of-google"), base=provider.base
    )
    facebook = FacebookSettings(
        client_id="platform-facebook", client_secret=SecretStr("secret-of-facebook"), base=provider.base
    )
    return settings.model_copy(update={"providers": ProviderSettings(google=google, facebook=facebook)})


@asynccontextmanager
async def running_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Tools over these settings, closed at the end."""
    made = Runtime.from_settings(settings)
    yield made
    await made.close()


def parameter(url: str, name: str) -> str:
    """One parameter of an address."""
    return parse_qs(urlsplit(url).query)[name][0]


async def visit(url: str) -> str:
    """What the provider's page makes of it: the address that it sends the browser to."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.get(url)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def authorize(browser: httpx.AsyncClient, name: str, return_to: str = "/front/end") -> str:
    """Begin at the practice: the address of the provider's page."""
    answer = await browser.get(f"/api/v1/auth/oauth/{name}/authorize", params={"return_to": return_to})
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["authorization_url"]
    return url


async def return_from(platform: httpx.AsyncClient, url: str) -> str:
    """Through the callback host: the address at the practice that the browser is sent to."""
    answer = await platform.get(url)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def fetch_handoff(
    browser: httpx.AsyncClient, platform: httpx.AsyncClient, name: str, return_to: str = "/front/end"
) -> str:
    """All of that: the handoff."""
    location = await return_from(platform, await visit(await authorize(browser, name, return_to)))
    return parameter(location, "handoff")


async def exchange(browser: httpx.AsyncClient, handoff: str, **options: Any) -> httpx.Response:
    """The last step."""
    return await browser.post("/api/v1/auth/oauth/exchange", json={"handoff": handoff}, **options)


FACEBOOK_ANA = Person("10223344556677889", "ana@example.com", first_name="Ana", last_name="Arce")


class Visit:
    """Somebody who signs in by a provider, again and again."""

    def __init__(self, http: HttpFactory, practice: TenantContext, runtime: Runtime, provider: OAuthProvider) -> None:
        self._http, self._practice, self._runtime, self._provider = http, practice, runtime, provider

    async def sign_in(self, name: str, person: Person, browser: httpx.AsyncClient | None = None) -> httpx.Response:
        """The answer of the exchange, in a fresh browser unless one is given."""
        browser = browser or self._http(self._practice)
        self._provider.wishes.person = person
        return await exchange(browser, await fetch_handoff(browser, self._http(), name))

    async def me(self, pair: httpx.Response) -> dict[str, Any]:
        """Whose token pair it is."""
        assert pair.status_code == 200, pair.text
        headers = {"Authorization": f"Bearer {pair.json()['access_token']}"}
        answer = await self._http(self._practice).get("/api/v1/users/me", headers=headers)
        found: dict[str, Any] = answer.json()
        return found

    async def mails(self, to: str) -> list[Any]:
        """What this address was mailed, after everything due has run."""
        await run_due_events(self._runtime, self._practice)
        return await mails_of(self._runtime, self._practice, to)

    async def count(self, model: type[Any]) -> int:
        """How many rows the practice has."""
        async with self._runtime.database.tenant(self._practice) as session:
            return (await session.scalar(select(func.count()).select_from(model))) or 0
