"""Telling of appointments: events for the mails, with those that the calendar causes."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.dialects.postgresql import Range

from scheduling.appointments.events import (
    APPOINTMENT_CHANGED,
    APPOINTMENT_HOLD_EXPIRY,
    APPOINTMENT_UNANSWERED,
    TIME_FREED,
)
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.reminding import queue_visit_mails
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.publish import Payload, publish

SETTLED_AFTER = timedelta(minutes=2)
"""A link that was pasted wrong is put right by then."""
NEAR = timedelta(hours=1)


async def announce_appointment(
    session: TenantSession, appointment: Appointment, topic: str, *, with_session: bool = False
) -> None:
    """Tell of a confirmed time, and queue what the client is sent before and after it. See :func:`tell`."""
    await tell(session, appointment.id, appointment.version, topic, with_session=with_session)
    await queue_visit_mails(session, appointment)


async def queue_hold_expiry(session: TenantSession, appointment: Appointment) -> None:
    """Have the time given free when the hold runs out."""
    payload = {"appointment_id": str(appointment.id)}
    await publish(session, APPOINTMENT_HOLD_EXPIRY, payload, run_at=appointment.hold_expires_at)


async def tell(
    session: TenantSession, appointment_id: UUID, version: int, topic: str, *, with_session: bool = False
) -> None:
    """Publish what happened to an appointment, as of that version.

    ``with_session``: it happened to the whole session of which this is a seat, and the practice is told of that.
    """
    payload: Payload = {"appointment_id": str(appointment_id), "version": version}
    await publish(session, topic, {**payload, "with_session": True} if with_session else payload)


async def announce_place(session: TenantSession, appointment: Appointment) -> None:
    """Tell the client of a locked appointment that it takes place elsewhere now, or by another link.

    What is told is how it stands when the mail is made: changes that follow one another within minutes make one mail,
    unless the visit is near. Who has no confirmed time yet reads of it in the confirmation; of a visit that has begun
    or is not to be it is news to nobody.
    """
    now = clock.now()
    if appointment.status not in (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED) or appointment.starts_at <= now:
        return
    appointment.revision += 1
    if appointment.status != AppointmentStatus.CONFIRMED:
        return
    payload: Payload = {"appointment_id": str(appointment.id), "sequence": appointment.sequence}
    is_near = appointment.starts_at - now < NEAR
    await publish(session, APPOINTMENT_CHANGED, payload, run_at=None if is_near else now + SETTLED_AFTER)


async def announce_unanswered(session: TenantSession, appointment_id: UUID, version: int) -> None:
    """Tell the client that their request was not answered in time."""
    await tell(session, appointment_id, version, APPOINTMENT_UNANSWERED)


async def announce_freed(session: TenantSession, practitioner_id: UUID, occupied: Range[datetime]) -> None:
    """Tell those who wait for a practitioner's time that this range can be had again; what is over helps nobody."""
    begins, ends = occupied.lower, occupied.upper
    if begins is None or ends is None or ends <= clock.now():
        return
    await publish(
        session,
        TIME_FREED,
        {"practitioner_id": str(practitioner_id), "starts_at": begins.isoformat(), "ends_at": ends.isoformat()},
    )
