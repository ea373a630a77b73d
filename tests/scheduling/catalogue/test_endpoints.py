"""What everyone may see: services, practitioners, free times."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from scheduling.catalogue.models import Practitioner, Service
from tests.conftest import HttpFactory
from tests.support.problems import assert_problem
from tests.support.scheduling import add_hours, make_offer, make_practitioner, make_service
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")


async def test_the_catalogue_shows_what_is_offered_and_hides_what_is_archived(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    async with runtime.database.tenant(practice) as session:
        here = await make_practitioner(session, name="Ana", bio="Dietista")
        gone = await make_practitioner(session, archived=True)
        paid = await make_service(session, here.id, gone.id, price_minor=6000, deposit_minor=1500)
        await make_service(session, here.id, archived=True)
    client = http(practice)
    services = (await client.get("/api/v1/services")).json()
    assert services == {
        "items": [
            {
                "id": str(paid.id),
                "name": "Primera visita",
                "description": "",
                "duration_minutes": 60,
                "price": {"amount": 6000, "currency": "EUR"},
                "deposit": {"amount": 1500, "currency": "EUR"},
                "buffer_before_minutes": 0,
                "buffer_after_minutes": 0,
                "location_kinds": ["practice", "online"],
                "practitioner_ids": [str(here.id)],
                "practitioners": [
                    {"id": str(here.id), "price": {"amount": 6000, "currency": "EUR"}, "duration_minutes": 60}
                ],
                "requires_approval": False,
                "free_first_visit": False,
                "capacity": None,
                "colour": None,
                "position": 0,
                "cancellation_policy": {
                    "cancel_notice_hours": 0,
                    "move_notice_hours": 0,
                    "refund_tiers": [{"hours_before": 24, "percent": 100}],
                    "no_show_fee": None,
                },
            }
        ],
        "next_cursor": None,
    }
    practitioners = (await client.get("/api/v1/practitioners")).json()
    assert practitioners == {
        "items": [
            {
                "id": str(here.id),
                "name": "Ana",
                "bio": "Dietista",
                "photo_url": None,
                "timezone": "Europe/Madrid",
                "service_ids": [str(paid.id)],
            }
        ],
        "next_cursor": None,
    }


async def test_lists_go_on_where_the_page_before_ended(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    async with runtime.database.tenant(practice) as session:
        made = [str((await make_service(session)).id) for _ in range(5)]
        for _ in range(3):
            await make_practitioner(session)
    client = http(practice)
    seen: list[str] = []
    cursor = None
    while True:
        page = (
            await client.get("/api/v1/services", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made
    for path in ("services", "practitioners"):
        for params in ({"cursor": "no"}, {"limit": 0}, {"limit": 101}):
            assert_problem(await client.get(f"/api/v1/{path}", params=params), 422, "validation_error")


async def test_free_times_are_listed_in_order_with_the_offset_of_the_zone_asked_for(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    async with runtime.database.tenant(practice) as session:
        people = sorted([(await make_practitioner(session)).id for _ in range(2)])
        for one in people:
            await add_hours(session, one)
        service = await make_service(session, *people, grid_minutes=60)
    client = http(practice)
    days = {"service_id": str(service.id), "from": "2026-03-28", "to": "2026-03-30"}
    body = (await client.get("/api/v1/time-slots", params=days)).json()
    assert body["next_cursor"] is None
    assert [(item["starts_at"], item["practitioner_id"]) for item in body["items"]] == [
        (f"2026-03-{day}T{hour:02}:00:00{offset}", str(one))
        for day, offset in ((28, "+01:00"), (29, "+02:00"))
        for hour in (9, 10, 11, 12)
        for one in people
    ]
    assert body["items"][0]["ends_at"] == "2026-03-28T10:00:00+01:00"
    far = (await client.get("/api/v1/time-slots", params=days | {"timezone": "America/St_Johns"})).json()["items"]
    assert far[0]["starts_at"] == "2026-03-28T05:30:00-02:30"
    utc = (await client.get("/api/v1/time-slots", params=days | {"timezone": "UTC"})).json()["items"]
    assert datetime.fromisoformat(utc[0]["starts_at"]) == datetime(2026, 3, 28, 8, tzinfo=UTC)
    one = (await client.get("/api/v1/time-slots", params=days | {"practitioner_id": str(people[1])})).json()["items"]
    assert {item["practitioner_id"] for item in one} == {str(people[1])}


async def test_questions_for_free_times_that_are_not_valid(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    offer = await make_offer(runtime, practice)
    client = http(practice)
    right = {"service_id": str(offer.service_id), "from": "2026-03-03", "to": "2026-05-04"}
    assert (await client.get("/api/v1/time-slots", params=right)).status_code == 200
    for wrong in (
        {"to": "2026-05-05"},
        {"to": "2026-03-03"},
        {"to": "2026-03-02"},
        {"to": "2026-02-30"},
        {"from": "0001-01-01"},
        {"to": "9999-12-31"},
        {"from": "soon"},
        {"service_id": "x"},
        {"practitioner_id": "x"},
        {"timezone": "Mars/Base"},
        {"timezone": ""},
        {"timezone": "../etc/passwd"},
    ):
        assert_problem(await client.get("/api/v1/time-slots", params=right | wrong), 422, "validation_error")
    for missing in right:
        rest = {name: value for name, value in right.items() if name != missing}
        assert_problem(await client.get("/api/v1/time-slots", params=rest), 422, "validation_error")


async def test_what_is_unknown_archived_or_past_has_no_free_times(
    runtime: Runtime, practice: TenantContext, other_practice: TenantContext, http: HttpFactory
) -> None:
    offer = await make_offer(runtime, practice)
    client = http(practice)
    days = {"service_id": str(offer.service_id), "from": "2026-03-03", "to": "2026-03-04"}
    past = days | {"from": "2025-03-03", "to": "2025-03-10"}
    assert (await client.get("/api/v1/time-slots", params=past)).json() == {"items": [], "next_cursor": None}
    elsewhere = await http(other_practice).get("/api/v1/time-slots", params=days)
    assert_problem(elsewhere, 404, "not_found")
    for unknown in ({"service_id": str(uuid4())}, {"practitioner_id": str(uuid4())}):
        assert_problem(await client.get("/api/v1/time-slots", params=days | unknown), 404, "not_found")
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Practitioner, offer.practitioner_id)).archived = True
    assert (await client.get("/api/v1/time-slots", params=days)).json()["items"] == []
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Service, offer.service_id)).archived = True
    assert_problem(await client.get("/api/v1/time-slots", params=days), 404, "not_found")
