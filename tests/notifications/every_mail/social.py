"""Signing in by Google and Facebook."""

import httpx

from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import World
from tests.support.oauth_provider import Person
from tests.support.social import Visit


def browser_of(world: World) -> httpx.AsyncClient:
    """Whose owner reads our language."""
    return world.http(world.practice, headers={"Accept-Language": world.language})


async def visit(world: World, provider: str, person: Person) -> tuple[httpx.AsyncClient, httpx.Response]:
    """Somebody signs in; their browser and the answer."""
    browser = browser_of(world)
    visit = Visit(world.http, world.practice, world.runtime, world.provider)
    return browser, await visit.sign_in(provider, person, browser)


def person(world: World, email: str | None) -> Person:
    """Ana at the provider, another one in each scenario."""
    return Person(f"{world.scenario} {world.language}", email, first_name="Ana", last_name="Gil")


async def ask_for_code(world: World, email: str) -> None:
    """Facebook knows no address; Ana names one."""
    browser, answer = await visit(world, "facebook", person(world, None))
    body = {"signup_token": answer.json()["signup_token"], "email": email}
    assert (await browser.post("/api/v1/auth/oauth/email", json=body)).status_code == 202
    await world.run()


@shows("social_identity_connected")
async def a_client_signs_in_by_google(world: World) -> None:
    client = await world.client()
    _, answer = await visit(world, "google", person(world, client.email))
    assert answer.status_code == 200, answer.text
    await world.run()


@shows("social_account_unconfirmed")
async def the_address_of_an_account_was_never_confirmed(world: World) -> None:
    client = await world.client(is_verified=False)
    _, answer = await visit(world, "google", person(world, client.email))
    assert answer.status_code == 409, answer.text
    await world.run()


@shows("social_code")
async def somebody_names_an_address(world: World) -> None:
    await ask_for_code(world, world.address("new"))


@shows("social_address_taken")
async def somebody_names_the_address_of_an_account(world: World) -> None:
    client = await world.client()
    await ask_for_code(world, client.email)
