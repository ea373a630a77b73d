"""Finding appointments, and what their state is."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select

from scheduling.appointments.models import Appointment, AppointmentChange, AppointmentStatus, HoldKind
from scheduling.appointments.repository import AppointmentFilter, AppointmentRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError

MOVABLE = (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED)
KEPT = (AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW)


def has_lapsed(appointment: Appointment) -> bool:
    """Whether it is held by a hold that has run out, noticed by a job or not."""
    expires_at = appointment.hold_expires_at
    return expires_at is not None and expires_at <= clock.now()


def effective_status(appointment: Appointment) -> AppointmentStatus:
    """The status as everybody sees it: a hold that has run out is expired at once."""
    return AppointmentStatus.EXPIRED if has_lapsed(appointment) else AppointmentStatus(appointment.status)


def awaits_approval(appointment: Appointment) -> bool:
    """Whether it is a request that the practice may still answer."""
    is_held = effective_status(appointment) is AppointmentStatus.HELD
    return is_held and appointment.hold_kind == HoldKind.APPROVAL


async def get_appointment(
    session: TenantSession, appointment_id: UUID, *, client_id: UUID | None = None
) -> Appointment:
    """An appointment by id, of one client if ``client_id`` is given. Raises :class:`NotFoundError`."""
    return check_owner(await AppointmentRepository(session).find(appointment_id), client_id)


async def list_appointments(
    session: TenantSession, wanted: AppointmentFilter, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[Appointment], str | None]:
    """A page of appointments in order of time."""
    return await AppointmentRepository(session).page(wanted, limit=limit, cursor=cursor)


async def list_changes(session: TenantSession, appointment_id: UUID) -> Sequence[AppointmentChange]:
    """The history of an appointment, oldest first."""
    return await AppointmentRepository(session).changes(appointment_id)


async def next_appointments(session: TenantSession, client_ids: Collection[UUID]) -> dict[UUID, Appointment]:
    """The next appointment of each of these clients, by the client; who has none to come is not in it."""
    if not client_ids:
        return {}
    found = await AppointmentRepository(session).next_of(client_ids, clock.now())
    return {row.client_id: row for row in found}


def clients_of_practitioner(practitioner_id: UUID) -> Select[tuple[UUID]]:
    """For other queries: the ids of the clients who have, or had, an appointment with a practitioner."""
    return AppointmentRepository.clients_of(practitioner_id)


def check_owner(appointment: Appointment | None, client_id: UUID | None) -> Appointment:
    """The appointment. Raises :class:`NotFoundError` if there is none, or it is not this client's (None: anyone's)."""
    if appointment is None or (client_id is not None and appointment.client_id != client_id):
        raise NotFoundError
    return appointment
