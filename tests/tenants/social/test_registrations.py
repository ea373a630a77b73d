"""A practice's own registration at a provider: set by its owner, sealed, used in place of the platform's."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from tenants.accounts.models import StaffAuditEntry, StaffRole
from tenants.social.models import SocialProviderAccount
from tests.conftest import HttpFactory
from tests.support.oauth_provider import OAuthProvider
from tests.support.practices import make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.social import ANA, CALLBACK, authorize, exchange, parameter, return_from, visit
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

PATH = "/api/v1/admin/sign-in-providers"
OWN = {"client_id": "own-google", "client_secret": "own-secret", "is_enabled": True}


@pytest.fixture
def here(http: HttpFactory, practice: TenantContext) -> httpx.AsyncClient:
    """The practice's host."""
    return http(practice)


@pytest.fixture
async def owner(runtime: Runtime, practice: TenantContext) -> dict[str, str]:
    """The owner's token."""
    return (await make_staff_member(runtime, practice)).headers


async def test_an_owner_registers_the_practice_and_clients_go_there_with_it(
    here: httpx.AsyncClient,
    http: HttpFactory,
    owner: dict[str, str],
    provider: OAuthProvider,
    runtime: Runtime,
    practice: TenantContext,
) -> None:
    provider.register("own-google", "own-secret", CALLBACK.format("google"))
    before = (await here.get(PATH, headers=owner)).json()["items"]
    assert [(item["provider"], item["source"], item["client_id"]) for item in before] == [
        ("google", "platform", None),
        ("facebook", "platform", None),
    ]
    assert before[0]["callback_url"] == CALLBACK.format("google")
    put = await here.put(f"{PATH}/google", json=OWN, headers=owner)
    assert put.status_code == 200, put.text
    assert (put.json()["source"], put.json()["has_secret"], put.json()["is_offered"]) == ("practice", True, True)
    assert "own-secret" not in put.text + (await here.get(PATH, headers=owner)).text
    provider.wishes.person = ANA
    url = await authorize(here, "google")
    assert parse_qs(urlsplit(url).query)["client_id"] == ["own-google"]
    location = await return_from(http(), await visit(url))
    assert (await exchange(here, parameter(location, "handoff"))).status_code == 200
    async with runtime.database.tenant(practice) as session:
        row = (await session.scalars(select(SocialProviderAccount))).one()
        entry = (await session.scalars(select(StaffAuditEntry))).one()
    assert "own-secret" not in row.client_secret
    assert (entry.action, entry.detail["is_secret_new"]) == ("sign_in_provider.changed", True)
    assert "own-secret" not in str(entry.detail)


async def test_the_other_practice_keeps_the_platforms(
    here: httpx.AsyncClient, http: HttpFactory, owner: dict[str, str], other_practice: TenantContext
) -> None:
    await here.put(f"{PATH}/google", json=OWN, headers=owner)
    url = await authorize(http(other_practice), "google")
    assert parse_qs(urlsplit(url).query)["client_id"] == ["platform-google"]


async def test_a_wrong_secret_is_a_sentence_for_the_client(
    here: httpx.AsyncClient, http: HttpFactory, owner: dict[str, str], provider: OAuthProvider
) -> None:
    provider.register("own-google", "another-secret", CALLBACK.format("google"))
    await here.put(f"{PATH}/google", json=OWN, headers=owner)
    provider.wishes.person = ANA
    location = await return_from(http(), await visit(await authorize(here, "google")))
    assert urlsplit(location).query == "social=unavailable"


async def test_a_secret_stays_with_its_id_and_not_with_another(here: httpx.AsyncClient, owner: dict[str, str]) -> None:
    await here.put(f"{PATH}/google", json=OWN, headers=owner)
    kept = await here.put(f"{PATH}/google", json={"client_id": "own-google"}, headers=owner)
    assert kept.json()["has_secret"] is True
    for body in (
        {"client_id": "new"},
        {"client_id": "new", "is_enabled": False},
        {"client_id": "", "client_secret": "s"},
        {"is_enabled": True},
    ):
        assert_problem(await here.put(f"{PATH}/google", json=body, headers=owner), 422, "validation_error")


async def test_a_practice_can_turn_a_provider_off_and_go_back_to_the_platforms(
    here: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    off = await here.put(f"{PATH}/facebook", json={"is_enabled": False}, headers=owner)
    assert (off.status_code, off.json()["is_offered"]) == (200, False)
    assert (await here.get("/api/v1/auth/oauth/providers")).json() == {"items": ["google"]}
    assert_problem(await here.get("/api/v1/auth/oauth/facebook/authorize"), 404, "provider_not_offered")
    assert (await here.delete(f"{PATH}/facebook", headers=owner)).status_code == 204
    assert (await here.get("/api/v1/auth/oauth/providers")).json() == {"items": ["google", "facebook"]}
    assert_problem(await here.delete(f"{PATH}/facebook", headers=owner), 404, "not_found")


async def test_a_provider_turned_off_in_between_gives_no_handoff(
    here: httpx.AsyncClient, http: HttpFactory, owner: dict[str, str], provider: OAuthProvider
) -> None:
    provider.wishes.person = ANA
    url = await visit(await authorize(here, "google"))
    await here.put(f"{PATH}/google", json={"is_enabled": False}, headers=owner)
    assert urlsplit(await return_from(http(), url)).query == "social=unavailable"


async def test_others_may_not_and_an_old_sign_in_must_be_confirmed(
    here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    for role in (StaffRole.MANAGER, StaffRole.PRACTITIONER, StaffRole.RECEPTION):
        headers = (await make_staff_member(runtime, practice, role)).headers
        assert_problem(await here.get(PATH, headers=headers), 403, "forbidden")
        assert_problem(await here.put(f"{PATH}/google", json=OWN, headers=headers), 403, "forbidden")
        assert_problem(await here.delete(f"{PATH}/google", headers=headers), 403, "forbidden")
    client = (await make_client(runtime, practice)).headers
    assert_problem(await here.put(f"{PATH}/google", json=OWN, headers=client), 401, "invalid_token")
    with clock.at(clock.now() - timedelta(minutes=16)):
        late = await make_staff_member(runtime, practice)
    pair = await here.post("/api/v1/admin/auth/refresh", json={"refresh_token": late.refresh_token})
    headers = {"Authorization": f"Bearer {pair.json()['access_token']}"}
    assert_problem(await here.put(f"{PATH}/google", json=OWN, headers=headers), 403, "fresh_sign_in_required")
    assert (await here.get(PATH, headers=headers)).status_code == 200


async def test_a_secret_sealed_for_one_practice_opens_at_no_other(
    here: httpx.AsyncClient,
    http: HttpFactory,
    owner: dict[str, str],
    runtime: Runtime,
    practice: TenantContext,
    other_practice: TenantContext,
) -> None:
    await here.put(f"{PATH}/google", json=OWN, headers=owner)
    async with runtime.database.tenant(practice) as session:
        row = (await session.scalars(select(SocialProviderAccount))).one()
    async with runtime.database.tenant(other_practice) as session:
        session.add(
            SocialProviderAccount(
                provider=row.provider,
                client_id=row.client_id,
                client_secret=row.client_secret,
                is_enabled=True,
                updated_at=row.updated_at,
            )
        )
    answer = await http(other_practice).get("/api/v1/auth/oauth/google/authorize")
    assert_problem(answer, 404, "provider_not_offered")
