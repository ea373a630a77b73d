"""An appointment as a file for its client's calendar."""

from scheduling.appointments.calendar import render_appointment
from scheduling.appointments.models import Appointment
from scheduling.appointments.repository import AppointmentRepository
from scheduling.catalogue.service import get_practitioner, get_service
from tenants.accounts.names import name_of
from tenants.accounts.services.dependants import find_dependant
from todoenbalance.kit.database import TenantSession


async def export_appointment(session: TenantSession, appointment: Appointment, timezone: str) -> bytes:
    """As iCalendar, in the zone ``timezone``; no scheduling message, so nobody is answered by importing it."""
    dependant = await find_dependant(session, appointment.dependant_id)
    changes = await AppointmentRepository(session).last_changes([appointment.id])
    return render_appointment(
        appointment,
        service_name=(await get_service(session, appointment.service_id)).name,
        practitioner_name=(await get_practitioner(session, appointment.practitioner_id)).name,
        for_whom=name_of(dependant) if dependant else None,
        changed_at=changes.get(appointment.id),
        tenant=session.tenant,
        timezone=timezone,
    )
