"""Requests: bookings that wait for the practice's yes."""

from datetime import timedelta
from uuid import UUID

from scheduling.appointments.errors import AppointmentStateError
from scheduling.appointments.events import APPOINTMENT_APPROVED, APPOINTMENT_CONFIRMED, APPOINTMENT_DECLINED
from scheduling.appointments.history import Actor, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.announcing import announce_appointment, queue_hold_expiry, tell
from scheduling.appointments.services.cancelling import end_appointment
from scheduling.appointments.services.locking import lock_with_practitioner
from scheduling.appointments.services.means import give_means_back
from scheduling.appointments.services.reading import awaits_approval, check_owner
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


async def approve_request(session: TenantSession, appointment_id: UUID, *, actor: Actor) -> Appointment:
    """Say yes: it is confirmed, or held a while longer for what is due to be paid. Safe to repeat.

    The row's lock decides between this, a no, and the hold's end: who comes second finds a request no more.
    Raises :class:`NotFoundError`, :class:`AppointmentStateError`.
    """
    repository = AppointmentRepository(session)
    appointment = await lock_with_practitioner(session, appointment_id)
    if not awaits_approval(appointment):
        is_live = appointment.status in (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED)
        if is_live and await repository.find_change(appointment.id, ChangeKind.APPROVED) is not None:
            return appointment
        raise AppointmentStateError
    record_change(session, appointment.id, ChangeKind.APPROVED, actor)
    if appointment.amount_due_minor:
        await _hold_for_payment(session, appointment)
        return appointment
    appointment.status = AppointmentStatus.CONFIRMED
    appointment.hold_expires_at = None
    await repository.flush()
    record_change(session, appointment.id, ChangeKind.CONFIRMED, actor, how="approved")
    await announce_appointment(session, appointment, APPOINTMENT_CONFIRMED)
    return appointment


async def _hold_for_payment(session: TenantSession, appointment: Appointment) -> None:
    """Never past the start: what has begun can't be paid for in advance."""
    hours = (await get_practice_settings(session)).approved_hold_hours
    appointment.hold_kind = HoldKind.PAYMENT
    appointment.hold_expires_at = min(clock.now() + timedelta(hours=hours), appointment.starts_at)
    await AppointmentRepository(session).flush()
    await queue_hold_expiry(session, appointment)
    await tell(session, appointment.id, appointment.version, APPOINTMENT_APPROVED)


async def decline_request(
    session: TenantSession, appointment_id: UUID, *, actor: Actor, reason: str | None = None
) -> Appointment:
    """Say no: its time is free again. Safe to repeat. Raises :class:`NotFoundError`, :class:`AppointmentStateError`.

    Nothing can have been paid: paying begins with the yes.
    """
    repository = AppointmentRepository(session)
    appointment = check_owner(await repository.lock(appointment_id), None)
    if not awaits_approval(appointment):
        is_cancelled = appointment.status == AppointmentStatus.CANCELLED
        if is_cancelled and await repository.find_change(appointment.id, ChangeKind.DECLINED) is not None:
            return appointment
        raise AppointmentStateError
    await end_appointment(session, appointment, "staff", reason)
    await give_means_back(session, appointment, actor, "declined")
    record_change(session, appointment.id, ChangeKind.DECLINED, actor)
    await tell(session, appointment.id, appointment.version, APPOINTMENT_DECLINED)
    return appointment
