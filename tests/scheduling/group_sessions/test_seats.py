"""Seats: booked, refused, moved and given up like any appointment."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from scheduling.appointments.errors import SlotNotOfferedError
from scheduling.appointments.events import APPOINTMENT_UNANSWERED
from scheduling.appointments.history import SYSTEM
from scheduling.appointments.placement import Liberties
from scheduling.availability.rules import load_rules
from scheduling.catalogue.models import ServicePractitioner
from scheduling.group_sessions.availability import OpenSession, list_open_sessions
from scheduling.group_sessions.services.cancelling import cancel_session
from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.scheduling.conftest import MONDAY
from tests.support.events import queued
from tests.support.group_sessions import make_group_offer, plan, seats_of, take
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import Offer, add_hours, make_practitioner, minutes, set_practice, stored
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")
TEN = datetime(2026, 3, 3, 9, tzinfo=UTC)
"""Tuesday at 10 in Madrid."""


@pytest.fixture
async def account(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client."""
    return await make_client(runtime, practice)


@pytest.fixture
async def client(practice: TenantContext, http: HttpFactory, account: SignedIn) -> httpx.AsyncClient:
    """The same, signed in."""
    return http(practice, headers=account.headers)


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    """A free group service of three seats."""
    return await make_group_offer(runtime, practice)


async def book(client: httpx.AsyncClient, offer: Offer, at: datetime = TEN, **more: Any) -> httpx.Response:
    """Ask for a seat."""
    body = {"service_id": str(offer.service_id), "starts_at": at.isoformat()} | more
    return await client.post("/api/v1/appointments", json=body)


async def open_sessions(runtime: Runtime, practice: TenantContext, offer: Offer, **more: Any) -> list[OpenSession]:
    """What can be booked in the week."""
    async with runtime.database.tenant(practice) as session:
        rules = await load_rules(session, offer.service_id)
        return await list_open_sessions(session, rules, MONDAY, MONDAY + timedelta(days=7), **more)


