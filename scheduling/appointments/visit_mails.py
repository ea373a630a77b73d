"""The mails that nobody's doing causes but the calendar's: reminders of a visit, and a word after it.

What is decided when the row is due is decided again when the mail is made, which may be much later: the settings may
have changed, the visit been moved, cancelled, missed, or begun.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from notifications.formats import describe
from notifications.recipients import Recipient
from notifications.service import ComposedMail, Notice, announce, register_composer
from scheduling.appointments.history import ChangeKind
from scheduling.appointments.mails import Booking, action_links, booking_values, find_booking, useful_until
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.outcomes import MIND_MAY_CHANGE
from scheduling.appointments.services.reminding import (
    TOOK_PLACE,
    Occasions,
    due_reminder,
    is_useful,
    queue_added_reminder,
    queue_changed_follow_up,
)
from scheduling.catalogue.service import get_practitioner
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

REMINDER = "appointment_reminder"
FOLLOW_UP = "appointment_follow_up"
MISSED = "appointment_missed"
ONCE: Final = "once"
"""The version of a word after the visit: however often it was moved, there is one."""
FOLLOW_UP_WINDOW = timedelta(days=3)
"""Later than so long after its moment it would only be odd."""
_SLACK = timedelta(minutes=1)
"""Between the clock of an outcome, or of the queue, and that of who handles its event."""


def reminder_version(version: int, minutes: int) -> str:
    """Which reminder of which version of an appointment: each is a mail of its own."""
    return f"{version}-{minutes}"


def _read_version(version: int | str) -> tuple[int, int | None]:
    """The other way round; a row of the release before names no reminder."""
    number, _, minutes = str(version).partition("-")
    return int(number), int(minutes) if minutes else None


async def find_reminded(session: TenantSession, notice: Notice) -> tuple[Booking, datetime] | None:
    """What to remind of, and until when that is of use: a visit that is still ahead, while that reminder is wanted and
    no nearer one is due; else None."""
    version, minutes = _read_version(notice.version)
    booking = await find_booking(session, replace(notice, version=version), AppointmentStatus.CONFIRMED)
    if booking is None or booking.appointment.starts_at <= clock.now():
        return None
    starts_at = booking.appointment.starts_at
    occasions = await Occasions.of_service(session, booking.service.id)
    if minutes is not None and not is_useful(occasions.are_queued_for(starts_at, minutes), minutes, starts_at):
        return None
    # Not until the next reminder is due: whom that one reaches need not be woken by this one.
    return booking, useful_until(starts_at)


async def compose_reminder(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the client, of an appointment that is still ahead; see :func:`find_reminded`."""
    found = await find_reminded(session, notice)
    if found is None:
        return None
    booking, useful = found
    values = booking_values(session, runtime, notice, booking) | action_links(session, runtime, booking)
    return ComposedMail(values, useful_until=useful)


