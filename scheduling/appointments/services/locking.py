"""Locking an appointment together with those whose time it takes."""

from uuid import UUID

from scheduling.appointments.models import Appointment
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.reading import check_owner
from scheduling.group_sessions.seats import lock_session
from todoenbalance.kit.database import TenantSession


async def lock_with_practitioner(session: TenantSession, appointment_id: UUID) -> Appointment:
    """The appointment locked after its practitioner and its session; tried anew if it moved in between.

    Whoever lets a hold go on, or stand, needs this: who takes a practitioner's time (or a seat) looks under the same
    lock which holds have run out, so that none is prolonged after it was found over. Raises :class:`NotFoundError`.
    """
    repository = AppointmentRepository(session)
    while True:
        seen = check_owner(await repository.find(appointment_id), None)
        practitioner_id, group_id = seen.practitioner_id, seen.group_session_id
        savepoint = await session.begin_nested()
        await repository.lock_practitioner(practitioner_id)
        await lock_session(session, group_id)
        appointment = check_owner(await repository.lock(appointment_id), None)
        if (appointment.practitioner_id, appointment.group_session_id) == (practitioner_id, group_id):
            await savepoint.commit()
            return appointment
        await savepoint.rollback()
