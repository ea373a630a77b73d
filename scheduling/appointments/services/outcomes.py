"""What staff says of an appointment: how the visit went, where it takes place."""

from uuid import UUID

from scheduling.appointments.errors import AppointmentStateError
from scheduling.appointments.history import Actor, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.reading import KEPT, check_owner
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


async def record_outcome(
    session: TenantSession, appointment_id: UUID, status: AppointmentStatus, *, actor: Actor
) -> Appointment:
    """Say that the client came (``completed``) or did not (``no_show``), once the appointment has begun.

    Raises :class:`NotFoundError`, :class:`AppointmentStateError`.
    """
    appointment = check_owner(await AppointmentRepository(session).lock(appointment_id), None)
    if appointment.status not in KEPT or appointment.starts_at > clock.now():
        raise AppointmentStateError
    if appointment.status != status:
        appointment.status = status
        record_change(session, appointment.id, ChangeKind(status), actor)
    return appointment


async def set_meeting_url(session: TenantSession, appointment_id: UUID, url: str | None) -> Appointment:
    """Where an online appointment takes place. Raises :class:`NotFoundError`."""
    appointment = check_owner(await AppointmentRepository(session).lock(appointment_id), None)
    appointment.meeting_url = url
    return appointment
