"""Everything stored about a person, and nothing else."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from tenants.accounts.models import Client
from tenants.privacy.models import Consent
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.practices import SignedIn, make_client
from tests.support.privacy import CANARIES, REASON, make_trail
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
def here(http: HttpFactory, practice: TenantContext) -> httpx.AsyncClient:
    return http(practice)


async def test_it_has_every_trace_of_the_person(
    runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient
) -> None:
    trail = await make_trail(runtime, practice, here)
    answer = await here.get("/api/v1/users/me/export")
    assert answer.status_code == 200
    document = json.dumps(answer.json(), ensure_ascii=False)
    for canary in (*CANARIES, REASON, str(trail.visit_id), str(trail.paid_id), "Primera consulta", "Nuria"):
        assert canary in document, canary
    about = answer.json()["about"]
    assert about["practice"]["name"] == practice.name
    assert about["client_id"] == str(trail.client.id)
    assert about["privacy_policy"]["version"] == "1"
    assert set(answer.json()["data"]) == {
        "answers", "mails", "texts", "payments", "cards", "packages", "documents", "appointments", "calendar_feeds",
        "waitlist", "social", "privacy", "account",
    }  # fmt: skip


async def test_it_has_no_hashes_no_tokens_and_nobody_else(
    runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient
) -> None:
    trail = await make_trail(runtime, practice, here)
    other = await make_client(runtime, practice, first_name="Ajenocanary")
    await trail.desk.book(other)
    document = (await here.get("/api/v1/users/me/export")).text
    for secret in ("$argon2", "$2b$", "token_hash", "request_digest", "hashed_password", "code_hash", "next_action"):
        assert secret not in document, secret
    for stranger in ("Ajenocanary", other.email, str(other.id)):
        assert stranger not in document, stranger


async def mails_in_export(here: httpx.AsyncClient, client: SignedIn) -> list[dict[str, Any]]:
    answer = await here.get("/api/v1/users/me/export", headers=client.headers)
    mails: list[dict[str, Any]] = answer.json()["data"]["mails"]["mails"]
    return mails


async def test_it_does_not_say_whether_an_address_that_one_asks_for_has_an_account(
    runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient
) -> None:
    taken, curious = await make_client(runtime, practice), await make_client(runtime, practice)
    for address in (taken.email, "nobody@example.com"):
        body = {"new_email": address}
        assert (await here.post("/api/v1/users/me/email", json=body, headers=curious.headers)).status_code == 202
        await run_due_events(runtime, practice)
    assert {mail.recipient for mail in await mails_of(runtime, practice)} >= {taken.email, "nobody@example.com"}
    told = await mails_in_export(here, curious)
    assert {(mail["kind"], mail["recipient"]) for mail in told} == {("email_change_old", curious.email)}
    assert taken.email in {mail["recipient"] for mail in await mails_in_export(here, taken)}


async def test_it_has_no_mails_of_someone_who_had_the_address_before(
    runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient
) -> None:
    before = await make_client(runtime, practice, "shared@example.com")
    await here.post("/api/v1/auth/password/forgot", json={"email": before.email})
    await run_due_events(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Client, before.id)).email = "moved@example.com"
    for is_verified in (False, True):
        async with runtime.database.tenant(practice) as session:
            await session.execute(delete(Consent).where(Consent.client_id != before.id))
            await session.execute(delete(Client).where(Client.email == "shared@example.com"))
        after = await make_client(runtime, practice, "shared@example.com", is_verified=is_verified)
        assert await mails_in_export(here, after) == []
    assert [mail["recipient"] for mail in await mails_in_export(here, before)] == ["shared@example.com"]
