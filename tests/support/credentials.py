"""Signing in with passwords and mailed links, for tests of the ways into an account."""

from urllib.parse import parse_qs, urlsplit

import httpx
from sqlalchemy import select, update

from tenants.accounts.models import Client, Staff, StaffAuditEntry
from tests.support.events import run_due_events
from tests.support.mails import links_in, mails_of
from tests.support.practices import PASSWORD, SignedIn
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NEW = "a wholly different phrase"
WRONG = "certainly not that one"
ACCEPTED = {"status": "accepted"}


async def login(here: httpx.AsyncClient, email: str, password: str, *, admin: bool = False) -> httpx.Response:
    path = "/api/v1/admin/auth/login" if admin else "/api/v1/auth/login"
    return await here.post(path, data={"username": email, "password": password})


async def bearer(here: httpx.AsyncClient, email: str, password: str = PASSWORD) -> dict[str, str]:
    answer = await login(here, email, password)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def is_in(here: httpx.AsyncClient, headers: dict[str, str]) -> bool:
    return (await here.get("/api/v1/users/me", headers=headers)).status_code == 200


async def newest_links(runtime: Runtime, practice: TenantContext, to: str) -> list[str]:
    """The links of the newest mail to an address."""
    await run_due_events(runtime, practice)
    return links_in((await mails_of(runtime, practice, to))[-1].text)


def token_in(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


async def set_password(runtime: Runtime, practice: TenantContext, who: SignedIn, hashed: str | None) -> None:
    async with runtime.database.tenant(practice) as session:
        for model in (Client, Staff):
            await session.execute(update(model).where(model.id == who.id).values(hashed_password=hashed))


async def actions(runtime: Runtime, practice: TenantContext) -> list[str]:
    async with runtime.database.tenant(practice) as session:
        return list((await session.scalars(select(StaffAuditEntry.action).order_by(StaffAuditEntry.id))).all())


async def guess(here: httpx.AsyncClient, email: str, times: int = 5, *, admin: bool = False) -> list[int]:
    return [(await login(here, email, WRONG, admin=admin)).status_code for _ in range(times)]