async def on_appointment_reminder(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.reminder``: remind the client; the composer finds out whether there still is anything to say."""
    async with context.runtime.database.tenant(context.tenant) as session:
        appointment = await _find_as_of(session, payload)
        if appointment is None:
            return
        occasions = await Occasions.of_service(session, appointment.service_id)
        minutes = payload.get("minutes") or due_reminder(occasions.reminders, appointment.starts_at)
        if minutes is None:
            return
        await announce(
            session,
            REMINDER,
            subject_id=appointment.id,
            version=reminder_version(appointment.version, minutes),
            recipients=[Recipient.client(appointment.client_id)],
        )


async def _find_as_of(session: TenantSession, payload: dict[str, Any]) -> Appointment | None:
    """The appointment, or None if what was queued is about an older version of it."""
    appointment = await AppointmentRepository(session).find(UUID(payload["appointment_id"]))
    return appointment if appointment is not None and appointment.version == int(payload["version"]) else None


async def compose_follow_up(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the client, after a visit that took place, unless they have another one ahead.

    It names neither the service nor anything else that says what the visit was about.
    """
    appointment = await AppointmentRepository(session).find(notice.subject_id)
    if appointment is None or not await _is_due(session, appointment):
        return None
    if await _is_thanked_for_another_seat(session, appointment):
        return None
    practitioner = await get_practitioner(session, appointment.practitioner_id)
    return ComposedMail(
        {
            "practitioner": practitioner.name,
            "when": describe(appointment.starts_at, notice.reader.timezone, notice.reader.locale),
            "booking_url": runtime.settings.practice_url(session.tenant.slug),
        }
    )


async def _is_due(session: TenantSession, appointment: Appointment) -> bool:
    occasions = await Occasions.of_service(session, appointment.service_id)
    if occasions.follow_up_hours is None or appointment.status not in TOOK_PLACE:
        return False
    due_at = appointment.ends_at + timedelta(hours=occasions.follow_up_hours)
    if not due_at - _SLACK <= clock.now() < due_at + FOLLOW_UP_WINDOW:
        return False
    return not await AppointmentRepository(session).has_any_ahead(appointment.client_id)


async def _is_thanked_for_another_seat(session: TenantSession, appointment: Appointment) -> bool:
    """Whether the client had several seats in the session, for their children say, and another one's mail, which says
    the same, is the one that goes."""
    if appointment.group_session_id is None:
        return False
    seats = await AppointmentRepository(session).list_seats_of_client(
        appointment.group_session_id, appointment.client_id
    )
    return min(one.id for one in seats if one.status in TOOK_PLACE) != appointment.id


async def on_appointment_follow_up(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.follow_up``: write to the client, if the visit took place and that is still wanted."""
    async with context.runtime.database.tenant(context.tenant) as session:
        appointment = await _find_as_of(session, payload)
        if appointment is None or not await _is_due(session, appointment):
            return
        await announce(
            session,
            FOLLOW_UP,
            subject_id=appointment.id,
            version=ONCE,
            recipients=[Recipient.client(appointment.client_id)],
        )


async def compose_missed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To a client who did not come, where nothing is to be paid for it; not days later, when it would only hurt.

    Those who owe a fee, or had it charged, read of it in that mail.
    """
    booking = await find_booking(session, notice, AppointmentStatus.NO_SHOW)
    if booking is None or booking.appointment.no_show_fee_minor:
        return None
    if booking.appointment.ends_at < clock.now() - FOLLOW_UP_WINDOW:
        return None
    return ComposedMail(booking_values(session, runtime, notice, booking))


async def on_appointment_missed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.missed``: tell the client, if that is still what staff say.

    An outcome that was corrected meanwhile has an event of its own, an hour after it was.
    """
    async with context.runtime.database.tenant(context.tenant) as session:
        appointment = await _find_as_of(session, payload)
        if appointment is None or appointment.status != AppointmentStatus.NO_SHOW:
            return
        said = await AppointmentRepository(session).find_change(appointment.id, ChangeKind.NO_SHOW)
        if said is None or said.created_at + MIND_MAY_CHANGE > clock.now() + _SLACK:
            return
        await announce(
            session,
            MISSED,
            subject_id=appointment.id,
            version=appointment.version,
            recipients=[Recipient.client(appointment.client_id)],
        )


async def on_reminder_added(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``practice.reminder_added`` and ``service.reminder_added``: for who has booked already, too."""
    service_id = payload.get("service_id")
    async with context.runtime.database.tenant(context.tenant) as session:
        await queue_added_reminder(session, payload["minutes"], UUID(service_id) if service_id else None)


async def on_follow_up_changed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``service.follow_up_changed``: for who has booked already, too."""
    async with context.runtime.database.tenant(context.tenant) as session:
        await queue_changed_follow_up(session, UUID(payload["service_id"]), payload["hours"])


def register_visit_mails() -> None:
    """Register the composers of this module; called at start-up."""
    register_composer(REMINDER, compose_reminder)
    register_composer(FOLLOW_UP, compose_follow_up)
    register_composer(MISSED, compose_missed)
