"""Consent by version and time."""

import httpx
import pytest
from sqlalchemy import select

from tenants.privacy.models import Consent
from tests.conftest import HttpFactory
from tests.support.practices import make_client, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NEW = {
    "email": "nueva@example.com",
    "password": "correct horse battery staple",
    "first_name": "Nieves",
    "last_name": "Nueva",
    "locale": "en",
    "accept_privacy": True,
}


@pytest.fixture
def here(http: HttpFactory, practice: TenantContext) -> httpx.AsyncClient:
    return http(practice)


async def raise_version(here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, version: str) -> None:
    owner = await make_staff_member(runtime, practice)
    body = {"privacy_policy_version": version, "privacy_policy_url": "https://example.com/p"}
    answer = await here.patch("/api/v1/admin/settings", json=body, headers=owner.headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["privacy_policy_version"] == version


async def test_registering_is_consent_to_the_version_in_force(
    here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    await raise_version(here, runtime, practice, "2026-05")
    for _ in range(2):  # the second time somebody else may have sent it
        assert (await here.post("/api/v1/auth/register", json=NEW)).status_code == 201
    async with runtime.database.tenant(practice) as session:
        (row,) = (await session.scalars(select(Consent))).all()
    assert (row.document, row.version, row.locale) == ("privacy", "2026-05", "en")


async def test_the_public_profile_names_the_policy(
    here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    assert (await here.get("/api/v1/practice")).json()["privacy_policy"] == {"version": "1", "url": None}
    await raise_version(here, runtime, practice, "2")
    policy = (await here.get("/api/v1/practice")).json()["privacy_policy"]
    assert policy == {"version": "2", "url": "https://example.com/p"}


async def test_a_client_agrees_to_the_version_in_force_and_to_no_other(
    here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    client = await make_client(runtime, practice)
    await raise_version(here, runtime, practice, "2")
    here.headers.update(client.headers)
    path = "/api/v1/users/me/consents"
    assert_problem(await here.post(path, json={"document": "privacy", "version": "1"}), 409, "outdated_version")
    assert (await here.post(path, json={"document": "cookies", "version": "2"})).status_code == 422
    for _ in range(2):
        assert (await here.post(path, json={"document": "privacy", "version": "2"})).status_code == 201
    items = (await here.get(path)).json()["items"]
    assert [one["version"] for one in items] == ["2", "1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"records_years": 4},
        {"invoice_years": 3},
        {"privacy_policy_url": "http://example.com"},
        {"privacy_policy_url": "javascript:alert(1)"},
        {"privacy_policy_version": ""},
    ],
    ids=str,
)
async def test_settings_below_the_law_or_unsafe_are_refused(
    here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, wrong: dict[str, object]
) -> None:
    owner = await make_staff_member(runtime, practice)
    answer = await here.patch("/api/v1/admin/settings", json=wrong, headers=owner.headers)
    assert_problem(answer, 422, "validation_error")
