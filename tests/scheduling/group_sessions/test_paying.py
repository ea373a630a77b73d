"""Seats and the rest of the house: money in time and late, refunds, mails, calendar entries."""

import base64
from datetime import datetime, timedelta

import pytest
from icalendar import Calendar, Event

from notifications.models import MailboxMessage
from scheduling.appointments.history import Actor
from scheduling.appointments.mails import CANCELLED, MOVED
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.announcing import SETTLED_AFTER
from scheduling.appointments.visit_mails import REMINDER
from scheduling.catalogue.models import Practitioner, Service
from scheduling.group_sessions.mails import PLANNED_PRACTICE
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.services.cancelling import CancelledSession, cancel_session
from scheduling.group_sessions.services.moving import move_session
from scheduling.group_sessions.services.planning import change_session
from tenants.accounts.models import StaffRole
from tests.support.checkout import PRICE, Desk, make_desk
from tests.support.events import run_due_events
from tests.support.group_sessions import plan, take
from tests.support.mails import logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.scheduling import Offer
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

STAFF = Actor.staff(new_id())


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    """A desk whose service is given in groups of two."""
    made = await make_desk(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Service, made.service_id)).capacity = 2
    return made


@pytest.fixture
async def group(desk: Desk) -> GroupSession:
    """A session with two seats."""
    offer = Offer(desk.practitioner_id, desk.service_id)
    return await plan(desk.runtime, desk.practice, offer, desk.opens_at + timedelta(hours=10))


async def fill(desk: Desk, group: GroupSession, seats: int) -> list[Appointment]:
    """Seats for other clients, held."""
    return [await desk.book(await make_client(desk.runtime, desk.practice), group.starts_at) for _ in range(seats)]


