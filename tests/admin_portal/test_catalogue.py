"""``/admin/services`` and ``/admin/practitioners``."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.practices import make_client, make_practice, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import make_offer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NEW_SERVICE: dict[str, Any] = {
    "name": " Seguimiento ",
    "duration_minutes": 45,
    "price": {"amount": 4500, "currency": "EUR"},
}


WRONG_TIERS: list[Any] = [
    [{"hours_before": 24, "percent": 50}, {"hours_before": 48, "percent": 100}],
    [{"hours_before": 24, "percent": 50}, {"hours_before": 24, "percent": 50}],
    [{"hours_before": 48, "percent": 50}, {"hours_before": 24, "percent": 60}],
    [{"hours_before": 48, "percent": 101}],
    [{"hours_before": 48, "percent": -1}],
    [{"hours_before": -1, "percent": 50}],
    [{"hours_before": 48}],
    [{"hours_before": 48, "percent": 50, "more": 1}],
    [{"hours_before": hours, "percent": 10} for hours in (60, 50, 40, 30, 20, 10)],
    5,
]


@pytest.fixture
async def manager(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """A manager of the practice, signed in."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.MANAGER)).headers)


async def create(client: httpx.AsyncClient, thing: str, body: dict[str, Any]) -> dict[str, Any]:
    """A new one."""
    answer = await client.post(f"/api/v1/admin/{thing}", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


class TestServices:
    async def test_a_service_is_made_read_changed_and_deleted(self, manager: httpx.AsyncClient) -> None:
        person = await create(manager, "practitioners", {"name": "Ana"})
        made = await create(manager, "services", NEW_SERVICE | {"practitioner_ids": [person["id"]]})
        assert {name: value for name, value in made.items() if name not in ("id", "created_at")} == {
            "name": "Seguimiento",
            "description": "",
            "duration_minutes": 45,
            "price": {"amount": 4500, "currency": "EUR"},
            "deposit": None,
            "buffer_before_minutes": 0,
            "buffer_after_minutes": 0,
            "location_kinds": ["practice"],
            "practitioner_ids": [person["id"]],
            "practitioners": [{"practitioner_id": person["id"], "price": None, "duration_minutes": None}],
            "minimum_notice_minutes": 60,
            "horizon_days": 90,
            "grid_minutes": 15,
            "max_per_day": None,
            "max_per_week": None,
            "free_first_visit": False,
            "tax_treatment": "exempt_health",
            "invoice_description": None,
            "capacity": None,
            "requires_approval": False,
            "approval_hours": 48,
            "cancel_notice_hours": 0,
            "move_notice_hours": 0,
            "refund_tiers": None,
            "no_show_fee": None,
            "reminder_minutes": None,
            "follow_up_hours": None,
            "colour": None,
            "position": 0,
            "cancellation_policy": {
                "cancel_notice_hours": 0,
                "move_notice_hours": 0,
                "refund_tiers": [{"hours_before": 24, "percent": 100}],
                "no_show_fee": None,
            },
            "archived": False,
        }
        path = f"/api/v1/admin/services/{made['id']}"
        assert (await manager.get(path)).json() == made
        assert (await manager.get("/api/v1/admin/services")).json()["items"] == [made]
        changes = {"deposit": {"amount": 1000, "currency": "EUR"}, "practitioner_ids": [], "archived": True}
        changed = (await manager.patch(path, json=changes)).json()
        assert changed == made | changes | {"practitioners": []}
        assert (await manager.get("/api/v1/admin/services")).json()["items"] == [changed]  # staff sees archived ones
        assert (await manager.patch(path, json={"deposit": None})).json()["deposit"] is None
        assert (await manager.delete(path)).status_code == 204
        for answer in (await manager.get(path), await manager.patch(path, json={}), await manager.delete(path)):
            assert_problem(answer, 404, "not_found")

    async def test_one_that_was_booked_is_archived_instead(
        self, runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice)
        client = http(practice, headers=(await make_client(runtime, practice)).headers)
        days = {"service_id": str(offer.service_id), "from": "2026-11-30", "to": "2026-12-20"}
        free = (await client.get("/api/v1/time-slots", params=days)).json()["items"]
        body = {"service_id": str(offer.service_id), "starts_at": free[0]["starts_at"]}
        assert (await client.post("/api/v1/appointments", json=body)).status_code == 201
        for thing, one in (("services", offer.service_id), ("practitioners", offer.practitioner_id)):
            path = f"/api/v1/admin/{thing}/{one}"
            assert (await manager.delete(path)).status_code == 204
            assert (await manager.get(path)).json()["archived"] is True

    async def test_input_that_is_not_valid(self, manager: httpx.AsyncClient) -> None:
        made = await create(manager, "services", NEW_SERVICE)
        person = (await create(manager, "practitioners", {"name": "Ana"}))["id"]
        path = f"/api/v1/admin/services/{made['id']}"
        wrong: list[dict[str, Any]] = [
            {"name": ""},
            {"name": "   "},
            {"name": None},
            {"name": "a\x00"},
            {"name": "n" * 201},
            {"duration_minutes": 4},
            {"duration_minutes": 1441},
            {"price": {"amount": 4500, "currency": "USD"}},
            {"price": {"amount": -1, "currency": "EUR"}},
            {"price": {"amount": 45.5, "currency": "EUR"}},
            {"price": {"amount": 10**12, "currency": "EUR"}},
            {"price": 4500},
            {"deposit": {"amount": 4501, "currency": "EUR"}},
            {"deposit": {"amount": 0, "currency": "EUR"}},
            {"deposit": {"amount": 100, "currency": "USD"}},
            {"buffer_before_minutes": -1},
            {"buffer_after_minutes": 481},
            {"location_kinds": []},
            {"location_kinds": ["moon"]},
            {"practitioner_ids": [str(uuid4())]},
            {"practitioner_ids": ["x"]},
            {"minimum_notice_minutes": -1},
            {"horizon_days": 0},
            {"grid_minutes": 0},
            {"archived": "maybe"},
            {"colour": "red"},
            {"colour": "#12345"},
            {"position": -1},
            {"position": None},
            {"max_per_day": 0},
            {"max_per_week": -1},
            {"capacity": 0},
            {"capacity": 501},
            {"requires_approval": None},
            {"approval_hours": 0},
            {"cancel_notice_hours": 721},
            {"move_notice_hours": -1},
            {"no_show_fee": {"amount": 100, "currency": "USD"}},
            {"no_show_fee": {"amount": -1, "currency": "EUR"}},
            *({"refund_tiers": tiers} for tiers in WRONG_TIERS),
            {"practitioners": [{"practitioner_id": str(uuid4())}]},
            {"practitioners": [{"practitioner_id": person, "price": {"amount": 1, "currency": "USD"}}]},
            {"practitioners": [{"practitioner_id": person, "duration_minutes": 4}]},
            {"practitioners": [{"practitioner_id": person}, {"practitioner_id": person}]},
            {"practitioners": [{"practitioner_id": person}], "practitioner_ids": [person]},
            {"practitioners": None},
        ]
        for body in wrong:
            assert_problem(
                await manager.post("/api/v1/admin/services", json=NEW_SERVICE | body), 422, "validation_error"
            )
            assert_problem(await manager.patch(path, json=body), 422, "validation_error")
        assert_problem(await manager.patch(path, json={"price": None}), 422, "validation_error")
        assert (await manager.get(path)).json() == made
        assert len((await manager.get("/api/v1/admin/services")).json()["items"]) == 1


class TestPractitioners:
    async def test_a_practitioner_is_made_read_changed_and_deleted(
        self, runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient
    ) -> None:
        service = await create(manager, "services", NEW_SERVICE)
        staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        made = await create(manager, "practitioners", {"name": "Ana", "service_ids": [service["id"]] * 2})
        assert {name: value for name, value in made.items() if name not in ("id", "created_at")} == {
            "name": "Ana",
            "bio": "",
            "photo_url": None,
            "timezone": "Europe/Madrid",
            "service_ids": [service["id"]],
            "staff_id": None,
            "works_on_holidays": False,
            "archived": False,
        }
        path = f"/api/v1/admin/practitioners/{made['id']}"
        changes = {
            "bio": "Dietista",
            "photo_url": "https://example.com/ana.jpg",
            "timezone": "Atlantic/Canary",
            "works_on_holidays": True,
            "staff_id": str(staff.id),
            "service_ids": [],
        }
        changed = (await manager.patch(path, json=changes)).json()
        assert changed == made | changes
        assert (await manager.get(path)).json() == changed
        assert (await manager.get("/api/v1/admin/practitioners")).json()["items"] == [changed]
        taken = await manager.post("/api/v1/admin/practitioners", json={"name": "Eva", "staff_id": str(staff.id)})
        assert_problem(taken, 409, "staff_already_linked")
        assert (await manager.delete(path)).status_code == 204
        for answer in (await manager.get(path), await manager.patch(path, json={}), await manager.delete(path)):
            assert_problem(answer, 404, "not_found")

    async def test_input_that_is_not_valid(self, manager: httpx.AsyncClient) -> None:
        made = await create(manager, "practitioners", {"name": "Ana"})
        path = f"/api/v1/admin/practitioners/{made['id']}"
        wrong: list[dict[str, Any]] = [
            {"name": ""},
            {"timezone": "Mars/Base"},
            {"timezone": "CET+1"},
            {"timezone": "localtime"},
            {"photo_url": "javascript:alert(1)"},
            {"photo_url": "http://x y"},
            {"staff_id": str(uuid4())},
            {"service_ids": [str(uuid4())]},
            {"bio": None},
            {"works_on_holidays": None},
            {"id": str(uuid4())},
        ]
        for body in wrong:
            answer = await manager.post("/api/v1/admin/practitioners", json={"name": "Eva"} | body)
            assert_problem(answer, 422, "validation_error")
            assert_problem(await manager.patch(path, json=body), 422, "validation_error")
        assert (await manager.get(path)).json() == made


async def test_who_may_see_and_who_may_change(
    runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient, http: HttpFactory
) -> None:
    service = await create(manager, "services", NEW_SERVICE)
    person = await create(manager, "practitioners", {"name": "Ana"})
    bodies: dict[str, dict[str, Any]] = {"services": NEW_SERVICE, "practitioners": {"name": "Eva"}}
    ids = {"services": service["id"], "practitioners": person["id"]}
    for role in (StaffRole.RECEPTION, StaffRole.PRACTITIONER):
        someone = http(practice, headers=(await make_staff_member(runtime, practice, role)).headers)
        for thing, body in bodies.items():
            path = f"/api/v1/admin/{thing}"
            assert (await someone.get(path)).status_code == 200
            assert (await someone.get(f"{path}/{ids[thing]}")).status_code == 200
            assert_problem(await someone.post(path, json=body), 403, "forbidden")
            assert_problem(await someone.patch(f"{path}/{ids[thing]}", json={}), 403, "forbidden")
            assert_problem(await someone.delete(f"{path}/{ids[thing]}"), 403, "forbidden")
    elsewhere = await make_practice(runtime)
    strangers = [
        http(practice),
        http(practice, headers=(await make_client(runtime, practice)).headers),
        http(practice, headers=(await make_staff_member(runtime, elsewhere)).headers),
    ]
    for stranger in strangers:
        for thing, body in bodies.items():
            assert (await stranger.get(f"/api/v1/admin/{thing}")).status_code == 401
            assert (await stranger.post(f"/api/v1/admin/{thing}", json=body)).status_code == 401
