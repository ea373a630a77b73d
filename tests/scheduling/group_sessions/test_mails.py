"""Mails about whole sessions: one to each reader at the practice, whatever the number of seats."""

import base64
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from icalendar import Calendar, Event
from sqlalchemy import update

from notifications.models import EmailStatus, MailboxMessage
from scheduling.appointments import mails as seat_mails
from scheduling.appointments.events import APPOINTMENT_MOVED
from scheduling.appointments.history import SYSTEM, Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.announcing import SETTLED_AFTER
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.visit_mails import FOLLOW_UP
from scheduling.catalogue.models import Practitioner, Service, ServicePractitioner
from scheduling.feeds.service import make_practitioner_feed, read_feed
from scheduling.group_sessions.events import GROUP_SESSION_CANCELLED, GROUP_SESSION_MOVED
from scheduling.group_sessions.mails import CANCELLED_PRACTICE, MOVED_PRACTICE, PLANNED_PRACTICE
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.services.cancelling import cancel_session
from scheduling.group_sessions.services.moving import move_session
from scheduling.group_sessions.services.planning import change_session
from tenants.accounts.models import Staff, StaffRole
from tenants.settings.service import update_practice_settings
from tests.support.events import queued, run_due_events
from tests.support.group_sessions import make_group_offer, plan, take
from tests.support.mails import assert_speaks, links_in, logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.scheduling import Offer, make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

NOTES, REASON = "diabetes tipo 2", "brote de salmonela"
SERVICE = "Taller de cocina"
CONTACT = "hola@consulta.example.com"
STAFF_KINDS = (seat_mails.CONFIRMED_PRACTICE, seat_mails.MOVED_PRACTICE, seat_mails.CANCELLED_PRACTICE)


def in_days(days: int, hour: int = 9) -> datetime:
    """Within the hours of the offer (9 to 13 in Madrid), summer and winter."""
    return (clock.now() + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)


def entry_of(mail: MailboxMessage) -> tuple[Calendar, Event]:
    """The one calendar entry that a mail carries."""
    [attachment] = mail.attachments["items"]
    calendar = Calendar.from_ical(base64.b64decode(attachment["content_base64"]))
    assert isinstance(calendar, Calendar)
    assert attachment["content_type"] == f"text/calendar; method={calendar['METHOD']}; charset=utf-8"
    [event] = calendar.events
    return calendar, event


class Practice:
    """A practice with an owner, a contact address, a practitioner on the staff and a session of theirs."""

    def __init__(self, runtime: Runtime, tenant: TenantContext, offer: Offer, practitioner: SignedIn) -> None:
        self.runtime, self.tenant, self.offer, self.practitioner = runtime, tenant, offer, practitioner
        self.owner = f"owner@{tenant.slug}.example.com"
        self.staff = {practitioner.email, self.owner, CONTACT}

    async def plan(self, at: datetime, actor: Actor = SYSTEM) -> GroupSession:
        """Who planned it does not matter but where that is tested."""
        return await plan(self.runtime, self.tenant, self.offer, at, actor=actor)

    async def seat(self, group: GroupSession) -> tuple[SignedIn, Appointment]:
        """Somebody in it, of whom the practice has been told."""
        client = await make_client(self.runtime, self.tenant)
        made = await take(self.runtime, self.tenant, self.offer, client, group.starts_at, notes=NOTES)
        await self.run()
        return client, made

    async def move(self, group: GroupSession, to: datetime, practitioner_id: UUID | None = None) -> None:
        async with self.runtime.database.tenant(self.tenant) as session:
            await move_session(session, group.id, to, actor=SYSTEM, practitioner_id=practitioner_id)

    async def cancel(self, group: GroupSession) -> None:
        async with self.runtime.database.tenant(self.tenant) as session:
            await cancel_session(session, group.id, actor=SYSTEM, reason=REASON)

    async def run(self) -> None:
        await run_due_events(self.runtime, self.tenant)

    async def told(self, kind: str) -> list[str]:
        """Who got a mail of the kind, sorted."""
        logs = await logs_of(self.runtime, self.tenant, kind)
        assert {log.status for log in logs} <= {EmailStatus.SENT}
        return sorted(log.recipient or "" for log in logs)

    async def last_to(self, address: str) -> MailboxMessage:
        return (await mails_of(self.runtime, self.tenant, address))[-1]

    async def staff_mails(self) -> Counter[str]:
        """How many mails about seats the practice ever got, by kind."""
        return Counter({kind: len(await logs_of(self.runtime, self.tenant, kind)) for kind in STAFF_KINDS})

    async def uid_in_feed(self) -> str:
        """Of the practitioner's one session."""
        async with self.runtime.database.tenant(self.tenant) as session:
            made_by = self.practitioner.id
            _, token = await make_practitioner_feed(session, self.offer.practitioner_id, made_by=made_by)
        async with self.runtime.database.tenant(self.tenant) as session:
            [entry] = (await read_feed(session, token)).entries
        return entry.uid