async def cancel(desk: Desk, group: GroupSession) -> CancelledSession:
    """By the practice."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await cancel_session(session, group.id, actor=STAFF, reason="Obras")


class TestMoney:
    async def test_a_seat_that_is_paid_is_confirmed(self, desk: Desk, group: GroupSession) -> None:
        seat = await desk.book(starts_at=group.starts_at)
        await desk.confirm(await desk.pay(seat))
        assert (await desk.appointment(seat.id)).status == "confirmed"

    async def test_late_money_takes_the_seat_again_if_one_is_left(self, desk: Desk, group: GroupSession) -> None:
        seat = await desk.book(starts_at=group.starts_at)
        payment = await desk.pay(seat)
        await desk.let_hold_lapse(seat)
        await fill(desk, group, 1)
        await desk.confirm(payment)
        assert (await desk.appointment(seat.id)).status == "confirmed"

    async def test_late_money_for_a_full_session_goes_back(self, desk: Desk, group: GroupSession) -> None:
        seat = await desk.book(starts_at=group.starts_at)
        payment = await desk.pay(seat)
        await desk.let_hold_lapse(seat)
        await fill(desk, group, 2)
        await desk.confirm(payment)
        await desk.run()
        assert (await desk.appointment(seat.id)).status == "expired"
        assert [(one.cause, one.amount_minor) for one in await desk.refunds(payment.id)] == [("late_slot_taken", PRICE)]

    async def test_late_money_goes_back_if_the_session_is_gone_or_elsewhere(
        self, desk: Desk, group: GroupSession
    ) -> None:
        first, second = await desk.book(starts_at=group.starts_at), (await fill(desk, group, 1))[0]
        payments = [await desk.pay(one) for one in (first, second)]
        for one in (first, second):
            await desk.expire(one)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await move_session(session, group.id, group.starts_at + timedelta(hours=3), actor=STAFF)
        await desk.confirm(payments[0])
        assert (await desk.appointment(first.id)).status == "expired"
        await cancel(desk, group)
        await desk.confirm(payments[1])
        await desk.run()
        assert (await desk.appointment(second.id)).status == "expired"
        for payment in payments:
            assert [one.cause for one in await desk.refunds(payment.id)] == ["late_slot_taken"]

    async def test_a_cancelled_session_gives_everything_back_and_leaves_the_unpaid_unpayable(
        self, desk: Desk, group: GroupSession
    ) -> None:
        paid = await desk.book(starts_at=group.starts_at)
        payment = await desk.confirm(await desk.pay(paid))
        [held] = await fill(desk, group, 1)
        await desk.start(held)
        done = await cancel(desk, group)
        await desk.run()
        assert (done.seats, done.refund_minor) == (2, PRICE)
        assert {(await desk.appointment(one.id)).status for one in (paid, held)} == {"cancelled"}
        assert (await desk.payment(payment.id)).refunded_minor == PRICE
        assert await desk.ledger(payment.id) == [("capture", PRICE), ("refund", -PRICE)]

    async def test_money_that_arrives_after_the_session_was_cancelled_goes_back(
        self, desk: Desk, group: GroupSession
    ) -> None:
        seat = await desk.book(starts_at=group.starts_at)
        payment = await desk.pay(seat)
        await cancel(desk, group)
        await desk.confirm(payment)
        await desk.run()
        assert [(one.cause, one.amount_minor) for one in await desk.refunds(payment.id)] == [
            ("appointment_cancelled", PRICE)
        ]

    async def test_a_hold_that_ran_out_is_expired_and_not_cancelled_with_the_session(
        self, desk: Desk, group: GroupSession
    ) -> None:
        seat = await desk.book(starts_at=group.starts_at)
        await desk.let_hold_lapse(seat)
        assert (await cancel(desk, group)).seats == 0
        await desk.run()
        assert (await desk.appointment(seat.id)).status == "expired"
        assert await mails_of(desk.runtime, desk.practice, desk.client.email) == []


def entry_of(mail: MailboxMessage) -> tuple[Calendar, Event]:
    """The calendar entry that a mail carries."""
    [attachment] = mail.attachments["items"]
    calendar = Calendar.from_ical(base64.b64decode(attachment["content_base64"]))
    assert isinstance(calendar, Calendar)
    [event] = calendar.events
    return calendar, event


class TestMails:
    @pytest.fixture
    async def free(self, desk: Desk) -> Desk:
        """The same service, free of charge."""
        async with desk.runtime.database.tenant(desk.practice) as session:
            (await session.get_one(Service, desk.service_id)).price_minor = 0
        return desk

    async def seat(self, desk: Desk, group: GroupSession) -> tuple[SignedIn, Appointment]:
        """A client with a confirmed seat who has read the mail about it."""
        client = await make_client(desk.runtime, desk.practice)
        offer = Offer(desk.practitioner_id, desk.service_id)
        made = await take(desk.runtime, desk.practice, offer, client, group.starts_at)
        await run_due_events(desk.runtime, desk.practice)
        return client, made

    async def test_a_seat_is_confirmed_with_an_entry_of_its_own_and_reminded_of(
        self, free: Desk, group: GroupSession
    ) -> None:
        client, made = await self.seat(free, group)
        [mail] = await mails_of(free.runtime, free.practice, client.email)
        calendar, event = entry_of(mail)
        assert calendar["METHOD"] == "REQUEST"
        assert event["UID"] == f"{made.id}@{free.practice.key}"
        assert event.start == group.starts_at
        await run_due_events(free.runtime, free.practice, until=group.starts_at - timedelta(hours=1))
        assert len(await logs_of(free.runtime, free.practice, REMINDER)) == 1

    async def test_moving_the_session_tells_each_client_once_with_a_risen_sequence(
        self, free: Desk, group: GroupSession
    ) -> None:
        clients = [await self.seat(free, group) for _ in range(2)]
        to: datetime = group.starts_at + timedelta(hours=2)
        async with free.runtime.database.tenant(free.practice) as session:
            await move_session(session, group.id, to, actor=STAFF)
        await run_due_events(free.runtime, free.practice)
        assert len(await logs_of(free.runtime, free.practice, MOVED)) == 2
        for client, _ in clients:
            _, mail = await mails_of(free.runtime, free.practice, client.email)
            _, event = entry_of(mail)
            assert (event.start, event["SEQUENCE"]) == (to, 1)

    async def test_another_place_is_told_with_a_newer_entry(self, free: Desk, group: GroupSession) -> None:
        async with free.runtime.database.tenant(free.practice) as session:
            (await session.get_one(Service, free.service_id)).location_kinds = ["practice", "online"]
        client, _ = await self.seat(free, group)
        changes = {"location_kind": "online", "meeting_url": "https://meet.example.com/g"}
        async with free.runtime.database.tenant(free.practice) as session:
            await change_session(session, group.id, changes, actor=STAFF)
        await run_due_events(free.runtime, free.practice, until=clock.now() + SETTLED_AFTER)
        _, mail = await mails_of(free.runtime, free.practice, client.email)
        assert "https://meet.example.com/g" in mail.text
        assert entry_of(mail)[1]["SEQUENCE"] == 1

    async def test_cancelling_the_session_takes_it_out_of_each_calendar(self, free: Desk, group: GroupSession) -> None:
        clients = [await self.seat(free, group) for _ in range(2)]
        await cancel(free, group)
        await run_due_events(free.runtime, free.practice)
        assert len(await logs_of(free.runtime, free.practice, CANCELLED)) == 2
        for client, made in clients:
            _, mail = await mails_of(free.runtime, free.practice, client.email)
            calendar, event = entry_of(mail)
            assert calendar["METHOD"] == "CANCEL"
            assert event["UID"] == f"{made.id}@{free.practice.key}"

    async def test_the_practitioner_hears_of_each_seat_without_an_entry(self, free: Desk, group: GroupSession) -> None:
        staff = await make_staff_member(free.runtime, free.practice, StaffRole.PRACTITIONER)
        async with free.runtime.database.tenant(free.practice) as session:
            (await session.get_one(Practitioner, free.practitioner_id)).staff_id = staff.id
        await self.seat(free, group)
        assert [log.recipient for log in await logs_of(free.runtime, free.practice, PLANNED_PRACTICE)] == [staff.email]
        [mail] = [one for one in await mails_of(free.runtime, free.practice, staff.email) if "Cliente" in one.subject]
        assert mail.attachments["items"] == []
