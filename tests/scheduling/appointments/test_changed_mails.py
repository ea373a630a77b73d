"""Another link or place after the booking: who hears of it, of what, how often; and what stays as true as it was."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from notifications.models import EmailStatus, MailboxMessage
from scheduling.appointments.changed_mails import CHANGED
from scheduling.appointments.history import Actor
from scheduling.appointments.mails import CONFIRMED, MOVED
from scheduling.appointments.services.announcing import NEAR, SETTLED_AFTER
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.appointments.services.outcomes import set_meeting_url
from scheduling.appointments.visit_mails import REMINDER
from scheduling.catalogue.models import Service
from scheduling.group_sessions.services.planning import change_session
from tests.support.blocked import until_blocked
from tests.support.events import run_due_events
from tests.support.group_sessions import make_group_offer, plan
from tests.support.mails import links_in, logs_of, mails_of
from tests.support.practices import SignedIn, make_client
from tests.support.scheduling import Offer, make_offer, stored
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

MADRID = ZoneInfo("Europe/Madrid")
DESK = Actor.staff(new_id())
FIRST, SECOND = "https://meet.example.com/first", "https://meet.example.com/second"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2027, 3, day, hour, minute, tzinfo=MADRID)


class House:
    """A practice with visits online."""

    def __init__(self, runtime: Runtime, tenant: TenantContext, offer: Offer, client: SignedIn) -> None:
        self.runtime, self.tenant, self.offer, self.client = runtime, tenant, offer, client

    async def book(self, starts_at: datetime, client: SignedIn | None = None) -> UUID:
        async with self.runtime.database.tenant(self.tenant) as session:
            made = await book_appointment(
                session,
                client_id=(client or self.client).id,
                service_id=self.offer.service_id,
                starts_at=starts_at.astimezone(UTC),
            )
        return made.id

    async def link(self, appointment_id: UUID, url: str | None) -> None:
        async with self.runtime.database.tenant(self.tenant) as session:
            await set_meeting_url(session, appointment_id, url, actor=DESK)

    async def run(self) -> None:
        await run_due_events(self.runtime, self.tenant)

    async def statuses(self, kind: str = CHANGED) -> list[str]:
        return [row.status for row in await logs_of(self.runtime, self.tenant, kind)]

    async def last(self) -> MailboxMessage:
        return (await mails_of(self.runtime, self.tenant, self.client.email))[-1]


def entry(mail: MailboxMessage) -> tuple[str, str, int]:
    """Method, UID and SEQUENCE of its calendar entry."""
    [attached] = mail.attachments["items"]
    calendar = Calendar.from_ical(base64.b64decode(attached["content_base64"]))
    assert isinstance(calendar, Calendar)
    [event] = calendar.events
    return str(calendar["METHOD"]), str(event["UID"]), int(str(event["SEQUENCE"]))


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


@pytest.fixture
async def house(runtime: Runtime, practice: TenantContext) -> House:
    offer = await make_offer(runtime, practice, location_kinds=["online"])
    return House(runtime, practice, offer, await make_client(runtime, practice))


async def test_changes_in_a_row_make_one_mail_with_the_last_link_and_a_newer_entry(house: House) -> None:
    with clock.at(at(1, 10)):
        appointment_id = await house.book(at(8, 9))
        await house.run()
        confirmed = await house.last()
        for url in (FIRST, SECOND, SECOND):
            await house.link(appointment_id, url)
        await house.run()
        assert await house.statuses() == []
    with clock.at(at(1, 10) + SETTLED_AFTER):
        await house.run()
        await house.run()
    assert await house.statuses() == [EmailStatus.SENT]
    mail = await house.last()
    assert mail.subject.startswith("Nuevos datos de tu cita")
    assert SECOND in mail.text
    assert FIRST not in mail.text
    method, uid, sequence = entry(confirmed)
    assert (method, sequence) == ("REQUEST", 0)
    assert entry(mail) == ("REQUEST", uid, 2)
    # Nothing that was told before is void by it: neither the links nor the reminders that are queued.
    assert (await stored(house.runtime, house.tenant, appointment_id)).version == 0
    with clock.at(at(7, 9)):
        await house.run()
    assert await house.statuses(REMINDER) == [EmailStatus.SENT]
    with clock.at(at(7, 10)):
        async with house.runtime.database.tenant(house.tenant) as session:
            await reschedule_appointment(session, appointment_id, at(9, 9).astimezone(UTC), actor=DESK)
        await house.run()
    assert entry(await house.last()) == ("REQUEST", uid, 3)
    assert SECOND in (await house.last()).text


async def test_of_what_is_over_nobody_is_told_and_a_near_visit_does_not_wait(house: House) -> None:
    with clock.at(at(1, 10)):
        past, given_up, moved = [await house.book(at(8, hour)) for hour in (9, 10, 11)]
        await house.run()
        await house.link(given_up, FIRST)
        await house.link(moved, FIRST)
        async with house.runtime.database.tenant(house.tenant) as session:
            await cancel_appointment(session, given_up, actor=DESK)
            await reschedule_appointment(session, moved, at(9, 11).astimezone(UTC), actor=DESK)
        await house.link(given_up, SECOND)
    with clock.at(at(1, 11)):
        await house.run()
        assert await house.statuses() == []
        assert await house.statuses(MOVED) == [EmailStatus.SENT]
        assert len(links_in((await house.last()).text)) > 0
    with clock.at(at(8, 9) - NEAR + timedelta(seconds=1)):
        await house.link(past, FIRST)
        await house.run()
        assert await house.statuses() == [EmailStatus.SENT]
        await house.link(past, SECOND)
    with clock.at(at(8, 9)):
        await house.run()
        await house.link(past, FIRST)
        await house.run()
    assert await house.statuses() == [EmailStatus.SENT, EmailStatus.SKIPPED]


async def test_a_confirmation_that_was_late_says_it_and_there_is_no_second_mail(house: House) -> None:
    with clock.at(at(1, 10)):
        appointment_id = await house.book(at(8, 9))
        await house.link(appointment_id, FIRST)
    with clock.at(at(1, 11)):
        await house.run()
        await house.run()
    assert await house.statuses(CONFIRMED) == [EmailStatus.SENT]
    sent = await mails_of(house.runtime, house.tenant, house.client.email)
    assert [FIRST in mail.text for mail in sent if "Nuevos datos" in mail.subject or "confirmada" in mail.subject] == [
        True
    ]


async def test_a_confirmation_that_was_made_while_the_link_was_being_written_did_not_say_it(house: House) -> None:
    with clock.at(at(1, 10)):
        appointment_id = await house.book(at(8, 9))
        async with house.runtime.database.tenant(house.tenant) as session:
            await set_meeting_url(session, appointment_id, FIRST, actor=DESK)
            await session.flush()
            with clock.at(at(1, 10) + timedelta(milliseconds=50)):
                confirming = asyncio.create_task(house.run())
            await until_blocked(session)  # it has read how the appointment was, and keeps its new links
    await confirming
    assert await house.statuses(CONFIRMED) == [EmailStatus.SENT]
    with clock.at(at(1, 11)):
        await house.run()
    assert await house.statuses() == [EmailStatus.SENT]
    assert FIRST in (await house.last()).text


async def test_a_link_that_comes_with_the_booking_is_said_by_the_confirmation(house: House) -> None:
    with clock.at(at(1, 10)):
        async with house.runtime.database.tenant(house.tenant) as session:
            made = await book_appointment(
                session,
                client_id=house.client.id,
                service_id=house.offer.service_id,
                starts_at=at(8, 9).astimezone(UTC),
            )
            await set_meeting_url(session, made.id, FIRST)
        await house.run()
        assert FIRST in (await house.last()).text
    with clock.at(at(1, 11)):
        await house.run()
    assert await house.statuses() == []


async def test_a_link_of_a_visit_at_the_practice_is_no_news(runtime: Runtime, practice: TenantContext) -> None:
    offer = await make_offer(runtime, practice, location_kinds=["practice"])
    house = House(runtime, practice, offer, await make_client(runtime, practice))
    with clock.at(at(1, 10)):
        appointment_id = await house.book(at(8, 9))
        await house.link(appointment_id, FIRST)
    with clock.at(at(1, 11)):
        await house.run()
    assert await house.statuses() == []
    assert (await stored(runtime, practice, appointment_id)).sequence == 0


async def test_everybody_with_a_seat_is_told_of_their_sessions_place_and_link(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_group_offer(runtime, practice)
    house = House(runtime, practice, offer, await make_client(runtime, practice))
    with clock.at(at(1, 10)):
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Service, offer.service_id)).location_kinds = ["practice", "online"]
        group = await plan(runtime, practice, offer, at(8, 9).astimezone(UTC))
        other = await make_client(runtime, practice)
        seats = [await house.book(at(8, 9), client) for client in (house.client, other)]
        await house.run()
        async with runtime.database.tenant(practice) as session:
            await cancel_appointment(session, seats[1], actor=DESK)
            await change_session(session, group.id, {"location_kind": "online", "meeting_url": FIRST}, actor=DESK)
        async with runtime.database.tenant(practice) as session:
            await change_session(session, group.id, {"meeting_url": SECOND}, actor=DESK)
    with clock.at(at(1, 10) + SETTLED_AFTER):
        await house.run()
    assert await house.statuses() == [EmailStatus.SENT]
    mail = await house.last()
    assert SECOND in mail.text
    assert entry(mail)[2] == 2
    assert len(await logs_of(runtime, practice, CONFIRMED)) == 2  # nobody is congratulated on it again