async def staff_of(runtime: Runtime, tenant: TenantContext, offer: Offer) -> SignedIn:
    """Make the offer's practitioner a member of staff."""
    staff = await make_staff_member(runtime, tenant, StaffRole.PRACTITIONER)
    async with runtime.database.tenant(tenant) as session:
        (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = staff.id
    return staff


@pytest.fixture
async def house(runtime: Runtime, practice: TenantContext) -> Practice:
    """See :class:`Practice`."""
    register_composers()
    offer = await make_group_offer(runtime, practice, name=SERVICE)
    async with runtime.database.tenant(practice) as session:
        await update_practice_settings(session, {"contact_email": CONTACT})
    return Practice(runtime, practice, offer, await staff_of(runtime, practice, offer))


class TestAnotherPlace:
    async def test_is_one_mail_to_each_reader_at_the_practice_with_the_new_place(
        self, house: Practice, runtime: Runtime, practice: TenantContext
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Service, house.offer.service_id)).location_kinds = ["practice", "online"]
        group = await house.plan(in_days(5))
        clients = [(await house.seat(group))[0] for _ in range(2)]
        before = await house.staff_mails()
        async with runtime.database.tenant(practice) as session:
            changes = {"location_kind": "online", "meeting_url": "https://meet.example.com/g"}
            await change_session(session, group.id, changes, actor=SYSTEM)
        await house.run()
        assert await house.told(MOVED_PRACTICE) == sorted(house.staff)
        assert await house.staff_mails() == before
        mail = await house.last_to(house.practitioner.email)
        assert "Por videollamada" in mail.text
        calendar, event = entry_of(mail)
        assert (calendar["METHOD"], event["SEQUENCE"]) == ("REQUEST", 1)
        with clock.at(clock.now() + SETTLED_AFTER):
            await house.run()
        for client in clients:
            assert "https://meet.example.com/g" in (await house.last_to(client.email)).text

    async def test_once_it_has_begun_it_takes_the_word_after_the_visit_from_nobody(
        self, house: Practice, runtime: Runtime, practice: TenantContext
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            service = await session.get_one(Service, house.offer.service_id)
            service.location_kinds, service.follow_up_hours = ["practice", "online"], 24
        group = await house.plan(in_days(5))
        await house.seat(group)
        await house.run()
        with clock.at(group.starts_at + timedelta(minutes=5)):
            async with runtime.database.tenant(practice) as session:
                changes = {"location_kind": "online", "meeting_url": "https://meet.example.com/g"}
                await change_session(session, group.id, changes, actor=SYSTEM)
        with clock.at(group.ends_at + timedelta(hours=24)):
            await house.run()
        assert [log.status for log in await logs_of(runtime, practice, FOLLOW_UP)] == [EmailStatus.SENT]


class TestMoved:
    async def test_each_reader_at_the_practice_gets_one_mail_and_none_for_a_seat(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        clients = [(await house.seat(group))[0] for _ in range(3)]
        before = await house.staff_mails()
        await house.move(group, in_days(4))
        await house.run()
        assert await house.told(MOVED_PRACTICE) == sorted(house.staff)
        assert await house.staff_mails() == before
        assert await house.told(seat_mails.MOVED) == sorted(client.email for client in clients)

    async def test_it_says_what_when_before_and_how_many_and_leads_to_the_session(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        for _ in range(2):
            await house.seat(group)
        await house.move(group, in_days(4, 10))
        await house.run()
        mail = await house.last_to(house.owner)
        assert_speaks("es", mail, SERVICE, house.tenant.name, "Pilar Practicante")
        assert mail.subject.startswith(f"Sesión cambiada: {SERVICE}")
        assert "Plazas ocupadas: 2 de 3\n" in mail.text
        assert "Antes: " in mail.text
        assert "Pilar Practicante" in mail.text
        assert "Antes con" not in mail.text
        address = f"http://{house.tenant.slug}.localhost:8000/admin/group-sessions/{group.id}"
        assert address in links_in(mail.text)

    async def test_only_the_practitioner_gets_an_entry_and_it_is_the_feeds_event(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        await house.seat(group)
        await house.move(group, in_days(4))
        await house.run()
        calendar, event = entry_of(await house.last_to(house.practitioner.email))
        assert (calendar["METHOD"], event["SEQUENCE"], event.start) == ("REQUEST", 1, in_days(4))
        assert event["UID"] == await house.uid_in_feed()
        assert event["ATTENDEE"] == f"mailto:{house.practitioner.email}"
        assert event["ORGANIZER"] == f"mailto:{CONTACT}"
        assert event["SUMMARY"] == SERVICE
        for address in (house.owner, CONTACT):
            assert (await house.last_to(address)).attachments["items"] == []

    async def test_who_lost_an_empty_session_to_a_colleague_gets_what_takes_it_out(self, house: Practice) -> None:
        other = await make_offer(house.runtime, house.tenant)
        colleague = await staff_of(house.runtime, house.tenant, other)
        async with house.runtime.database.tenant(house.tenant) as session:
            link = ServicePractitioner(service_id=house.offer.service_id, practitioner_id=other.practitioner_id)
            session.add(link)
            (await session.get_one(Practitioner, other.practitioner_id)).name = "Lola Colega"
        group = await house.plan(in_days(3))
        await house.run()
        await house.move(group, in_days(3), other.practitioner_id)
        await house.run()
        assert await house.told(MOVED_PRACTICE) == sorted({*house.staff, colleague.email})
        lost = await house.last_to(house.practitioner.email)
        assert "Con: Lola Colega\nAntes con: Pilar Practicante\n" in lost.text
        assert "Antes: " not in lost.text
        methods = []
        for member in (house.practitioner, colleague):
            calendar, event = entry_of(await house.last_to(member.email))
            methods.append((calendar["METHOD"], event["STATUS"]))
            assert (event["UID"], event["SEQUENCE"]) == (f"{group.id}@{house.tenant.key}", 1)
        assert methods == [("CANCEL", "CANCELLED"), ("REQUEST", "CONFIRMED")]

    async def test_only_the_last_of_two_quick_moves_is_told(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        for days in (4, 5):
            await house.move(group, in_days(days))
        await house.run()
        assert await house.told(MOVED_PRACTICE) == sorted(house.staff)
        assert entry_of(await house.last_to(house.practitioner.email))[1].start == in_days(5)

    async def test_one_that_was_cancelled_while_the_mail_waited_is_skipped(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        await house.run()
        await house.move(group, in_days(4))
        await run_due_events(house.runtime, house.tenant, rounds=1)  # announced, not yet sent
        await house.cancel(group)
        await house.run()
        statuses = {log.status for log in await logs_of(house.runtime, house.tenant, MOVED_PRACTICE)}
        assert statuses == {EmailStatus.SKIPPED}
        assert await house.told(CANCELLED_PRACTICE) == sorted(house.staff)

    async def test_a_move_to_where_it_is_tells_nobody(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        await house.run()
        await house.move(group, group.starts_at)
        assert not {row.topic for row in await queued(house.runtime, house.tenant)} & {
            GROUP_SESSION_MOVED,
            APPOINTMENT_MOVED,
        }


class TestCancelled:
    async def test_each_reader_at_the_practice_gets_one_mail_and_none_for_a_seat(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        clients = [(await house.seat(group))[0] for _ in range(2)]
        before = await house.staff_mails()
        await house.cancel(group)
        await house.run()
        assert await house.told(CANCELLED_PRACTICE) == sorted(house.staff)
        assert await house.staff_mails() == before
        assert await house.told(seat_mails.CANCELLED) == sorted(client.email for client in clients)

    async def test_seats_that_were_given_up_before_are_not_counted_and_were_told_by_themselves(
        self, house: Practice
    ) -> None:
        group = await house.plan(in_days(3))
        client, made = await house.seat(group)
        await house.seat(group)
        async with house.runtime.database.tenant(house.tenant) as session:
            await cancel_appointment(session, made.id, actor=Actor.client(client.id))
        await house.run()
        assert await house.told(seat_mails.CANCELLED_PRACTICE) == sorted(house.staff)
        await house.cancel(group)
        await house.run()
        assert await house.told(seat_mails.CANCELLED_PRACTICE) == sorted(house.staff)
        assert "Plazas ocupadas: 1 de 3\n" in (await house.last_to(house.owner)).text

    async def test_the_practitioners_entry_is_taken_out_of_their_calendar(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        uid = await house.uid_in_feed()
        await house.run()
        await house.cancel(group)
        await house.run()
        calendar, event = entry_of(await house.last_to(house.practitioner.email))
        assert (calendar["METHOD"], event["STATUS"], event["SEQUENCE"]) == ("CANCEL", "CANCELLED", 1)
        assert event["UID"] == uid
        assert (await house.last_to(house.owner)).attachments["items"] == []

    async def test_cancelling_again_or_hearing_of_it_twice_makes_no_second_mail(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        await house.cancel(group)
        await house.cancel(group)
        events = [row for row in await queued(house.runtime, house.tenant) if row.topic == GROUP_SESSION_CANCELLED]
        assert [row.payload for row in events] == [{"session_id": str(group.id), "version": 1}]
        await house.run()
        async with house.runtime.database.tenant(house.tenant) as session:  # once more, as after a worker's death
            await publish(session, events[0].topic, events[0].payload)
        await house.run()
        assert await house.told(CANCELLED_PRACTICE) == sorted(house.staff)


class TestPlanned:
    async def test_the_practitioner_alone_is_told_with_the_entry_that_the_feed_has(self, house: Practice) -> None:
        owner = await make_staff_member(house.runtime, house.tenant, StaffRole.OWNER)
        await house.plan(in_days(3), Actor.staff(owner.id))
        await house.run()
        assert await house.told(PLANNED_PRACTICE) == [house.practitioner.email]
        [mail] = await mails_of(house.runtime, house.tenant, house.practitioner.email)
        assert mail.subject.startswith(f"Sesión nueva: {SERVICE}")
        assert "Plazas ocupadas: 0 de 3\n" in mail.text
        calendar, event = entry_of(mail)
        assert (calendar["METHOD"], event["SEQUENCE"], event.start) == ("REQUEST", 0, in_days(3))
        assert event["UID"] == await house.uid_in_feed()

    async def test_who_planned_their_own_is_told_nothing(self, house: Practice) -> None:
        await house.plan(in_days(3), Actor.staff(house.practitioner.id))
        await house.run()
        assert await logs_of(house.runtime, house.tenant, PLANNED_PRACTICE) == []
        assert await mails_of(house.runtime, house.tenant, house.practitioner.email) == []

    async def test_one_that_was_moved_at_once_is_told_as_it_is_now(self, house: Practice) -> None:
        group = await house.plan(in_days(3))
        await house.move(group, in_days(4))
        await house.run()
        assert await house.told(PLANNED_PRACTICE) == []
        assert entry_of(await house.last_to(house.practitioner.email))[1].start == in_days(4)


async def test_times_and_words_are_the_practitioners_own(house: Practice) -> None:
    async with house.runtime.database.tenant(house.tenant) as session:
        (await session.get_one(Practitioner, house.offer.practitioner_id)).timezone = "Atlantic/Canary"
        await session.execute(update(Staff).where(Staff.id == house.practitioner.id).values(locale="en"))
    group = await house.plan(in_days(3, 10))
    await house.cancel(group)
    await house.run()
    mail = await house.last_to(house.practitioner.email)
    assert_speaks("en", mail, SERVICE, house.tenant.name, "Pilar Practicante")
    assert mail.subject.startswith(f"Session cancelled: {SERVICE}")
    assert "Canar" in mail.text
    assert "Madrid" in (await house.last_to(house.owner)).text
    assert mail.attachments["items"][0]["filename"] == "session.ics"


async def test_nothing_of_anybodys_health_and_no_name_of_who_comes_is_in_mails_entries_or_the_queue(
    house: Practice,
) -> None:
    group = await house.plan(in_days(3))
    await house.seat(group)
    await house.run()
    known = {mail.id for mail in await mails_of(house.runtime, house.tenant)}
    await house.move(group, in_days(4))
    waiting = await queued(house.runtime, house.tenant)
    await house.run()
    await house.cancel(group)
    waiting += await queued(house.runtime, house.tenant)
    await house.run()
    for row in waiting:
        assert not {NOTES, REASON, "Carla", SERVICE} & {str(value) for value in row.payload.values()}
    new = [mail for mail in await mails_of(house.runtime, house.tenant) if mail.id not in known]
    assert len(new) == 2 * (len(house.staff) + 1)
    for mail in new:
        files = "".join(base64.b64decode(one["content_base64"]).decode() for one in mail.attachments["items"])
        said = " ".join(f"{mail.subject} {mail.text} {mail.html} {files}".split())
        assert NOTES not in said
        assert REASON not in said
        assert ("Carla" in said) == (mail.recipient not in house.staff)
