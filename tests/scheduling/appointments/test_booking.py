"""``POST /appointments``: what may be booked, what comes of it, and every way it is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from scheduling.appointments.events import (
    APPOINTMENT_CONFIRMED,
    APPOINTMENT_HOLD_EXPIRY,
    APPOINTMENT_REMINDER,
)
from scheduling.appointments.models import AppointmentChange
from scheduling.catalogue.models import Service
from tests.conftest import HttpFactory
from tests.scheduling.conftest import MONDAY
from tests.support.events import queued
from tests.support.practices import make_client, make_practice
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
    stored,
)
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

HOLD_MINUTES = 5
"""Shorter than the life of an access token, so that clients may look on after it."""
pytestmark = pytest.mark.usefixtures("monday_morning")
TEN = datetime(2026, 3, 3, 9, tzinfo=UTC)
"""Tuesday at 10 in Madrid."""


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """A signed-in client of the practice."""
    signed_in = await make_client(runtime, practice)
    return http(practice, headers=signed_in.headers)


@pytest.fixture(autouse=True)
async def short_holds(monday_morning: datetime, runtime: Runtime, practice: TenantContext) -> None:
    """The practice holds unpaid times for five minutes."""
    await set_practice(runtime, practice, hold_minutes=HOLD_MINUTES)


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    """A free service."""
    return await make_offer(runtime, practice)


async def book(client: httpx.AsyncClient, offer: Offer, at: datetime = TEN, **more: Any) -> httpx.Response:
    """Ask for a time."""
    headers = more.pop("headers", {})
    body = {"service_id": str(offer.service_id), "starts_at": at.isoformat()} | more
    return await client.post("/api/v1/appointments", json=body, headers=headers)


class TestBooking:
    async def test_a_free_service_is_confirmed_at_once_and_the_reminder_queued(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        day_after = TEN + timedelta(days=1)
        answer = await book(client, offer, day_after, location_kind="online", notes="  Sin gluten ")
        assert answer.status_code == 201
        made = answer.json()
        assert set(made) == {
            "id", "status", "service_id", "practitioner_id", "client_id", "dependant_id", "group_session_id",
            "starts_at", "ends_at", "price", "discount", "free_first_visit", "package_purchase_id", "paid", "balance",
            "amount_due", "hold_expires_at", "location_kind", "meeting_url",
            "notes", "created_at", "awaiting_approval", "no_show_fee", "series_id", "attendance_confirmed",
        }  # fmt: skip
        assert made["status"] == "confirmed"
        assert made["practitioner_id"] == str(offer.practitioner_id)
        assert datetime.fromisoformat(made["starts_at"]) == day_after
        assert datetime.fromisoformat(made["ends_at"]) == day_after + minutes(60)
        assert made["price"] == made["amount_due"] == {"amount": 0, "currency": "EUR"}
        assert (made["location_kind"], made["notes"], made["hold_expires_at"]) == ("online", "Sin gluten", None)
        events = {event.topic: event for event in await queued(runtime, practice)}
        payload = {"appointment_id": made["id"], "version": 0}
        assert events[APPOINTMENT_CONFIRMED].payload == payload
        assert events[APPOINTMENT_REMINDER].payload == payload | {"minutes": 24 * 60}
        assert events[APPOINTMENT_REMINDER].run_at == day_after - timedelta(hours=24)

    async def test_no_reminder_is_queued_when_its_time_is_past(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, offer: Offer
    ) -> None:
        assert (await book(client, offer, MONDAY + minutes(60))).status_code == 201
        assert APPOINTMENT_REMINDER not in {event.topic for event in await queued(runtime, practice)}

    @pytest.mark.parametrize(("deposit", "due"), [(None, 6000), (1500, 1500)])
    async def test_a_paid_service_is_held_until_paid(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, deposit: int | None, due: int
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=6000, deposit_minor=deposit)
        made = (await book(client, offer)).json()
        assert made["status"] == "held"
        assert made["price"] == {"amount": 6000, "currency": "EUR"}
        assert made["amount_due"] == {"amount": due, "currency": "EUR"}
        until = MONDAY + minutes(HOLD_MINUTES)
        assert datetime.fromisoformat(made["hold_expires_at"]) == until
        events = {event.topic: event for event in await queued(runtime, practice)}
        assert APPOINTMENT_CONFIRMED not in events
        assert events[APPOINTMENT_HOLD_EXPIRY].run_at == until
        assert events[APPOINTMENT_HOLD_EXPIRY].payload == {"appointment_id": made["id"]}

    async def test_the_history_says_who_booked(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, offer: Offer
    ) -> None:
        made = (await book(client, offer)).json()
        async with runtime.database.tenant(practice) as session:
            change = (await session.scalars(select(AppointmentChange))).one()
        assert (change.kind, change.actor_kind, str(change.actor_id)) == ("booked", "client", made["client_id"])

    async def test_without_a_practitioner_the_one_with_least_to_do_that_day_gets_it(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            people = [(await make_practitioner(session)).id for _ in range(3)]
            for one in people:
                await add_hours(session, one)
            service = await make_service(session, *people)
        offer = Offer(people[0], service.id)
        got = [(await book(client, offer, TEN + minutes(60 * (n // 3)))).json()["practitioner_id"] for n in range(6)]
        assert sorted(got[:3]) == sorted(got[3:]) == sorted(map(str, people))
        assert_problem(await book(client, offer), 409, "slot_taken")

    async def test_a_named_practitioner_is_the_one_who_gets_it(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            people = [(await make_practitioner(session)).id for _ in range(2)]
            for one in people:
                await add_hours(session, one)
            service = await make_service(session, *people)
        offer = Offer(people[1], service.id)
        first = await book(client, offer, practitioner_id=str(people[1]))
        assert first.json()["practitioner_id"] == str(people[1])
        assert_problem(await book(client, offer, practitioner_id=str(people[1])), 409, "slot_taken")

    async def test_buffers_keep_their_distance_on_both_sides(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            one = await make_practitioner(session)
            await add_hours(session, one.id)
            plain = Offer(one.id, (await make_service(session, one.id, duration_minutes=30)).id)
            wide = Offer(
                one.id,
                (
                    await make_service(
                        session, one.id, duration_minutes=30, buffer_before_minutes=30, buffer_after_minutes=60
                    )
                ).id,
            )
        assert (await book(client, plain)).status_code == 201  # 10:00 to 10:30
        assert_problem(await book(client, wide, TEN + minutes(30)), 409, "slot_taken")  # its half hour before
        assert_problem(await book(client, wide, TEN - minutes(60)), 409, "slot_taken")  # its hour after
        assert (await book(client, wide, TEN + minutes(60))).status_code == 201  # 11:00, occupied 10:30 to 12:30
        assert_problem(await book(client, plain, TEN + minutes(30)), 409, "slot_taken")
        assert_problem(await book(client, plain, TEN + minutes(120)), 409, "slot_taken")
        assert (await book(client, plain, TEN + minutes(150))).status_code == 201  # 12:30, the last of the day

    async def test_the_client_of_another_practice_is_nobody_here(
        self, runtime: Runtime, practice: TenantContext, offer: Offer, http: HttpFactory
    ) -> None:
        elsewhere = await make_practice(runtime)
        stranger = await make_client(runtime, elsewhere)
        assert (await book(http(practice, headers=stranger.headers), offer)).status_code == 401
        assert (await book(http(practice), offer)).status_code == 401
        own = http(elsewhere, headers=stranger.headers)
        assert_problem(await book(own, offer), 404, "not_found")


class TestRefusals:
    async def test_times_that_are_not_offered(self, client: httpx.AsyncClient, offer: Offer) -> None:
        for at in (
            TEN + minutes(15),  # off the grid
            TEN + timedelta(seconds=1),
            TEN - minutes(90),  # before hours
            TEN + minutes(150),  # would end after hours
            MONDAY - timedelta(days=1) + minutes(60),  # past
            TEN + timedelta(days=700),  # beyond the horizon
        ):
            assert_problem(await book(client, offer, at), 422, "slot_not_offered")

    async def test_too_short_notice(self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient) -> None:
        offer = await make_offer(runtime, practice, minimum_notice_minutes=90)
        assert_problem(await book(client, offer, MONDAY + minutes(60)), 422, "slot_not_offered")
        assert (await book(client, offer, MONDAY + minutes(90))).status_code == 201

    async def test_blocked_times_are_not_offered_and_standing_appointments_stand(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, offer: Offer
    ) -> None:
        standing = (await book(client, offer)).json()
        async with runtime.database.tenant(practice) as session:
            await add_block(session, offer.practitioner_id, TEN - minutes(60), TEN + minutes(90))
        assert_problem(await book(client, offer), 422, "slot_not_offered")
        assert_problem(await book(client, offer, TEN + minutes(60)), 422, "slot_not_offered")
        assert (await stored(runtime, practice, standing["id"])).status == "confirmed"

    async def test_input_that_is_not_valid(self, client: httpx.AsyncClient, offer: Offer) -> None:
        bodies: list[dict[str, Any]] = [
            {"starts_at": "2026-03-03T10:00:00"},
            {"starts_at": 1772524800},
            {"starts_at": "soon"},
            {"starts_at": None},
            {"starts_at": "9999-12-31T23:59:59-12:00"},
            {"service_id": "x"},
            {"practitioner_id": "x"},
            {"location_kind": "moon"},
            {"location_kind": "home"},
            {"notes": "n" * 5001},
            {"notes": "a\x00b"},
            {"status": "confirmed"},
        ]
        for body in bodies:
            assert_problem(await book(client, offer, **body), 422, "validation_error")

    async def test_a_service_that_does_not_exist_or_is_archived_is_not_found(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, offer: Offer
    ) -> None:
        assert_problem(await book(client, offer, service_id=str(uuid4())), 404, "not_found")
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Service, offer.service_id)).archived = True
        assert_problem(await book(client, offer), 404, "not_found")

    async def test_a_practitioner_who_does_not_offer_the_service(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, offer: Offer
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            other = await make_practitioner(session)
            await add_hours(session, other.id)
        for someone in (other.id, uuid4()):
            answer = await book(client, offer, practitioner_id=str(someone))
            assert_problem(answer, 422, "slot_not_offered")


class TestHolds:
    async def test_a_hold_keeps_its_time_until_it_runs_out(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=6000)
        first = (await book(client, offer)).json()
        assert_problem(await book(client, offer), 409, "slot_taken")
        with clock.at(MONDAY + minutes(HOLD_MINUTES)):
            second = await book(client, offer)
            assert second.status_code == 201
        assert (await stored(runtime, practice, first["id"])).status == "expired"
        abandoned = [event.payload for event in await queued(runtime, practice) if event.topic == "payment.abandon"]
        assert abandoned == [{"payable_kind": "appointment", "payable_id": first["id"]}]

    async def test_a_hold_that_ran_out_reads_as_expired_before_any_job_ran(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=6000)
        made = (await book(client, offer)).json()
        with clock.at(MONDAY + minutes(HOLD_MINUTES) - timedelta(seconds=1)):
            assert (await client.get(f"/api/v1/appointments/{made['id']}")).json()["status"] == "held"
        with clock.at(MONDAY + minutes(HOLD_MINUTES)):
            assert (await client.get(f"/api/v1/appointments/{made['id']}")).json()["status"] == "expired"
        assert (await stored(runtime, practice, made["id"])).status == "held"


class TestIdempotencyKey:
    async def test_the_same_key_and_body_answers_the_first_answer_again(
        self, client: httpx.AsyncClient, offer: Offer
    ) -> None:
        headers = {"Idempotency-Key": "abc"}
        first = await book(client, offer, headers=headers)
        again = await book(client, offer, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        listed = (await client.get("/api/v1/appointments")).json()["items"]
        assert len(listed) == 1

    async def test_the_same_key_with_another_body_is_refused(self, client: httpx.AsyncClient, offer: Offer) -> None:
        headers = {"Idempotency-Key": "abc"}
        assert (await book(client, offer, headers=headers)).status_code == 201
        answer = await book(client, offer, TEN + minutes(60), headers=headers)
        assert_problem(answer, 422, "idempotency_key_reused")

    async def test_a_failure_leaves_the_key_free(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, offer: Offer, http: HttpFactory
    ) -> None:
        headers = {"Idempotency-Key": "abc"}
        other = http(practice, headers=(await make_client(runtime, practice)).headers)
        taken = (await book(other, offer)).json()
        assert_problem(await book(client, offer, headers=headers), 409, "slot_taken")
        assert (await other.post(f"/api/v1/appointments/{taken['id']}/cancel")).status_code == 200
        assert (await book(client, offer, headers=headers)).status_code == 201

    async def test_keys_of_two_clients_are_two_keys(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, offer: Offer, http: HttpFactory
    ) -> None:
        headers = {"Idempotency-Key": "abc"}
        other = http(practice, headers=(await make_client(runtime, practice)).headers)
        assert (await book(client, offer, headers=headers)).status_code == 201
        assert_problem(await book(other, offer, headers=headers), 409, "slot_taken")
