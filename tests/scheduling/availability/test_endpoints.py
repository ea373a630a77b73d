"""``/time-slots``: lists by place and by turn, the next free times, free times by day, and why a time is missing."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from scheduling.catalogue.models import RecurringTimeSlot, ServicePractitioner
from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.practices import make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import (
    Offer,
    add_block,
    add_hours,
    make_offer,
    make_practitioner,
    make_service,
    minutes,
    set_practice,
)
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")
MADRID = ZoneInfo("Europe/Madrid")
MONDAY = date(2026, 3, 2)
PATH = "/api/v1/time-slots"


def local(day: date, hour: int, minute: int = 0) -> str:
    return datetime.combine(day, time(hour, minute), MADRID).isoformat()


async def ask(client: httpx.AsyncClient, path: str = "", **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"{PATH}{path}", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def two_people(runtime: Runtime, practice: TenantContext) -> tuple[Offer, Offer]:
    """Two who offer one service, with the same hours."""
    async with runtime.database.tenant(practice) as session:
        people = [await make_practitioner(session) for _ in range(2)]
        for person in people:
            await add_hours(session, person.id)
        service = await make_service(session, *(person.id for person in people))
    return Offer(people[0].id, service.id), Offer(people[1].id, service.id)


class TestNext:
    async def test_looks_over_the_whole_horizon(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice, horizon_days=200)
        async with runtime.database.tenant(practice) as session:
            until = datetime.combine(MONDAY + timedelta(days=150), time(), MADRID)
            await add_block(session, offer.practitioner_id, datetime(2026, 3, 1, tzinfo=UTC), until)
        found = await ask(http(practice), "/next", service_id=offer.service_id, limit=2)
        day = MONDAY + timedelta(days=150)
        assert [one["starts_at"] for one in found] == [local(day, 9), local(day, 9, 30)]
        assert {one["practitioner_id"] for one in found} == {str(offer.practitioner_id)}

    async def test_finds_nothing_where_nothing_is(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice, horizon_days=30)
        async with runtime.database.tenant(practice) as session:
            await add_block(
                session, offer.practitioner_id, datetime(2026, 3, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)
            )
        assert await ask(http(practice), "/next", service_id=offer.service_id) == []

    async def test_says_who_it_will_be_and_the_booking_keeps_to_it(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        first, _second = await two_people(runtime, practice)
        given = []
        for _ in range(6):  # six bookings with "anyone": three each, by turns
            client = http(practice, headers=(await make_client(runtime, practice)).headers)
            following = (await ask(client, "/next", service_id=first.service_id, limit=1))[0]
            body = {"service_id": str(first.service_id), "starts_at": following["starts_at"]}
            booked = (await client.post("/api/v1/appointments", json=body)).json()
            assert booked["practitioner_id"] == following["practitioner_id"]
            given.append(booked["practitioner_id"])
        assert given[0] != given[1]
        assert sorted(map(given.count, set(given))) == [3, 3]

    async def test_refuses_limits_that_make_no_sense(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice)
        for limit in (0, 51):
            answer = await http(practice).get(
                f"{PATH}/next", params={"service_id": str(offer.service_id), "limit": limit}
            )
            assert_problem(answer, 422, "validation_error")


class TestDays:
    async def test_counts_each_start_once_and_shows_every_day(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        first, _second = await two_people(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            for person in (first, _second):
                begin = datetime.combine(MONDAY + timedelta(days=1), time(), MADRID)
                await add_block(session, person.practitioner_id, begin, begin + timedelta(days=1))
        days = await ask(
            http(practice), "/days", service_id=first.service_id, **{"from": MONDAY, "to": MONDAY + timedelta(days=3)}
        )
        assert days == [
            {"date": "2026-03-02", "free": 7},
            {"date": "2026-03-03", "free": 0},
            {"date": "2026-03-04", "free": 7},
        ]

    async def test_wants_a_month_or_two_in_the_right_order(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice)
        for end in (MONDAY, MONDAY + timedelta(days=63)):
            query = {"service_id": str(offer.service_id), "from": str(MONDAY), "to": str(end)}
            assert_problem(await http(practice).get(f"{PATH}/days", params=query), 422, "validation_error")


class TestPlaces:
    async def test_hours_of_one_place_are_offered_there_alone(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            person = await make_practitioner(session)
            for kind, hour in (("practice", 9), ("online", 11)):
                session.add(
                    RecurringTimeSlot(
                        id=new_id(),
                        practitioner_id=person.id,
                        weekday=2,
                        start_time=time(hour),
                        end_time=time(hour + 2),
                        location_kinds=[kind],
                    )
                )
            service = await make_service(session, person.id)
        tuesday = MONDAY + timedelta(days=1)
        days = {"service_id": str(service.id), "from": str(tuesday), "to": str(tuesday + timedelta(days=1))}
        guest = http(practice)
        at_practice = [one["starts_at"] for one in await ask(guest, location_kind="practice", **days)]
        online = [one["starts_at"] for one in await ask(guest, location_kind="online", **days)]
        assert at_practice == [local(tuesday, 9), local(tuesday, 9, 30), local(tuesday, 10)]
        assert online == [local(tuesday, 11), local(tuesday, 11, 30), local(tuesday, 12)]
        # Nobody can be in both places at once: what would begin in one and end in the other is not offered.
        assert [one["starts_at"] for one in await ask(guest, **days)] == at_practice + online

        client = http(practice, headers=(await make_client(runtime, practice)).headers)
        body = {"service_id": str(service.id), "starts_at": local(tuesday, 11)}
        refused = await client.post("/api/v1/appointments", json=body | {"location_kind": "practice"})
        assert_problem(refused, 422, "slot_not_offered")
        assert (await client.post("/api/v1/appointments", json=body)).json()["location_kind"] == "online"

    async def test_a_place_that_the_service_does_not_have_is_refused(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice)
        query = {
            "service_id": str(offer.service_id),
            "from": "2026-03-02",
            "to": "2026-03-03",
            "location_kind": "phone",
        }
        assert_problem(await http(practice).get(PATH, params=query), 422, "validation_error")


class TestAssigning:
    async def test_lists_each_start_once_with_whoever_has_least_to_do_that_day(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        first, second = await two_people(runtime, practice)
        client = http(practice, headers=(await make_client(runtime, practice)).headers)
        tuesday = MONDAY + timedelta(days=1)
        for hour, person in ((9, first), (10, first)):
            body = {
                "service_id": str(first.service_id),
                "starts_at": local(tuesday, hour),
                "practitioner_id": str(person.practitioner_id),
            }
            assert (await client.post("/api/v1/appointments", json=body)).status_code == 201
        days = {"service_id": str(first.service_id), "from": str(tuesday), "to": str(tuesday + timedelta(days=1))}
        found = await ask(client, assign="true", **days)
        assert len(found) == 7
        assert {one["practitioner_id"] for one in found} == {str(second.practitioner_id)}


class TestOwnTerms:
    async def test_someone_who_takes_longer_and_charges_more_is_offered_and_booked_so(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        first, second = await two_people(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            own = await session.get_one(ServicePractitioner, (second.service_id, second.practitioner_id))
            own.duration_minutes, own.price_minor = 90, 9000
        tuesday = MONDAY + timedelta(days=1)
        days = {"from": str(tuesday), "to": str(tuesday + timedelta(days=1))}
        client = http(practice, headers=(await make_client(runtime, practice)).headers)
        found = await ask(client, service_id=first.service_id, **days)
        lengths = {
            (one["practitioner_id"], datetime.fromisoformat(one["ends_at"]) - datetime.fromisoformat(one["starts_at"]))
            for one in found
        }
        assert lengths == {(str(first.practitioner_id), minutes(60)), (str(second.practitioner_id), minutes(90))}
        assert [one["starts_at"] for one in found][-1] == local(tuesday, 12)  # who takes longer stops earlier
        body = {
            "service_id": str(second.service_id),
            "starts_at": local(tuesday, 11, 30),
            "practitioner_id": str(second.practitioner_id),
        }
        booked = (await client.post("/api/v1/appointments", json=body)).json()
        assert datetime.fromisoformat(booked["ends_at"]) == datetime.combine(tuesday, time(13), MADRID)
        assert (booked["price"]["amount"], booked["status"]) == (9000, "held")


class TestExplaining:
    async def staff(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, role: StaffRole = StaffRole.RECEPTION
    ) -> httpx.AsyncClient:
        return http(practice, headers=(await make_staff_member(runtime, practice, role)).headers)

    async def explain(self, staff: httpx.AsyncClient, offer: Offer, at: str) -> dict[str, Any]:
        found = await ask(staff, service_id=offer.service_id, explain="true", at=at)
        assert len(found) == 1
        return found[0]

    async def test_names_the_first_rule_that_takes_a_time_away(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_offer(
            runtime, practice, minimum_notice_minutes=120, horizon_days=60, max_per_day=1, grid_minutes=30
        )
        staff = await self.staff(runtime, practice, http)
        client = http(practice, headers=(await make_client(runtime, practice)).headers)
        tuesday, friday = MONDAY + timedelta(days=1), date(2026, 4, 3)
        await set_practice(runtime, practice, holidays_country="ES", holidays_region=None)
        async with runtime.database.tenant(practice) as session:
            begin = datetime.combine(MONDAY + timedelta(days=2), time(9), MADRID)
            await add_block(session, offer.practitioner_id, begin, begin + minutes(90))
        body = {"service_id": str(offer.service_id), "starts_at": local(tuesday, 9)}
        assert (await client.post("/api/v1/appointments", json=body)).status_code == 201
        expected = {
            local(MONDAY, 9): ["minimum_notice"],
            local(MONDAY, 10): [],
            local(MONDAY, 10, 15): ["grid"],
            local(MONDAY, 12, 30): ["opening_hours"],
            local(tuesday, 9, 30): ["day_cap", "taken"],
            local(tuesday, 11): ["day_cap"],
            local(MONDAY + timedelta(days=2), 10): ["blocked"],
            local(friday, 9): ["public_holiday"],
            local(MONDAY + timedelta(days=70), 9): ["horizon"],
        }
        for at, rules in expected.items():
            found = await self.explain(staff, offer, at)
            assert (found["rules"], found["rule"]) == (rules, rules[0] if rules else None), at
            assert found["free"] is (not rules)

    async def test_someone_who_does_not_offer_the_service_is_said_so(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            other = await make_practitioner(session)
        staff = await self.staff(runtime, practice, http)
        found = await ask(
            staff, service_id=offer.service_id, practitioner_id=other.id, explain="true", at=local(MONDAY, 10)
        )
        assert found[0]["rule"] == "not_offered"

    async def test_is_for_staff_of_this_practice_alone(
        self, runtime: Runtime, practice: TenantContext, other_practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice)
        query = {"service_id": str(offer.service_id), "explain": "true", "at": local(MONDAY, 10)}
        assert_problem(await http(practice).get(PATH, params=query), 401, "not_authenticated")
        for account in (
            await make_client(runtime, practice),
            await make_staff_member(runtime, other_practice, StaffRole.OWNER),
        ):
            answer = await http(practice, headers=account.headers).get(PATH, params=query)
            assert answer.status_code == 401, answer.text
        staff = await self.staff(runtime, practice, http, StaffRole.PRACTITIONER)
        assert (await staff.get(PATH, params=query)).status_code == 200
        query.pop("at")
        assert_problem(await staff.get(PATH, params=query), 422, "validation_error")
