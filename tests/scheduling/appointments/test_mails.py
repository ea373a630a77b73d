"""The mails about appointments, from the booking to the mailbox."""

import base64
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from icalendar import Calendar, Event

from notifications.models import EmailStatus, MailboxMessage
from scheduling.appointments.history import Actor
from scheduling.appointments.mails import (
    CANCELLED,
    CANCELLED_PRACTICE,
    CONFIRMED,
    CONFIRMED_PRACTICE,
    MOVED,
)
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.confirming import confirm_offline
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.appointments.visit_mails import REMINDER
from scheduling.catalogue.models import Practitioner, ServicePractitioner
from tenants.accounts.models import StaffRole
from tests.support.events import run_due_events
from tests.support.mails import assert_speaks, links_in, logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_practice, make_staff_member
from tests.support.scheduling import Offer, make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

NOTES = "diabetes tipo 2"
REASON = "ingreso hospitalario"


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


def in_days(days: int) -> datetime:
    """At 9:00 UTC: within the hours of the offer (9 to 13 in Madrid), summer and winter."""
    return (clock.now() + timedelta(days=days)).replace(hour=9, minute=0, second=0, microsecond=0)


async def book(runtime: Runtime, tenant: TenantContext, offer: Offer, client: SignedIn, starts_at: datetime) -> UUID:
    async with runtime.database.tenant(tenant) as session:
        appointment = await book_appointment(
            session, client_id=client.id, service_id=offer.service_id, starts_at=starts_at, notes=NOTES
        )
    return appointment.id


async def move(runtime: Runtime, tenant: TenantContext, appointment_id: UUID, starts_at: datetime) -> None:
    async with runtime.database.tenant(tenant) as session:
        await reschedule_appointment(session, appointment_id, starts_at)


async def cancel(runtime: Runtime, tenant: TenantContext, appointment_id: UUID, client: SignedIn) -> None:
    async with runtime.database.tenant(tenant) as session:
        await cancel_appointment(session, appointment_id, actor=Actor.client(client.id), reason=REASON)