class TestBooking:
    async def test_a_seat_is_an_appointment_at_the_sessions_time_and_place(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_group_offer(runtime, practice, buffer_before_minutes=15, buffer_after_minutes=10)
        group = await plan(
            runtime, practice, offer, TEN, location_kind="online", meeting_url="https://meet.example.com/grupo"
        )
        answer = await book(client, offer)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert made["group_session_id"] == str(group.id)
        assert made["status"] == "confirmed"
        assert made["practitioner_id"] == str(offer.practitioner_id)
        assert (made["location_kind"], made["meeting_url"]) == ("online", "https://meet.example.com/grupo")
        row = await stored(runtime, practice, made["id"])
        assert (row.starts_at, row.ends_at, row.occupied) == (group.starts_at, group.ends_at, group.occupied)
        assert row.occupied.lower == TEN - minutes(15)

    async def test_the_last_seat_goes_once_and_the_next_one_is_refused(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, http: HttpFactory
    ) -> None:
        await plan(runtime, practice, offer, TEN, capacity=2)
        people = [http(practice, headers=(await make_client(runtime, practice)).headers) for _ in range(3)]
        assert [(await book(one, offer)).status_code for one in people[:2]] == [201, 201]
        assert_problem(await book(people[2], offer), 409, "slot_taken")
        assert await open_sessions(runtime, practice, offer) == []

    async def test_without_a_session_then_nothing_is_offered(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, client: httpx.AsyncClient
    ) -> None:
        await plan(runtime, practice, offer, TEN)
        assert_problem(await book(client, offer, TEN + minutes(60)), 422, "slot_not_offered")
        assert_problem(await book(client, offer, location_kind="online"), 422, "slot_not_offered")
        other = await make_group_offer(runtime, practice)
        assert_problem(await book(client, other), 422, "slot_not_offered")
        answer = await book(client, offer, practitioner_id=str(other.practitioner_id))
        assert_problem(answer, 422, "slot_not_offered")

    async def test_a_cancelled_session_is_offered_no_more(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, client: httpx.AsyncClient
    ) -> None:
        group = await plan(runtime, practice, offer, TEN)
        async with runtime.database.tenant(practice) as session:
            await cancel_session(session, group.id, actor=SYSTEM)
        assert_problem(await book(client, offer), 422, "slot_not_offered")
        assert await open_sessions(runtime, practice, offer) == []

    async def test_notice_and_horizon_bind_clients_and_not_staff_who_set_them_aside(
        self, runtime: Runtime, practice: TenantContext, account: SignedIn
    ) -> None:
        offer = await make_group_offer(runtime, practice, minimum_notice_minutes=2 * 24 * 60, horizon_days=10)
        far = TEN + timedelta(days=14)
        for at in (TEN, far):
            await plan(runtime, practice, offer, at)
            with pytest.raises(SlotNotOfferedError):
                await take(runtime, practice, offer, account, at)
            seat = await take(runtime, practice, offer, account, at, liberties=Liberties(outside_hours=True))
            assert seat.starts_at == at
        assert await open_sessions(runtime, practice, offer) == []

    async def test_one_person_has_one_seat_and_a_dependant_another(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, client: httpx.AsyncClient
    ) -> None:
        group = await plan(runtime, practice, offer, TEN)
        added = await client.post(
            "/api/v1/users/me/dependants",
            json={"first_name": "Dani", "last_name": "Cliente", "relationship": "child"},
        )
        assert added.status_code == 201, added.text
        first = await book(client, offer)
        assert_problem(await book(client, offer), 409, "already_booked")
        assert (await book(client, offer, dependant_id=added.json()["id"])).status_code == 201
        assert_problem(await book(client, offer, dependant_id=added.json()["id"]), 409, "already_booked")
        assert len(await seats_of(runtime, practice, group.id)) == 2
        assert (await client.post(f"/api/v1/appointments/{first.json()['id']}/cancel")).status_code == 200
        assert (await book(client, offer)).status_code == 201

    async def test_of_two_sessions_at_once_the_emptier_is_taken_unless_one_is_named(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, http: HttpFactory
    ) -> None:
        offer = await make_group_offer(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            second = (await make_practitioner(session)).id
            await add_hours(session, second)
            session.add(ServicePractitioner(service_id=offer.service_id, practitioner_id=second))
        await plan(runtime, practice, offer, TEN)
        await plan(runtime, practice, Offer(second, offer.service_id), TEN)
        people = [http(practice, headers=(await make_client(runtime, practice)).headers) for _ in range(4)]
        named = [(await book(one, offer, practitioner_id=str(second))).json() for one in people[:2]]
        assert {one["practitioner_id"] for one in named} == {str(second)}
        anyone = [(await book(one, offer)).json()["practitioner_id"] for one in people[2:]]
        assert anyone == [str(offer.practitioner_id)] * 2


class TestTimeSlots:
    async def test_a_group_service_offers_its_sessions_with_the_seats_that_are_left(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, client: httpx.AsyncClient
    ) -> None:
        await plan(runtime, practice, offer, TEN)
        await book(client, offer)
        params = {"service_id": str(offer.service_id), "from": "2026-03-02", "to": "2026-03-09"}
        [slot] = (await client.get("/api/v1/time-slots", params=params)).json()["items"]
        assert datetime.fromisoformat(slot["starts_at"]) == TEN
        assert (slot["practitioner_id"], slot["seats_left"]) == (str(offer.practitioner_id), 2)
        [following] = (
            await client.get("/api/v1/time-slots/next", params={"service_id": str(offer.service_id)})
        ).json()["items"]
        assert following["seats_left"] == 2


class TestStaff:
    async def test_they_book_seats_for_clients_by_the_same_rules(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, account: SignedIn
    ) -> None:
        offer = await make_group_offer(runtime, practice, 1, price_minor=4500)
        group = await plan(runtime, practice, offer, TEN)
        reception = http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)
        body = {"client_id": str(account.id), "service_id": str(offer.service_id), "starts_at": TEN.isoformat()}
        path = "/api/v1/admin/appointments"
        made = await reception.post(path, json=body)
        assert made.status_code == 201, made.text
        assert made.json()["group_session_id"] == str(group.id)
        assert_problem(await reception.post(path, json=body), 409, "already_booked")
        another = body | {"client_id": str((await make_client(runtime, practice)).id)}
        assert_problem(await reception.post(path, json=another), 409, "slot_taken")
        confirmed = await reception.post(f"{path}/{made.json()['id']}/confirm")
        assert confirmed.json()["status"] == "confirmed"


class TestHolds:
    async def test_a_hold_that_runs_out_gives_its_seat_back_at_once(
        self, runtime: Runtime, practice: TenantContext, account: SignedIn
    ) -> None:
        await set_practice(runtime, practice, hold_minutes=5)
        offer = await make_group_offer(runtime, practice, 1, price_minor=4500)
        await plan(runtime, practice, offer, TEN)
        held = await take(runtime, practice, offer, account, TEN)
        assert (held.status, held.amount_due_minor) == ("held", 4500)
        assert await open_sessions(runtime, practice, offer) == []
        with clock.at(MONDAY + minutes(5)):
            assert [one.seats_left for one in await open_sessions(runtime, practice, offer)] == [1]
            again = await take(runtime, practice, offer, account, TEN)
        assert again.status == "held"
        assert (await stored(runtime, practice, held.id)).status == "expired"


class TestOpenSessions:
    async def test_they_come_in_order_with_the_seats_that_are_left(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, account: SignedIn
    ) -> None:
        late = await plan(runtime, practice, offer, TEN + timedelta(days=1), capacity=5)
        early = await plan(runtime, practice, offer, TEN)
        await take(runtime, practice, offer, account, TEN)
        found = await open_sessions(runtime, practice, offer)
        assert [(one.id, one.seats_left) for one in found] == [(early.id, 2), (late.id, 5)]
        assert found[0].ends_at == TEN + minutes(60)
        assert await open_sessions(runtime, practice, offer, practitioner_id=UUID(int=1)) == []

    async def test_a_session_that_has_begun_is_not_offered(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, account: SignedIn
    ) -> None:
        await plan(runtime, practice, offer, TEN)
        with clock.at(TEN + timedelta(seconds=1)):
            assert await open_sessions(runtime, practice, offer) == []
            with pytest.raises(SlotNotOfferedError):
                await take(runtime, practice, offer, account, TEN)


async def test_who_asked_for_a_seat_in_vain_is_told_also_where_another_takes_it_first(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_group_offer(runtime, practice, capacity=1, requires_approval=True, approval_hours=1)
    await plan(runtime, practice, offer, TEN)
    asked = await take(runtime, practice, offer, await make_client(runtime, practice), TEN)
    with clock.at(MONDAY + timedelta(hours=2)):
        await take(runtime, practice, offer, await make_client(runtime, practice), TEN)
    assert (await stored(runtime, practice, asked.id)).status == "expired"
    told = [row.topic for row in await queued(runtime, practice) if row.payload.get("appointment_id") == str(asked.id)]
    assert APPOINTMENT_UNANSWERED in told


class TestMovingASeat:
    async def test_it_goes_to_another_session_of_the_service_with_all_that_belongs_to_it(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, client: httpx.AsyncClient
    ) -> None:
        later = TEN + timedelta(days=1)
        first = await plan(runtime, practice, offer, TEN)
        second = await plan(
            runtime, practice, offer, later, location_kind="online", meeting_url="https://meet.example.com/2"
        )
        made = (await book(client, offer)).json()
        moved = await client.post(
            f"/api/v1/appointments/{made['id']}/reschedule", json={"starts_at": later.isoformat()}
        )
        assert moved.status_code == 200, moved.text
        assert moved.json()["group_session_id"] == str(second.id)
        assert moved.json()["meeting_url"] == "https://meet.example.com/2"
        row = await stored(runtime, practice, made["id"])
        assert (row.version, row.occupied) == (1, second.occupied)
        assert await seats_of(runtime, practice, first.id) == []

    async def test_a_full_session_or_none_leaves_it_where_it_is(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, client: httpx.AsyncClient
    ) -> None:
        later = TEN + timedelta(days=1)
        group = await plan(runtime, practice, offer, TEN)
        await plan(runtime, practice, offer, later, capacity=1)
        await take(runtime, practice, offer, await make_client(runtime, practice), later)
        made = (await book(client, offer)).json()
        path = f"/api/v1/appointments/{made['id']}/reschedule"
        assert_problem(await client.post(path, json={"starts_at": later.isoformat()}), 409, "slot_taken")
        nowhere = (TEN + timedelta(days=2)).isoformat()
        assert_problem(await client.post(path, json={"starts_at": nowhere}), 422, "slot_not_offered")
        row = await stored(runtime, practice, made["id"])
        assert (row.group_session_id, row.starts_at, row.version) == (group.id, TEN, 0)

    async def test_nobody_moves_into_a_session_where_they_sit_already(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, client: httpx.AsyncClient
    ) -> None:
        later = TEN + timedelta(days=1)
        await plan(runtime, practice, offer, TEN)
        await plan(runtime, practice, offer, later)
        made = (await book(client, offer)).json()
        assert (await book(client, offer, later)).status_code == 201
        path = f"/api/v1/appointments/{made['id']}/reschedule"
        assert_problem(await client.post(path, json={"starts_at": later.isoformat()}), 409, "already_booked")
