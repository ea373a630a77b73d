"""Operators' passwords: locks, changing one, and the command line's way to a new one."""

from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.problems import assert_problem
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.strength import WeakPasswordError
from todoenbalance.kit.settings import PasswordSettings
from todoenbalance.operators import passwords
from todoenbalance.operators.models import AuditEntry
from todoenbalance.operators.service import PasswordTooShortError, create_operator

PASSWORD = "correct horse battery"
NEW = "a wholly different phrase"
WRONG = "certainly not that one"


@pytest.fixture
async def email(runtime: Runtime) -> str:
    """A fresh operator's."""
    made = f"{new_id()}@example.com"
    async with runtime.database.platform() as session:
        await create_operator(session, email=made, password=PASSWORD)
    return made


async def login(here: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await here.post("/api/v1/platform/auth/login", data={"username": email, "password": password})


async def bearer(here: httpx.AsyncClient, email: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": f"Bearer {(await login(here, email, password)).json()['access_token']}"}


async def is_in(here: httpx.AsyncClient, headers: dict[str, str]) -> bool:
    return (await here.get("/api/v1/platform/audit", headers=headers)).status_code == 200


async def actions(runtime: Runtime) -> list[tuple[str, UUID | None]]:
    async with runtime.database.platform() as session:
        rows = await session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(20))
        return [(row.action, row.operator_id) for row in rows]


async def test_guessing_locks_and_is_audited_once(http: HttpFactory, runtime: Runtime, email: str) -> None:
    here = http()
    assert [(await login(here, email, WRONG)).status_code for _ in range(7)] == [401] * 5 + [429] * 2
    assert_problem(await login(here, email.upper(), PASSWORD), 429, "too_many_attempts")
    assert [action for action, _who in await actions(runtime)].count("operator.locked_out") == 1


async def test_one_changes_ones_own_and_the_others_end(http: HttpFactory, runtime: Runtime, email: str) -> None:
    here = http()
    mine, other = await bearer(here, email), await bearer(here, email)
    body = {"current_password": PASSWORD, "new_password": NEW}
    weak = await here.post("/api/v1/platform/auth/password", json=body | {"new_password": "1234567890"}, headers=mine)
    assert_problem(weak, 422, "password_too_weak")
    wrong = await here.post("/api/v1/platform/auth/password", json=body | {"current_password": WRONG}, headers=mine)
    assert_problem(wrong, 401, "invalid_credentials")
    assert (await here.post("/api/v1/platform/auth/password", json=body, headers=mine)).status_code == 204
    assert await is_in(here, mine)
    assert not await is_in(here, other)
    assert (await login(here, email, NEW)).status_code == 200


async def test_the_console_has_a_page_for_it(http: HttpFactory, email: str) -> None:
    browser = http(headers=HTML)
    await sign_in(browser, "/sign-in", email, PASSWORD)
    assert 'href="/security/password"' in (await browser.get("/security")).text
    form = await browser.get("/security/password")
    assert_sober(form)
    refused = await submit(browser, form, "/password", current_password=PASSWORD, new_password="1234567890")
    assert refused.status_code == 422
    done = await submit(browser, form, "/password", current_password=PASSWORD, new_password=NEW)
    assert (done.status_code, done.headers["location"]) == (303, "/security")


class TestTheCommandLine:
    async def test_it_sets_a_new_one_lifts_a_lock_and_signs_out(
        self, http: HttpFactory, runtime: Runtime, email: str
    ) -> None:
        here = http()
        headers = await bearer(here, email)
        for _ in range(6):
            await login(here, email, WRONG)
        async with runtime.database.platform() as session:
            await passwords.reset_password(session, runtime.settings, email, NEW)
        assert not await is_in(here, headers)
        assert (await login(here, email, NEW)).status_code == 200
        assert ("operator.password_reset", None) in await actions(runtime)

    async def test_it_refuses_strangers_and_bad_passwords(self, runtime: Runtime, email: str) -> None:
        for address, password, problem in (
            ("nobody@example.com", NEW, NotFoundError),
            (email, "short", PasswordTooShortError),
            (email, "1234567890", WeakPasswordError),
        ):
            with pytest.raises(problem):
                async with runtime.database.platform() as session:
                    await passwords.reset_password(session, runtime.settings, address, password)

    async def test_a_new_operator_needs_a_good_one_too(self, runtime: Runtime) -> None:
        with pytest.raises(WeakPasswordError):
            async with runtime.database.platform() as session:
                await create_operator(session, email=f"{new_id()}@example.com", password="1234567890")
        with pytest.raises(WeakPasswordError):
            async with runtime.database.platform() as session:
                rules = PasswordSettings(least_score=4)
                await create_operator(session, email=f"{new_id()}@example.com", password="new-password-1", rules=rules)
