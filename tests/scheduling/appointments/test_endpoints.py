"""Reading, moving and cancelling: one's own only, and every refusal."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from billing.payments.models import Payment, Refund
from scheduling.appointments.events import APPOINTMENT_CANCELLED, APPOINTMENT_MOVED, APPOINTMENT_REMINDER
from scheduling.appointments.services.confirming import ConfirmOutcome, confirm_offline, confirm_paid, expire_hold
from scheduling.catalogue.models import Practitioner, ServicePractitioner
from tenants.accounts.models import AccountKind
from tenants.accounts.services.sign_ins import start_session
from tests.conftest import HttpFactory
from tests.scheduling.conftest import MONDAY
from tests.support.events import queued
from tests.support.practices import SignedIn, make_client
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
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

HOLD_MINUTES = 5
pytestmark = pytest.mark.usefixtures("monday_morning")
WEDNESDAY = datetime(2026, 3, 4, 9, tzinfo=UTC)
"""10 in Madrid, 50 hours from now."""


@pytest.fixture
async def account(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client of the practice, which holds unpaid times for five minutes."""
    await set_practice(runtime, practice, hold_minutes=HOLD_MINUTES)
    return await make_client(runtime, practice)


@pytest.fixture
def client(account: SignedIn, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """The same, signed in."""
    return http(practice, headers=account.headers)


@pytest.fixture
async def stranger(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """Another client of the same practice."""
    return http(practice, headers=(await make_client(runtime, practice)).headers)


async def book(client: httpx.AsyncClient, offer: Offer, at: datetime = WEDNESDAY) -> dict[str, Any]:
    """A booked appointment."""
    body = {"service_id": str(offer.service_id), "starts_at": at.isoformat()}
    answer = await client.post("/api/v1/appointments", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def pay(runtime: Runtime, practice: TenantContext, made: dict[str, Any], amount: int = 6000) -> UUID:
    """A captured payment for the appointment, as settling leaves it; the appointment confirmed."""
    payment = Payment(
        id=new_id(),
        payable_kind="appointment",
        payable_id=UUID(made["id"]),
        client_id=UUID(made["client_id"]),
        method="sandbox",
        status="succeeded",
        currency="EUR",
        amount_minor=amount,
        captured_minor=amount,
        return_url="http://x",
        cancel_url="http://x",
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    async with runtime.database.tenant(practice) as session:
        session.add(payment)
        await session.flush()  # as settling does, before it confirms
        assert await confirm_paid(session, UUID(made["id"])) is ConfirmOutcome.CONFIRMED
    return payment.id


class TestReading:
    async def test_everyone_sees_their_own_in_order_of_time(
        self,
        runtime: Runtime,
        practice: TenantContext,
        client: httpx.AsyncClient,
        stranger: httpx.AsyncClient,
    ) -> None:
        offer = await make_offer(runtime, practice)
        times = [WEDNESDAY + timedelta(days=n) for n in (3, 1, 2, 0)]
        made = [await book(client, offer, at) for at in times]
        await book(stranger, offer, WEDNESDAY + minutes(60))
        listed = (await client.get("/api/v1/appointments")).json()
        assert [item["id"] for item in listed["items"]] == [made[n]["id"] for n in (3, 1, 2, 0)]
        assert listed["next_cursor"] is None
        first = (await client.get("/api/v1/appointments", params={"limit": 3})).json()
        rest = (await client.get("/api/v1/appointments", params={"limit": 3, "cursor": first["next_cursor"]})).json()
        assert [item["id"] for item in first["items"] + rest["items"]] == [item["id"] for item in listed["items"]]
        day = {"from": "2026-03-05", "to": "2026-03-06"}
        assert [item["id"] for item in (await client.get("/api/v1/appointments", params=day)).json()["items"]] == [
            made[1]["id"]
        ]
        since = {"from": "2026-03-06T10:00:00+01:00"}
        assert len((await client.get("/api/v1/appointments", params=since)).json()["items"]) == 2
        await client.post(f"/api/v1/appointments/{made[0]['id']}/cancel")
        both = (await client.get("/api/v1/appointments", params={"status": ["cancelled", "held"]})).json()["items"]
        assert [item["id"] for item in both] == [made[0]["id"]]
        one = await client.get(f"/api/v1/appointments/{made[1]['id']}")
        assert one.json() == made[1]

    async def test_queries_that_are_not_valid(self, client: httpx.AsyncClient) -> None:
        for params in (
            {"status": "gone"},
            {"from": "yesterday"},
            {"from": "2026-03-05T10:00:00"},
            {"to": "2026-02-30"},
            {"to": "0001-01-01"},
            {"limit": "0"},
            {"limit": "101"},
            {"cursor": "xyz"},
        ):
            assert_problem(await client.get("/api/v1/appointments", params=params), 422, "validation_error")

    async def test_anothers_appointment_is_not_found_whatever_is_asked_of_it(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        made = await book(client, await make_offer(runtime, practice))
        moved = {"starts_at": (WEDNESDAY + minutes(60)).isoformat()}
        for one in (made["id"], str(uuid4())):
            path = f"/api/v1/appointments/{one}"
            assert_problem(await stranger.get(path), 404, "not_found")
            assert_problem(await stranger.get(f"{path}/calendar.ics"), 404, "not_found")
            assert_problem(await stranger.post(f"{path}/cancel"), 404, "not_found")
            assert_problem(await stranger.post(f"{path}/reschedule", json=moved), 404, "not_found")
        assert (await stored(runtime, practice, made["id"])).status == "confirmed"
        assert_problem(await client.get("/api/v1/appointments/x"), 422, "validation_error")

    async def test_nobody_in_particular_sees_nothing(self, practice: TenantContext, http: HttpFactory) -> None:
        nobody = http(practice)
        path = f"/api/v1/appointments/{uuid4()}"
        for answer in (
            await nobody.get("/api/v1/appointments"),
            await nobody.post("/api/v1/appointments", json={}),
            await nobody.get(path),
            await nobody.get(f"{path}/calendar.ics"),
            await nobody.post(f"{path}/cancel"),
            await nobody.post(f"{path}/reschedule", json={}),
        ):
            assert answer.status_code == 401

    async def test_the_calendar_entry_is_icalendar(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        made = await book(client, await make_offer(runtime, practice))
        answer = await client.get(f"/api/v1/appointments/{made['id']}/calendar.ics")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
        assert answer.text.startswith("BEGIN:VCALENDAR")
        assert made["id"] in answer.text


class TestMoving:
    async def test_the_same_appointment_gets_the_new_time_and_the_old_one_is_free(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        made = await book(client, offer)
        to = WEDNESDAY + minutes(60)
        answer = await client.post(f"/api/v1/appointments/{made['id']}/reschedule", json={"starts_at": to.isoformat()})
        assert answer.status_code == 200
        moved = answer.json()
        assert {name: moved[name] for name in moved if name not in ("starts_at", "ends_at")} == {
            name: made[name] for name in made if name not in ("starts_at", "ends_at")
        }
        assert datetime.fromisoformat(moved["starts_at"]) == to
        assert datetime.fromisoformat(moved["ends_at"]) == to + minutes(60)
        assert (await stored(runtime, practice, made["id"])).version == 1
        events = [(event.topic, event.payload) for event in await queued(runtime, practice)]
        payload = {"appointment_id": made["id"], "version": 1}
        assert (APPOINTMENT_MOVED, payload) in events
        assert (APPOINTMENT_REMINDER, payload | {"minutes": 24 * 60}) in events
        await book(stranger, offer)

    async def test_its_own_time_is_no_hindrance(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, buffer_before_minutes=30, buffer_after_minutes=30)
        made = await book(client, offer)
        path = f"/api/v1/appointments/{made['id']}/reschedule"
        to = WEDNESDAY + minutes(30)
        assert (await client.post(path, json={"starts_at": to.isoformat()})).status_code == 200
        same = await client.post(path, json={"starts_at": to.isoformat()})
        assert same.status_code == 200
        assert (await stored(runtime, practice, made["id"])).version == 1  # nothing moved the second time

    async def test_a_failure_keeps_the_old_time(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        made = await book(client, offer)
        await book(stranger, offer, WEDNESDAY + minutes(60))
        path = f"/api/v1/appointments/{made['id']}/reschedule"
        for at, status, code in (
            (WEDNESDAY + minutes(60), 409, "slot_taken"),
            (WEDNESDAY + minutes(15), 422, "slot_not_offered"),
            (WEDNESDAY - timedelta(days=30), 422, "slot_not_offered"),
        ):
            assert_problem(await client.post(path, json={"starts_at": at.isoformat()}), status, code)
        for body in ({}, {"starts_at": "2026-03-05T10:00:00"}, {"starts_at": None}):
            assert_problem(await client.post(path, json=body), 422, "validation_error")
        assert (await client.get(f"/api/v1/appointments/{made['id']}")).json() == made

    async def test_a_hold_moves_with_the_time_it_has_left_and_without_a_mail(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        made = await book(client, await make_offer(runtime, practice, price_minor=6000))
        path = f"/api/v1/appointments/{made['id']}/reschedule"
        to = {"starts_at": (WEDNESDAY + minutes(60)).isoformat()}
        with clock.at(MONDAY + minutes(2)):
            moved = (await client.post(path, json=to, headers={"Idempotency-Key": "k"})).json()
            again = await client.post(path, json=to, headers={"Idempotency-Key": "k"})
        assert (moved["status"], moved["hold_expires_at"]) == ("held", made["hold_expires_at"])
        assert again.json() == moved
        assert again.headers["Idempotent-Replayed"] == "true"
        assert APPOINTMENT_MOVED not in {event.topic for event in await queued(runtime, practice)}
        with clock.at(MONDAY + minutes(HOLD_MINUTES)):
            back = {"starts_at": WEDNESDAY.isoformat()}
            assert_problem(await client.post(path, json=back), 409, "invalid_appointment_state")

    async def test_the_present_practitioner_is_kept_if_free_and_another_can_be_named(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            people = [(await make_practitioner(session)).id for _ in range(2)]
            for one in people:
                await add_hours(session, one)
            service = await make_service(session, *people)
        offer = Offer(people[0], service.id)
        made = await book(client, offer)
        other = next(str(one) for one in people if str(one) != made["practitioner_id"])
        path = f"/api/v1/appointments/{made['id']}/reschedule"
        to = (WEDNESDAY + minutes(60)).isoformat()
        kept = (await client.post(path, json={"starts_at": to})).json()
        assert kept["practitioner_id"] == made["practitioner_id"]
        changed = (await client.post(path, json={"starts_at": to, "practitioner_id": other})).json()
        assert changed["practitioner_id"] == other

    async def test_what_is_cancelled_does_not_move(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        gone = await book(client, offer)
        await client.post(f"/api/v1/appointments/{gone['id']}/cancel")
        to = {"starts_at": (WEDNESDAY + minutes(60)).isoformat()}
        answer = await client.post(f"/api/v1/appointments/{gone['id']}/reschedule", json=to)
        assert_problem(answer, 409, "invalid_appointment_state")


class TestCancelling:
    async def test_a_free_appointment_gives_its_time_back_and_no_money(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        made = await book(client, offer)
        answer = await client.post(f"/api/v1/appointments/{made['id']}/cancel", json={"reason": "Viaje"})
        assert answer.status_code == 200
        done = answer.json()
        assert (done["status"], done["refund"]) == ("cancelled", None)
        row = await stored(runtime, practice, made["id"])
        assert (row.cancelled_by, row.cancellation_reason, row.version) == ("client", "Viaje", 1)
        events = [(event.topic, event.payload) for event in await queued(runtime, practice)]
        assert (APPOINTMENT_CANCELLED, {"appointment_id": made["id"], "version": 1}) in events
        await book(stranger, offer)
        again = await client.post(f"/api/v1/appointments/{made['id']}/cancel")
        assert again.json() == done
        assert (await stored(runtime, practice, made["id"])).version == 1

    async def test_in_time_everything_paid_goes_back_and_asking_again_says_the_same(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        made = await book(client, await make_offer(runtime, practice, price_minor=6000))
        await pay(runtime, practice, made)
        path = f"/api/v1/appointments/{made['id']}/cancel"
        headers = {"Idempotency-Key": "k"}
        answers = [await client.post(path), await client.post(path), *[await client.post(path, headers=headers)] * 2]
        for answer in answers:
            assert answer.status_code == 200
            assert answer.json()["refund"] == {"amount": 6000, "currency": "EUR"}
        async with runtime.database.tenant(practice) as session:
            refunds = (await session.scalars(select(Refund.amount_minor))).all()
        assert list(refunds) == [6000]
        topics = [event.topic for event in await queued(runtime, practice)]
        assert topics.count("refund.requested") == 1
        assert topics.count("payment.abandon") == 2  # of what makes it stand, and of its balance

    async def test_too_late_nothing_goes_back(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=6000)
        edge, late = MONDAY + timedelta(hours=26), MONDAY + timedelta(hours=2)
        in_time, too_late = await book(client, offer, edge), await book(client, offer, late)
        for made in (in_time, too_late):
            await pay(runtime, practice, made)
        # Terms are those of the booking: a stricter practice later changes nothing.
        await set_practice(runtime, practice, cancellation_notice_hours=720)
        answer = await client.post(f"/api/v1/appointments/{in_time['id']}/cancel")
        assert answer.json()["refund"] == {"amount": 6000, "currency": "EUR"}
        answer = await client.post(f"/api/v1/appointments/{too_late['id']}/cancel")
        assert answer.json()["refund"] == {"amount": 0, "currency": "EUR"}

    async def test_what_has_begun_or_run_out_is_not_cancelled(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=6000)
        free = await make_offer(runtime, practice, minimum_notice_minutes=0)
        lost = await book(client, offer)
        soon = await book(client, free, MONDAY + minutes(60))
        with clock.at(MONDAY + minutes(HOLD_MINUTES)):
            async with runtime.database.tenant(practice) as session:
                assert await expire_hold(session, UUID(lost["id"])) is None
            answer = await client.post(f"/api/v1/appointments/{lost['id']}/cancel")
            assert_problem(answer, 409, "invalid_appointment_state")
        with clock.at(MONDAY + minutes(60)):
            async with runtime.database.tenant(practice) as session:
                pair = await start_session(
                    session, runtime.signer, runtime.settings.auth, AccountKind.CLIENT, UUID(soon["client_id"])
                )
            client.headers["Authorization"] = f"Bearer {pair.access_token}"
            path = f"/api/v1/appointments/{soon['id']}"
            assert_problem(await client.post(f"{path}/cancel"), 409, "invalid_appointment_state")
            to = {"starts_at": WEDNESDAY.isoformat()}
            assert_problem(await client.post(f"{path}/reschedule", json=to), 409, "invalid_appointment_state")

    async def test_a_reason_that_is_not_valid(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        made = await book(client, await make_offer(runtime, practice))
        bodies: list[Any] = [{"reason": "r" * 501}, {"reason": 5}, {"refund": 100}, []]
        for body in bodies:
            answer = await client.post(f"/api/v1/appointments/{made['id']}/cancel", json=body)
            assert_problem(answer, 422, "validation_error")


class TestConfirming:
    async def test_a_hold_is_confirmed_once(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        made = await book(client, await make_offer(runtime, practice, price_minor=6000))
        async with runtime.database.tenant(practice) as session:
            assert await confirm_offline(session, UUID(made["id"])) is ConfirmOutcome.CONFIRMED
            assert await confirm_paid(session, UUID(made["id"])) is ConfirmOutcome.ALREADY_CONFIRMED
        seen = (await client.get(f"/api/v1/appointments/{made['id']}")).json()
        assert (seen["status"], seen["hold_expires_at"]) == ("confirmed", None)
        assert seen["amount_due"] == {"amount": 0, "currency": "EUR"}
        topics = [event.topic for event in await queued(runtime, practice)]
        assert topics.count("appointment.confirmed") == topics.count("appointment.reminder") == 1

    @pytest.mark.parametrize("swept", [True, False])
    async def test_late_money_has_the_time_if_it_is_still_free(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, swept: bool
    ) -> None:
        # Longer notice than is left, and a grid that has changed: an offer that was made once is kept.
        offer = await make_offer(runtime, practice, price_minor=6000, minimum_notice_minutes=2880)
        made = await book(client, offer, WEDNESDAY)
        with clock.at(MONDAY + timedelta(days=1)):
            async with runtime.database.tenant(practice) as session:
                if swept:
                    await expire_hold(session, UUID(made["id"]))
                assert await confirm_paid(session, UUID(made["id"])) is ConfirmOutcome.CONFIRMED
        assert (await stored(runtime, practice, made["id"])).status == "confirmed"

    async def test_late_money_for_a_time_that_is_gone_is_said_to_be_late(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=6000)
        made = [await book(client, offer, WEDNESDAY + timedelta(days=n)) for n in range(4)]
        ids = [UUID(one["id"]) for one in made]
        with clock.at(MONDAY + minutes(HOLD_MINUTES)):
            await book(stranger, offer, WEDNESDAY)  # taken by somebody else
        async with runtime.database.tenant(practice) as session:
            day = WEDNESDAY + timedelta(days=1)
            await add_block(session, offer.practitioner_id, day, day + minutes(30))  # blocked since
        for number in (0, 1):
            with clock.at(MONDAY + minutes(HOLD_MINUTES)):
                async with runtime.database.tenant(practice) as session:
                    assert await confirm_paid(session, ids[number]) is ConfirmOutcome.SLOT_TAKEN
                assert (await stored(runtime, practice, ids[number])).status == "expired"
        with clock.at(WEDNESDAY + timedelta(days=2)):  # begun
            async with runtime.database.tenant(practice) as session:
                assert await confirm_paid(session, ids[2]) is ConfirmOutcome.SLOT_TAKEN
        await client.post(f"/api/v1/appointments/{ids[3]}/cancel")
        async with runtime.database.tenant(practice) as session:
            assert await confirm_paid(session, ids[3]) is ConfirmOutcome.NOT_BOOKABLE

    async def test_a_practitioner_who_left_takes_late_money_for_nothing(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=6000)
        made = await book(client, offer)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, offer.practitioner_id)).archived = True
        with clock.at(MONDAY + timedelta(hours=1)):
            async with runtime.database.tenant(practice) as session:
                assert await confirm_paid(session, UUID(made["id"])) is ConfirmOutcome.SLOT_TAKEN
                link = await session.get(ServicePractitioner, (offer.service_id, offer.practitioner_id))
                assert link is not None

    async def test_a_hold_is_given_up_when_it_runs_out_and_not_before(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        made = await book(client, await make_offer(runtime, practice, price_minor=6000))
        one = UUID(made["id"])
        until = MONDAY + minutes(HOLD_MINUTES)
        async with runtime.database.tenant(practice) as session:
            assert await expire_hold(session, one) == until
            assert await expire_hold(session, uuid4()) is None
        with clock.at(until):
            async with runtime.database.tenant(practice) as session:
                assert await expire_hold(session, one) is None
                assert await expire_hold(session, one) is None
        assert (await stored(runtime, practice, one)).status == "expired"
        topics = [event.topic for event in await queued(runtime, practice)]
        assert topics.count("payment.abandon") == 1