async def own_staff(runtime: Runtime, tenant: TenantContext, offer: Offer) -> SignedIn:
    """Make the offer's practitioner a member of staff."""
    staff = await make_staff_member(runtime, tenant, StaffRole.PRACTITIONER)
    async with runtime.database.tenant(tenant) as session:
        (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = staff.id
    return staff


def entry_of(mail: MailboxMessage) -> tuple[Calendar, Event]:
    [attachment] = mail.attachments["items"]
    calendar = Calendar.from_ical(base64.b64decode(attachment["content_base64"]))
    assert isinstance(calendar, Calendar)
    assert attachment["content_type"] == f"text/calendar; method={calendar['METHOD']}; charset=utf-8"
    [event] = calendar.events
    return calendar, event


class TestConfirmed:
    async def test_the_client_gets_the_time_and_the_calendar_entry(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        starts_at = in_days(3)
        appointment_id = await book(runtime, practice, offer, client, starts_at)
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, client.email)
        assert "hora de Madrid" in mail.text
        assert f"http://{practice.slug}.localhost:8000/appointments/{appointment_id}" in links_in(mail.text)
        calendar, event = entry_of(mail)
        assert calendar["METHOD"] == "REQUEST"
        assert event.start == starts_at
        assert event["UID"] == f"{appointment_id}@{practice.key}"
        assert event["ATTENDEE"] == f"mailto:{client.email}"
        assert mail.attachments["items"][0]["filename"] == "cita.ics"

    async def test_the_practitioner_and_the_owner_hear_of_it_once_each(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        staff = await own_staff(runtime, practice, offer)
        await book(runtime, practice, offer, client, in_days(3))
        await run_due_events(runtime, practice)
        logs = await logs_of(runtime, practice, CONFIRMED_PRACTICE)
        assert {log.recipient for log in logs} == {staff.email, f"owner@{practice.slug}.example.com"}
        assert len(logs) == 2
        [mail] = await mails_of(runtime, practice, staff.email)
        assert "Carla Cliente" in mail.text

    async def test_times_are_the_readers_and_the_practices_too_where_they_differ(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        client = await make_client(runtime, practice, timezone="America/Bogota")
        await book(runtime, practice, offer, client, in_days(3))
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, client.email)
        assert "hora de Bogotá" in mail.text
        assert "hora de Madrid" in mail.text

    async def test_a_paid_one_says_price_and_until_when_it_can_be_given_up(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500)
        client = await make_client(runtime, practice)
        appointment_id = await book(runtime, practice, offer, client, in_days(3))
        await run_due_events(runtime, practice)
        assert await mails_of(runtime, practice, client.email) == []
        async with runtime.database.tenant(practice) as session:
            await confirm_offline(session, appointment_id)
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, client.email)
        assert "45,00\xa0€" in mail.text
        assert "se te devolverá" in " ".join(mail.text.split())

    async def test_one_that_was_cancelled_meanwhile_is_not_confirmed(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        appointment_id = await book(runtime, practice, offer, client, in_days(3))
        await cancel(runtime, practice, appointment_id, client)
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, client.email)
        assert mail.subject.startswith("Cita cancelada")

    async def test_one_that_was_cancelled_while_the_mail_waited_is_skipped(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        appointment_id = await book(runtime, practice, offer, client, in_days(3))
        await run_due_events(runtime, practice, rounds=1)  # announced, not yet sent
        await cancel(runtime, practice, appointment_id, client)
        await run_due_events(runtime, practice)
        assert [log.status for log in await logs_of(runtime, practice, CONFIRMED)] == [EmailStatus.SKIPPED]
        assert [log.status for log in await logs_of(runtime, practice, CANCELLED)] == [EmailStatus.SENT]


class TestMoved:
    async def test_the_entry_is_the_same_one_with_a_higher_sequence(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        appointment_id = await book(runtime, practice, offer, client, in_days(3))
        await run_due_events(runtime, practice)
        await move(runtime, practice, appointment_id, in_days(4))
        await run_due_events(runtime, practice)
        first, second = await mails_of(runtime, practice, client.email)
        (_, before), (_, after) = entry_of(first), entry_of(second)
        assert after["UID"] == before["UID"]
        assert after.sequence > before.sequence
        assert after.start == in_days(4)
        assert second.subject.startswith("Tu cita ha cambiado")
        assert "Antes: " in second.text

    async def test_only_the_last_of_two_quick_moves_is_told(self, runtime: Runtime, practice: TenantContext) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        appointment_id = await book(runtime, practice, offer, client, in_days(3))
        for days in (4, 5):
            await move(runtime, practice, appointment_id, in_days(days))
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, client.email)
        assert entry_of(mail)[1].start == in_days(5)
        assert len(await logs_of(runtime, practice, MOVED)) == 1

    async def test_the_practitioner_who_lost_it_hears_of_it(self, runtime: Runtime, practice: TenantContext) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        staff = await own_staff(runtime, practice, offer)
        appointment_id = await book(runtime, practice, offer, client, in_days(3))
        other = await make_offer(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            session.add(ServicePractitioner(service_id=offer.service_id, practitioner_id=other.practitioner_id))
        async with runtime.database.tenant(practice) as session:
            await reschedule_appointment(session, appointment_id, in_days(4), practitioner_id=other.practitioner_id)
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, staff.email)
        assert mail.subject.startswith("Cita cambiada")


class TestCancelled:
    async def test_the_client_gets_what_takes_it_out_of_the_calendar(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        appointment_id = await book(runtime, practice, offer, client, in_days(3))
        await run_due_events(runtime, practice)
        await cancel(runtime, practice, appointment_id, client)
        await run_due_events(runtime, practice)
        first, second = await mails_of(runtime, practice, client.email)
        calendar, event = entry_of(second)
        assert (calendar["METHOD"], event["STATUS"]) == ("CANCEL", "CANCELLED")
        assert event["UID"] == entry_of(first)[1]["UID"]
        assert event.sequence > entry_of(first)[1].sequence
        assert [log.status for log in await logs_of(runtime, practice, CANCELLED_PRACTICE)] == [EmailStatus.SENT]

    async def test_a_hold_that_is_given_up_is_no_news_to_the_practice(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500)
        client = await make_client(runtime, practice)
        appointment_id = await book(runtime, practice, offer, client, in_days(3))
        await cancel(runtime, practice, appointment_id, client)
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, client.email)
        assert mail.attachments == {"items": []}
        assert [log.status for log in await logs_of(runtime, practice, CANCELLED_PRACTICE)] == [EmailStatus.SKIPPED]


class TestReminder:
    async def test_comes_before_the_visit(self, runtime: Runtime, practice: TenantContext) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        starts_at = in_days(3)
        await book(runtime, practice, offer, client, starts_at)
        await run_due_events(runtime, practice)
        assert await logs_of(runtime, practice, REMINDER) == []
        await self.a_day_before(runtime, practice, starts_at)
        mails = await mails_of(runtime, practice, client.email)
        assert [mail.subject.split(":")[0] for mail in mails] == ["Cita confirmada", "Recordatorio de tu cita"]
        assert mails[1].attachments == {"items": []}

    async def test_does_not_come_for_a_cancelled_visit(self, runtime: Runtime, practice: TenantContext) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        starts_at = in_days(3)
        await cancel(runtime, practice, await book(runtime, practice, offer, client, starts_at), client)
        await self.a_day_before(runtime, practice, starts_at)
        assert await logs_of(runtime, practice, REMINDER) == []

    async def test_comes_for_the_new_time_alone_after_a_move(self, runtime: Runtime, practice: TenantContext) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        appointment_id = await book(runtime, practice, offer, client, in_days(3))
        await move(runtime, practice, appointment_id, in_days(6))
        await self.a_day_before(runtime, practice, in_days(3))
        assert await logs_of(runtime, practice, REMINDER) == []
        await self.a_day_before(runtime, practice, in_days(6))
        assert [log.status for log in await logs_of(runtime, practice, REMINDER)] == [EmailStatus.SENT]

    async def test_does_not_come_when_the_visit_is_over(self, runtime: Runtime, practice: TenantContext) -> None:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        starts_at = in_days(3)
        await book(runtime, practice, offer, client, starts_at)
        await self.a_day_before(runtime, practice, starts_at + timedelta(days=2))
        assert [log.status for log in await logs_of(runtime, practice, REMINDER)] == [EmailStatus.SKIPPED]

    async def a_day_before(self, runtime: Runtime, practice: TenantContext, starts_at: datetime) -> None:
        with clock.at(starts_at - timedelta(hours=23)):
            await run_due_events(runtime, practice)


@pytest.mark.parametrize("language", ["es", "en"])
async def test_no_mail_tells_health_or_speaks_another_language(runtime: Runtime, language: str) -> None:
    practice = await make_practice(runtime, locale=language)
    offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
    starts_at = in_days(9)
    appointment_id = await book(runtime, practice, offer, client, in_days(3))
    await run_due_events(runtime, practice)
    await move(runtime, practice, appointment_id, starts_at)
    await run_due_events(runtime, practice)
    with clock.at(starts_at - timedelta(hours=23)):
        await run_due_events(runtime, practice)
    await cancel(runtime, practice, appointment_id, client)
    await run_due_events(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        stored = await session.get_one(Appointment, appointment_id)
    assert (stored.notes, stored.cancellation_reason) == (NOTES, REASON)
    mails = [mail for mail in await mails_of(runtime, practice) if "accept-invitation" not in mail.text]
    assert len(mails) == 7
    for mail in mails:
        assert_speaks(language, mail, practice.name, "Primera visita", "Carla Cliente", "Pilar Practicante")
        contents = [base64.b64decode(item["content_base64"]).decode() for item in mail.attachments["items"]]
        for secret in (NOTES, REASON):
            assert secret not in " ".join([mail.subject, mail.text, mail.html, *contents])
