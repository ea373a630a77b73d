"""The mails about appointments: to the client, and to those at the practice whom it concerns.

A mail says what is true when it is sent: one made for an older version of the appointment, or for a state
that it has left, is not sent (a newer event has its own mail). What a client wrote in a booking is about
their health and is never part of a mail.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from notifications.formats import describe, language_of
from notifications.port import Attachment
from notifications.recipients import Recipient, RecipientKind, find_contact_address
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, announce, register_composer
from notifications.watching import list_practice_recipients
from scheduling.appointments.calendar import CANCEL, REQUEST, CalendarParty, render_appointment
from scheduling.appointments.history import ActorKind, ChangeKind
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.links import PATH as LINK_PATH
from scheduling.appointments.services.links import make_links
from scheduling.appointments.terms import whole_until
from scheduling.appointments.terms_in_mails import terms_values
from scheduling.catalogue.models import Practitioner, Service
from scheduling.catalogue.service import get_practitioner, get_service
from tenants.accounts.models import Client, Dependant
from tenants.accounts.names import name_of
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.dependants import find_dependant
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

CONFIRMED = "appointment_confirmed"
MOVED = "appointment_moved"
CANCELLED = "appointment_cancelled"
CONFIRMED_PRACTICE = "appointment_confirmed_practice"
MOVED_PRACTICE = "appointment_moved_practice"
CANCELLED_PRACTICE = "appointment_cancelled_practice"

CLIENT_PATH = "/appointments/{id}"
STAFF_PATH = "/admin/appointments/{id}"
STAFF_CALENDAR_PATH = "/admin/appointments"
TIME_TO_GET_THERE = timedelta(hours=1)
_ICS_NAME = {"es": "cita.ics", "en": "appointment.ics"}


@dataclass(frozen=True, slots=True)
class Booking:
    """An appointment with everything that a mail says of it."""

    appointment: Appointment
    service: Service
    practitioner: Practitioner
    client: Client
    dependant: Dependant | None
    was_confirmed: bool
    moved_from: datetime | None


async def find_booking(session: TenantSession, notice: Notice, status: AppointmentStatus) -> Booking | None:
    """The booking, if it still is what the notice is about: that version, in that state."""
    appointment = await AppointmentRepository(session).find(notice.subject_id)
    if appointment is None or appointment.version != notice.version or appointment.status != status:
        return None
    service = await get_service(session, appointment.service_id)
    practitioner = await get_practitioner(session, appointment.practitioner_id)
    client = await get_client(session, appointment.client_id)
    moved = await AppointmentRepository(session).find_change(appointment.id, ChangeKind.MOVED)
    return Booking(
        appointment,
        service,
        practitioner,
        client,
        await find_dependant(session, appointment.dependant_id),
        was_confirmed=await _was_confirmed(session, appointment),
        # The history of someone whose data were erased has lost its details.
        moved_from=datetime.fromisoformat(moved.detail["from"]) if moved and moved.detail else None,
    )


async def _was_confirmed(session: TenantSession, appointment: Appointment) -> bool:
    """Whether anyone was ever told that it takes place: a hold that is given up before was news to nobody."""
    if appointment.amount_due_minor == 0 and appointment.hold_kind is None:
        return True
    return await AppointmentRepository(session).find_change(appointment.id, ChangeKind.CONFIRMED) is not None


def _timezone(notice: Notice, booking: Booking) -> str:
    """Practitioners read their own clock, everyone else the one that their account or practice has."""
    reader = notice.reader
    is_practitioner = reader.recipient.kind is RecipientKind.STAFF and reader.recipient.id == str(
        booking.practitioner.staff_id
    )
    return booking.practitioner.timezone if is_practitioner else reader.timezone


def booking_values(session: TenantSession, runtime: Runtime, notice: Notice, booking: Booking) -> dict[str, Any]:
    """What every mail may say of an appointment; nothing that anybody wrote."""
    appointment, locale, tenant = booking.appointment, notice.reader.locale, session.tenant
    zone = _timezone(notice, booking)
    when = describe(appointment.starts_at, zone, locale, ends_at=appointment.ends_at)
    there = describe(appointment.starts_at, booking.practitioner.timezone, locale, ends_at=appointment.ends_at)
    elsewhere = appointment.location_kind == "practice" and (there.day, there.time) != (when.day, when.time)
    free_until = whole_until(appointment)
    paid_for = appointment.price_minor > 0
    slug = tenant.slug
    return {
        "service": booking.service.name,
        "practitioner": booking.practitioner.name,
        "client": name_of(booking.client, locale),
        "for_whom": name_of(booking.dependant, locale) if booking.dependant else None,
        "when": when,
        "local_when": there if elsewhere else None,
        "before": describe(booking.moved_from, zone, locale) if booking.moved_from else None,
        "was_confirmed": booking.was_confirmed,
        "location_kind": appointment.location_kind,
        "meeting_url": appointment.meeting_url if appointment.location_kind == "online" else None,
        "price": Money(appointment.price_minor, appointment.currency).format(locale) if paid_for else None,
        "free_until": describe(free_until, zone, locale)
        if paid_for and free_until and free_until > clock.now()
        else None,
        **terms_values(appointment, zone, locale),
        "cancelled_by": appointment.cancelled_by,
        "appointment_url": runtime.settings.practice_url(slug, CLIENT_PATH.format(id=appointment.id)),
        "booking_url": runtime.settings.practice_url(slug),
        "admin_url": runtime.settings.practice_url(slug, STAFF_PATH.format(id=appointment.id)),
    }


def action_links(session: TenantSession, runtime: Runtime, booking: Booking) -> dict[str, str]:
    """For the client: ``confirm_url``, ``move_url`` and ``cancel_url``."""
    tokens = make_links(session, booking.appointment)
    slug = session.tenant.slug
    return {
        f"{action}_url": runtime.settings.practice_url(slug, LINK_PATH.format(token=token))
        for action, token in tokens.items()
    }


async def _calendar_entry(
    session: TenantSession, runtime: Runtime, notice: Notice, booking: Booking, method: str
) -> Attachment:
    """For the client, or for the practitioner, who is told whom they see."""
    tenant, appointment, reader = session.tenant, booking.appointment, notice.reader
    is_client = reader.recipient.kind is RecipientKind.CLIENT
    client = name_of(booking.client, reader.locale)
    changes = await AppointmentRepository(session).last_changes([appointment.id])
    content = render_appointment(
        appointment,
        service_name=booking.service.name,
        practitioner_name=booking.practitioner.name,
        for_whom=name_of(booking.dependant, reader.locale) if booking.dependant else None,
        client_name=None if is_client else client,
        changed_at=changes.get(appointment.id),
        tenant=tenant,
        timezone=_timezone(notice, booking),
        method=method,
        organizer=CalendarParty(tenant.name, await organizer_address(session, runtime, reader.address)),
        attendee=CalendarParty(client if is_client else booking.practitioner.name, reader.address),
    )
    # RFC 6047, 2.4: the method in the content type must be that of the content.
    return Attachment(_ICS_NAME[language_of(reader.locale)], f"text/calendar; method={method}; charset=utf-8", content)


async def organizer_address(session: TenantSession, runtime: Runtime, attendee: str) -> str:
    """The practice's contact address; ours where that is the attendee's own: nobody can be invited by themselves."""
    contact = await find_contact_address(session)
    is_own = contact is not None and contact.casefold() == attendee.casefold()
    return runtime.settings.mail.sender_address if contact is None or is_own else contact


async def _practitioners_entries(
    session: TenantSession, runtime: Runtime, notice: Notice, booking: Booking, method: str
) -> tuple[Attachment, ...]:
    """For the practitioner's own calendar; a move to somebody else takes it out of the former one's.

    Owners who are told get none, it is not their appointment; nor does a seat, because a session is one event.
    """
    recipient = notice.reader.recipient
    if recipient.kind is not RecipientKind.STAFF or booking.appointment.group_session_id is not None:
        return ()
    staff_id = UUID(recipient.id)
    if staff_id == booking.practitioner.staff_id:
        return (await _calendar_entry(session, runtime, notice, booking, method),)
    if staff_id == await _former_staff_id(session, booking.appointment):
        return (await _calendar_entry(session, runtime, notice, booking, CANCEL),)
    return ()


async def _former_staff_id(session: TenantSession, appointment: Appointment) -> UUID | None:
    """Who of the staff is the practitioner from whom the last move took it."""
    moved = await AppointmentRepository(session).find_change(appointment.id, ChangeKind.MOVED)
    if moved is None or not moved.detail:
        return None
    with suppress(NotFoundError):  # a practitioner without appointments may have been removed
        return (await get_practitioner(session, UUID(moved.detail["from_practitioner_id"]))).staff_id
    return None


def useful_until(starts_at: datetime) -> datetime:
    """Until when a mail about a visit helps to be there: an hour before it. What would wait for longer (for the end of
    quiet hours, for the digest) is sent at once."""
    return starts_at - TIME_TO_GET_THERE


async def compose_standing(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the client, of an appointment that was confirmed or moved, with the entry for their calendar."""
    booking = await find_booking(session, notice, AppointmentStatus.CONFIRMED)
    if booking is None:
        return None
    entry = await _calendar_entry(session, runtime, notice, booking, REQUEST)
    values = booking_values(session, runtime, notice, booking) | action_links(session, runtime, booking)
    return ComposedMail(values, (entry,))


