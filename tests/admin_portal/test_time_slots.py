"""Weekly hours, one-off openings and blocked periods, for staff."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.practices import make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import make_practitioner, make_service
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

KINDS = ("recurring-time-slots", "recurring-blocked-time-slots", "time-slots", "blocked-time-slots")
PERIOD = {"starts_at": "2026-12-01T10:00:00+01:00", "ends_at": "2026-12-01T12:00:00+01:00"}
VALID: dict[str, dict[str, Any]] = {
    "recurring-time-slots": {"weekday": 1, "start_time": "09:00", "end_time": "13:30"},
    "recurring-blocked-time-slots": {
        "rrule": "rrule:freq=weekly;interval=2",
        "anchor_date": "2026-12-01",
        "start_time": "10:00",
        "duration_minutes": 90,
        "reason": "Congreso",
    },
    "time-slots": PERIOD,
    "blocked-time-slots": PERIOD | {"reason": "Congreso"},
}


@pytest.fixture
async def practitioner_id(runtime: Runtime, practice: TenantContext) -> str:
    """Someone whose calendar it is."""
    async with runtime.database.tenant(practice) as session:
        return str((await make_practitioner(session)).id)


@pytest.fixture
async def reception(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """The front desk, signed in."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)


async def create(client: httpx.AsyncClient, kind: str, practitioner_id: str, **more: Any) -> dict[str, Any]:
    """A new one."""
    body = VALID[kind] | {"practitioner_id": practitioner_id} | more
    answer = await client.post(f"/api/v1/admin/{kind}", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert made.pop("appointments_inside", 0) == 0
    return made


async def test_each_kind_is_made_read_changed_and_deleted(reception: httpx.AsyncClient, practitioner_id: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "recurring-time-slots": {"weekday": 7, "end_time": "24:00", "valid_from": "2026-12-01"},
        "recurring-blocked-time-slots": {"rrule": "FREQ=DAILY", "valid_until": "2027-01-01", "reason": None},
        "time-slots": {"ends_at": "2026-12-01T12:30:00Z"},
        "blocked-time-slots": {"reason": None},
    }
    shown: dict[str, dict[str, Any]] = {
        "recurring-time-slots": {
            "weekday": 1,
            "start_time": "09:00",
            "end_time": "13:30",
            "valid_from": None,
            "valid_until": None,
            "rrule": None,
            "anchor_date": None,
            "location_kinds": None,
        },
        "recurring-blocked-time-slots": VALID["recurring-blocked-time-slots"]
        | {"rrule": "FREQ=WEEKLY;INTERVAL=2", "valid_until": None},
        "time-slots": {"starts_at": "2026-12-01T09:00:00Z", "ends_at": "2026-12-01T11:00:00Z"},
        "blocked-time-slots": {
            "starts_at": "2026-12-01T09:00:00Z",
            "ends_at": "2026-12-01T11:00:00Z",
            "reason": "Congreso",
        },
    }
    for kind in KINDS:
        made = await create(reception, kind, practitioner_id)
        expected = shown[kind] | {"practitioner_id": practitioner_id}
        assert {name: value for name, value in made.items() if name not in ("id", "created_at")} == expected
        path = f"/api/v1/admin/{kind}/{made['id']}"
        assert (await reception.get(path)).json() == made
        changed = (await reception.patch(path, json=changes[kind])).json()
        assert changed == made | changes[kind]
        assert (await reception.get(f"/api/v1/admin/{kind}")).json() == {"items": [changed], "next_cursor": None}
        assert (await reception.delete(path)).status_code == 204
        for answer in (await reception.get(path), await reception.patch(path, json={}), await reception.delete(path)):
            assert_problem(answer, 404, "not_found")


async def test_hours_can_last_until_midnight_and_every_other_week(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, practitioner_id: str
) -> None:
    async with runtime.database.tenant(practice) as session:
        service = await make_service(session, UUID(practitioner_id), grid_minutes=60)
    evening = {"weekday": 2, "start_time": "22:00", "rrule": "FREQ=WEEKLY;INTERVAL=2", "anchor_date": "2027-01-04"}
    for end in ("00:00", "24:00"):
        made = await create(reception, "recurring-time-slots", practitioner_id, **evening, end_time=end)
        assert made["end_time"] == "24:00"
    async with runtime.database.tenant(practice) as session:
        ends = (await session.scalars(text("SELECT CAST(end_time AS text) FROM recurring_time_slots"))).all()
        assert ends == ["00:00:00", "00:00:00"]
    days = {"service_id": str(service.id), "from": "2027-01-04", "to": "2027-02-01"}
    free = (await reception.get("/api/v1/time-slots", params=days)).json()["items"]
    assert [item["starts_at"] for item in free] == [
        f"2027-01-{day}T{hour}:00:00+01:00" for day in ("05", "19") for hour in (22, 23)
    ]
    path = f"/api/v1/admin/recurring-time-slots/{made['id']}"
    assert_problem(await reception.patch(path, json={"rrule": None}), 422, "validation_error")
    weekly = (await reception.patch(path, json={"rrule": None, "anchor_date": None})).json()
    assert (weekly["rrule"], weekly["end_time"]) == (None, "24:00")
    whole = (await reception.patch(path, json={"start_time": "00:00"})).json()
    assert (whole["start_time"], whole["end_time"]) == ("00:00", "24:00")


async def test_lists_are_cut_by_person_and_time(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, practitioner_id: str
) -> None:
    async with runtime.database.tenant(practice) as session:
        other = str((await make_practitioner(session)).id)
    for kind in KINDS:
        mine, theirs = await create(reception, kind, practitioner_id), await create(reception, kind, other)
        path = f"/api/v1/admin/{kind}"
        found = (await reception.get(path, params={"practitioner_id": other})).json()["items"]
        assert found == [theirs]
        first = (await reception.get(path, params={"limit": 1})).json()
        rest = (await reception.get(path, params={"limit": 1, "cursor": first["next_cursor"]})).json()
        assert {item["id"] for item in first["items"] + rest["items"]} == {mine["id"], theirs["id"]}
    for kind in KINDS[2:]:
        path = f"/api/v1/admin/{kind}"
        for params, count in (
            ({"from": "2026-12-01", "to": "2026-12-02"}, 2),
            ({"to": "2026-12-01"}, 0),
            ({"from": "2026-12-02"}, 0),
            ({"from": "2026-12-01T11:59:00+01:00"}, 2),
            ({"from": "2026-12-01T12:00:00+01:00"}, 0),
        ):
            assert len((await reception.get(path, params=params)).json()["items"]) == count
        assert_problem(await reception.get(path, params={"from": "x"}), 422, "validation_error")


async def test_input_that_is_not_valid(reception: httpx.AsyncClient, practitioner_id: str) -> None:
    period: list[dict[str, Any]] = [
        {"starts_at": "2026-12-01T10:00:00"},
        {"ends_at": "2026-12-01T08:00:00Z"},
        {"ends_at": "2026-12-01T09:00:00Z"},
        {"ends_at": "2032-12-01T08:00:00Z"},
        {"starts_at": None},
        {"ends_at": 5},
        {"weekday": 1},
    ]
    wrong: dict[str, list[dict[str, Any]]] = {
        "recurring-time-slots": [
            {"weekday": 0},
            {"weekday": 8},
            {"start_time": "9:00"},
            {"start_time": "09:00:00"},
            {"end_time": "24:01"},
            {"start_time": "24:00"},
            {"end_time": "09:00"},
            {"start_time": "14:00"},
            {"start_time": None},
            {"valid_from": "2026-12-02", "valid_until": "2026-12-01"},
            {"valid_from": "soon"},
            {"rrule": "FREQ=WEEKLY;INTERVAL=2"},
            {"anchor_date": "2026-12-01"},
            {"rrule": "FREQ=HOURLY", "anchor_date": "2026-12-01"},
            {"rrule": "every other week", "anchor_date": "2026-12-01"},
            {"rrule": "FREQ=WEEKLY;BYDAY=TU", "anchor_date": "2026-12-01"},
            {"rrule": "FREQ=WEEKLY;UNTIL=20261101", "anchor_date": "2026-12-01"},
            {"location_kinds": []},
            {"location_kinds": ["moon"]},
        ],
        "recurring-blocked-time-slots": [
            {"rrule": None},
            {"rrule": "FREQ=SECONDLY"},
            {"rrule": "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31", "anchor_date": "2026-02-01"},
            {"rrule": "FREQ=DAILY" + ";" * 300},
            {"anchor_date": None},
            {"anchor_date": "1999-01-01"},
            {"start_time": "24:00"},
            {"duration_minutes": 4},
            {"duration_minutes": 10081},
            {"valid_until": "2026-11-30"},
            {"reason": "r" * 501},
            {"weekday": 1},
        ],
        "time-slots": period,
        "blocked-time-slots": [*period, {"reason": "r" * 501}],
    }
    for kind, bodies in wrong.items():
        made = await create(reception, kind, practitioner_id)
        for body in bodies:
            new = VALID[kind] | {"practitioner_id": practitioner_id} | body
            assert_problem(await reception.post(f"/api/v1/admin/{kind}", json=new), 422, "validation_error")
            answer = await reception.patch(f"/api/v1/admin/{kind}/{made['id']}", json=body)
            assert_problem(answer, 422, "validation_error")
        for unknown in (str(uuid4()), "x"):
            new = VALID[kind] | {"practitioner_id": unknown}
            assert_problem(await reception.post(f"/api/v1/admin/{kind}", json=new), 422, "validation_error")
        moved = await reception.patch(f"/api/v1/admin/{kind}/{made['id']}", json={"practitioner_id": practitioner_id})
        assert_problem(moved, 422, "validation_error")
        assert (await reception.get(f"/api/v1/admin/{kind}/{made['id']}")).json() == made


async def test_practitioners_change_their_own_calendar_and_no_other(
    runtime: Runtime, practice: TenantContext, http: HttpFactory, reception: httpx.AsyncClient, practitioner_id: str
) -> None:
    staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
    client = http(practice, headers=staff.headers)
    for kind in KINDS:
        body = VALID[kind] | {"practitioner_id": practitioner_id}
        assert_problem(await client.post(f"/api/v1/admin/{kind}", json=body), 403, "forbidden")  # they are nobody yet
    async with runtime.database.tenant(practice) as session:
        own = str((await make_practitioner(session)).id)
        (await session.get_one(Practitioner, UUID(own))).staff_id = staff.id
    for kind in KINDS:
        theirs = await create(reception, kind, practitioner_id)
        path = f"/api/v1/admin/{kind}"
        assert len((await client.get(path)).json()["items"]) == 1
        body = VALID[kind] | {"practitioner_id": practitioner_id}
        assert_problem(await client.post(path, json=body), 403, "forbidden")
        assert_problem(await client.patch(f"{path}/{theirs['id']}", json={}), 403, "forbidden")
        assert_problem(await client.delete(f"{path}/{theirs['id']}"), 403, "forbidden")
        mine = await create(client, kind, own)
        assert (await client.patch(f"{path}/{mine['id']}", json={})).status_code == 200
        assert (await client.delete(f"{path}/{mine['id']}")).status_code == 204


async def test_clients_have_no_business_here(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> None:
    client = http(practice, headers=(await make_client(runtime, practice)).headers)
    for kind in KINDS:
        assert (await client.get(f"/api/v1/admin/{kind}")).status_code == 401
        assert (await client.post(f"/api/v1/admin/{kind}", json=VALID[kind])).status_code == 401
