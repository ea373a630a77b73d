"""Every route of the contract, called by the wrong people. Generated from the OpenAPI documents."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.practices import make_client, make_staff_member
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.service import AUDIENCE

# What anybody may call: the rest needs the token of the one kind that its path names.
OPEN = {
    ("get", "/api/v1/practice"),
    ("get", "/api/v1/services"),
    ("get", "/api/v1/practitioners"),
    ("get", "/api/v1/time-slots"),
    ("post", "/api/v1/auth/register"),
    ("post", "/api/v1/auth/login"),
    ("post", "/api/v1/auth/refresh"),
    ("post", "/api/v1/auth/logout"),
    ("post", "/api/v1/auth/verify-email/request"),
    ("post", "/api/v1/auth/verify-email"),
    ("post", "/api/v1/auth/password/forgot"),
    ("post", "/api/v1/auth/password/reset"),
    ("post", "/api/v1/admin/auth/login"),
    ("post", "/api/v1/admin/auth/refresh"),
    ("post", "/api/v1/admin/auth/logout"),
    ("post", "/api/v1/admin/auth/accept-invitation"),
    ("post", "/api/v1/platform/auth/login"),
    ("post", "/api/v1/platform/auth/refresh"),
    ("post", "/api/v1/platform/auth/logout"),
}
# Not part of the API: development pages, and webhooks, whose signature is their guard.
ELSEWHERE = ("/dev/", "/webhooks/", "/sandbox/")


def routes(document: dict[str, dict[str, dict[str, object]]]) -> list[tuple[str, str]]:
    """Method and path of every operation."""
    return sorted(
        (method, path)
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete") and not path.startswith(ELSEWHERE)
    )


def kind_of(path: str) -> str:
    if path.startswith("/api/v1/platform"):
        return "operator"
    return "staff" if path.startswith("/api/v1/admin") else "client"


async def call(client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    """The operation with made-up ids and an empty body: enough to learn who is let in."""
    parts = [str(uuid4()) if part.startswith("{") else part for part in path.split("/")]
    return await client.request(method, "/".join(parts), headers=headers, json={} if method != "get" else None)


@pytest.mark.parametrize("surface", ["practice", "platform"])
async def test_nobody_gets_in_with_no_token_or_one_of_another_kind_practice_or_time(
    surface: str, http: HttpFactory, practice: TenantContext, other_practice: TenantContext, runtime: Runtime
) -> None:
    here = http(practice if surface == "practice" else None)
    document = (
        await here.get("/api/v1/openapi.json" if surface == "practice" else "/api/v1/platform/openapi.json")
    ).json()
    found = routes(document)
    assert len(found) > 5
    operator = runtime.signer.issue(uuid4(), AUDIENCE, timedelta(minutes=5))
    with clock.at(clock.now() - timedelta(days=1)):
        old = {
            "client": (await make_client(runtime, practice)).headers,
            "staff": (await make_staff_member(runtime, practice)).headers,
            "operator": {"Authorization": f"Bearer {runtime.signer.issue(uuid4(), AUDIENCE, timedelta(minutes=5))}"},
        }
    ours = {
        "client": (await make_client(runtime, practice)).headers,
        "staff": (await make_staff_member(runtime, practice)).headers,
        "operator": {"Authorization": f"Bearer {operator}"},
    }
    theirs = [
        (await make_client(runtime, other_practice)).headers,
        (await make_staff_member(runtime, other_practice)).headers,
    ]
    wrong = []
    for method, path in found:
        if (method, path) in OPEN:
            continue
        kind = kind_of(path)
        strangers = [{}, old[kind], *theirs, *(headers for name, headers in ours.items() if name != kind)]
        tampered = ours[kind]["Authorization"][:-4] + "AAAA"
        for headers in [*strangers, {"Authorization": tampered}]:
            answer = await call(here, method, path, headers)
            if answer.status_code != 401:
                wrong.append((method, path, answer.status_code))
    assert wrong == []


async def test_a_practitioner_and_reception_are_kept_from_what_their_role_may_not(
    http: HttpFactory, practice: TenantContext, runtime: Runtime
) -> None:
    here = http(practice)
    document = (await here.get("/api/v1/openapi.json")).json()
    table: dict[tuple[str, str], set[str]] = {}
    for role in StaffRole:
        headers = (await make_staff_member(runtime, practice, role)).headers
        for method, path in routes(document):
            if kind_of(path) != "staff" or (method, path) in OPEN:
                continue
            answer = await call(here, method, path, headers)
            assert answer.status_code != 401
            assert answer.status_code < 500, (method, path, answer.text)
            if answer.status_code != 403:
                table.setdefault((method, path), set()).add(role)
    owners_only = {key for key, roles in table.items() if roles == {"owner"}}
    assert ("post", "/api/v1/admin/staff") in owners_only
    assert ("patch", "/api/v1/admin/settings") in owners_only
    refund = table[("post", "/api/v1/admin/payments/{payment_id}/refund")]
    assert refund == {"owner", "manager"}
    catalogue = table[("post", "/api/v1/admin/services")]
    assert catalogue == {"owner", "manager"}
    assert all("owner" in roles for roles in table.values())