def _is_declined_offer(booking: Booking) -> bool:
    """Whether the client gave up what the waiting list offered: no more than a no, which they know of."""
    row = booking.appointment
    return row.hold_kind == HoldKind.OFFER and not booking.was_confirmed and row.cancelled_by == ActorKind.CLIENT


async def compose_cancelled(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the client, of a cancelled appointment, with what takes it out of their calendar."""
    booking = await find_booking(session, notice, AppointmentStatus.CANCELLED)
    if booking is None or _is_declined_offer(booking):
        return None
    values = booking_values(session, runtime, notice, booking)
    if not booking.was_confirmed:  # it never was in a calendar
        return ComposedMail(values)
    return ComposedMail(values, (await _calendar_entry(session, runtime, notice, booking, CANCEL),))


async def compose_standing_practice(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the practice, of one that was confirmed or moved; its practitioner gets the entry for their calendar."""
    booking = await find_booking(session, notice, AppointmentStatus.CONFIRMED)
    if booking is None:
        return None
    entries = await _practitioners_entries(session, runtime, notice, booking, REQUEST)
    values = booking_values(session, runtime, notice, booking)
    values["is_taken_away"] = await _is_taken_from(session, notice, booking)
    if values["is_taken_away"]:  # it may not be theirs to see any more
        values["admin_url"] = runtime.settings.practice_url(session.tenant.slug, STAFF_CALENDAR_PATH)
    return ComposedMail(values, entries, useful_until=useful_until(booking.appointment.starts_at))


async def _is_taken_from(session: TenantSession, notice: Notice, booking: Booking) -> bool:
    """Whether the mail is for the practitioner who had it before the last move, and has it no more."""
    recipient = notice.reader.recipient
    if recipient.kind is not RecipientKind.STAFF or recipient.id == str(booking.practitioner.staff_id):
        return False
    return recipient.id == str(await _former_staff_id(session, booking.appointment))


async def compose_cancelled_practice(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the practice, of a cancelled appointment."""
    booking = await find_booking(session, notice, AppointmentStatus.CANCELLED)
    if booking is None or not booking.was_confirmed:
        return None
    entries = await _practitioners_entries(session, runtime, notice, booking, CANCEL)
    values = booking_values(session, runtime, notice, booking)
    return ComposedMail(values, entries, useful_until=useful_until(booking.appointment.starts_at))


def register_appointment_mails() -> None:
    """Register composers and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(CONFIRMED, compose_standing)
    register_composer(MOVED, compose_standing)
    register_composer(CANCELLED, compose_cancelled)
    register_composer(CONFIRMED_PRACTICE, compose_standing_practice)
    register_composer(MOVED_PRACTICE, compose_standing_practice)
    register_composer(CANCELLED_PRACTICE, compose_cancelled_practice)


async def announce_to_all(
    context: TenantEventContext, payload: dict[str, Any], client_kind: str, practice_kind: str | None
) -> None:
    """Queue the mails about an appointment, to its client and (a ``practice_kind``) to the practice.

    Of an older version than the appointment's there is nothing to tell any more. Of a seat that went with its
    whole session the practice is not told: it hears of the session.
    """
    version = int(payload["version"])
    async with context.runtime.database.tenant(context.tenant) as session:
        appointment = await AppointmentRepository(session).find(UUID(payload["appointment_id"]))
        if appointment is None or appointment.version != version:
            return
        subject = appointment.id
        await announce(
            session,
            client_kind,
            subject_id=subject,
            version=version,
            recipients=[Recipient.client(appointment.client_id)],
        )
        if practice_kind is not None and not payload.get("with_session"):
            concerned = await _concerned_staff(session, appointment, practice_kind)
            recipients = await list_practice_recipients(session, practice_kind, *concerned)
            await announce(session, practice_kind, subject_id=subject, version=version, recipients=recipients)


async def _concerned_staff(session: TenantSession, appointment: Appointment, kind: str) -> list[UUID | None]:
    """The practitioner, and, of a move, the one from whom it was taken."""
    concerned = [(await get_practitioner(session, appointment.practitioner_id)).staff_id]
    if kind == MOVED_PRACTICE:
        concerned.append(await _former_staff_id(session, appointment))
    return concerned


async def on_appointment_confirmed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Confirm to the client; tell the practice of the booking: whom it concerns, and who watches it."""
    await announce_to_all(context, payload, CONFIRMED, CONFIRMED_PRACTICE)


async def on_appointment_moved(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell client and practice the new time."""
    await announce_to_all(context, payload, MOVED, MOVED_PRACTICE)


async def on_appointment_cancelled(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell client and practice that it will not take place."""
    await announce_to_all(context, payload, CANCELLED, CANCELLED_PRACTICE)
