"""How long sign-ins last, and what a stolen refresh token is worth."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from tenants.accounts.models import SignIn
from tests.conftest import HttpFactory
from tests.support.operators import make_operator
from tests.support.practices import make_client, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

REFRESH = {
    "client": "/api/v1/auth/refresh",
    "staff": "/api/v1/admin/auth/refresh",
    "operator": "/api/v1/platform/auth/refresh",
}
# Unused for so long, and at most: as docs/security.md says.
LIMITS = {
    "client": (timedelta(days=30), timedelta(days=90)),
    "staff": (timedelta(hours=2), timedelta(hours=12)),
    "operator": (timedelta(hours=1), timedelta(hours=8)),
}
MINUTE = timedelta(minutes=1)


class Person:
    """Someone of a kind, with a client for their host and the refresh token that they hold."""

    def __init__(self, kind: str, here: httpx.AsyncClient, token: str) -> None:
        self._path, self._here, self.token = REFRESH[kind], here, token

    async def refresh(self, token: str | None = None) -> httpx.Response:
        answer = await self._here.post(self._path, json={"refresh_token": token or self.token})
        if token is None and answer.status_code == 200:
            self.token = answer.json()["refresh_token"]
        return answer


@pytest.fixture(params=list(REFRESH))
async def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def person(kind: str, runtime: Runtime, practice: TenantContext, http: HttpFactory) -> Person:
    if kind == "operator":
        return Person(kind, http(), (await make_operator(runtime)).refresh_token)
    made = await (make_client(runtime, practice) if kind == "client" else make_staff_member(runtime, practice))
    return Person(kind, http(practice), made.refresh_token)


async def test_unused_it_ends_and_used_it_goes_on_until_its_absolute_limit(kind: str, person: Person) -> None:
    idle, absolute = LIMITS[kind]
    begun = clock.now()
    step, now = idle - MINUTE, begun
    while now + step < begun + absolute:
        now += step
        with clock.at(now):
            assert (await person.refresh()).status_code == 200
    with clock.at(begun + absolute + MINUTE):
        assert_problem(await person.refresh(), 401, "invalid_refresh_token")


async def test_an_idle_one_is_over(kind: str, person: Person) -> None:
    with clock.at(clock.now() + LIMITS[kind][0] + MINUTE):
        assert_problem(await person.refresh(), 401, "invalid_refresh_token")


async def test_a_stolen_token_is_useless_within_one_use_of_either(person: Person) -> None:
    stolen = person.token
    assert (await person.refresh()).status_code == 200
    assert_problem(await person.refresh(stolen), 401, "token_reused")
    assert_problem(await person.refresh(), 401, "invalid_refresh_token")  # both have to sign in again


async def test_of_two_uses_at_once_one_is_a_reuse_and_ends_the_sign_in(person: Person) -> None:
    answers = await asyncio.gather(*(person.refresh(person.token) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    reused = next(answer for answer in answers if answer.status_code == 401)
    assert_problem(reused, 401, "token_reused")
    winner = next(answer for answer in answers if answer.status_code == 200).json()["refresh_token"]
    assert_problem(await person.refresh(winner), 401, "invalid_refresh_token")


async def test_an_access_token_ends_with_its_sign_in(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    client = await make_client(runtime, practice)
    here = http(practice, headers=client.headers)
    assert (await here.get("/api/v1/users/me")).status_code == 200
    await here.post("/api/v1/auth/logout", json={"refresh_token": client.refresh_token})
    assert_problem(await here.get("/api/v1/users/me"), 401, "invalid_token")


async def test_use_is_noted_once_a_minute(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> None:
    client = await make_client(runtime, practice)
    here = http(practice, headers=client.headers)

    async def last_seen() -> object:
        async with runtime.database.tenant(practice) as session:
            return await session.scalar(select(SignIn.last_seen_at).where(SignIn.account_id == client.id))

    first = await last_seen()
    await here.get("/api/v1/users/me")
    assert await last_seen() == first
    with clock.at(clock.now() + 2 * MINUTE):
        await here.get("/api/v1/users/me")
        assert await last_seen() == clock.now()
