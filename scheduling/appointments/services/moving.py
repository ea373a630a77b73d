"""Moving appointments."""

from datetime import datetime
from uuid import UUID

from scheduling.appointments.errors import AppointmentStateError
from scheduling.appointments.events import APPOINTMENT_MOVED
from scheduling.appointments.history import Actor, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.placement import NO_LIBERTIES, Liberties, Place, take_time
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.announcing import announce_appointment
from scheduling.appointments.services.reading import MOVABLE, check_owner, effective_status, get_appointment
from scheduling.appointments.terms import WHOLE, percent_back
from scheduling.availability.rules import load_rules
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


async def reschedule_appointment(
    session: TenantSession,
    appointment_id: UUID,
    starts_at: datetime,
    *,
    practitioner_id: UUID | None = None,
    client_id: UUID | None = None,
    actor: Actor | None = None,
    liberties: Liberties = NO_LIBERTIES,
) -> Appointment:
    """Move a held or confirmed appointment by its service's present rules; a failure leaves it where it is.

    Without ``practitioner_id`` the present one is tried first, then anyone who is free. Price, hold and
    terms stay as booked. ``client_id``: only if it is this client's, and only before it began. Raises
    :class:`NotFoundError`, :class:`AppointmentStateError`, :class:`SlotTakenError`,
    :class:`SlotNotOfferedError`; ``ValueError`` for a naive ``starts_at``.
    """
    if starts_at.tzinfo is None:
        raise ValueError("starts_at needs an offset")
    appointment = await get_appointment(session, appointment_id, client_id=client_id)
    _check_movable(appointment, by_client=client_id is not None)
    if appointment.starts_at == starts_at and practitioner_id in (None, appointment.practitioner_id):
        return appointment
    rules = (await load_rules(session, appointment.service_id, include_archived=True)).at_place(
        appointment.location_kind
    )
    before = {"from": appointment.starts_at.isoformat(), "from_practitioner_id": str(appointment.practitioner_id)}

    async def write(place: Place) -> Appointment:
        repository = AppointmentRepository(session)
        moved = check_owner(await repository.lock(appointment_id), client_id)
        _check_movable(moved, by_client=client_id is not None)
        before.update({"from": moved.starts_at.isoformat(), "from_practitioner_id": str(moved.practitioner_id)})
        moved.refund_cap_percent = _cap_after_move(moved, by_client=client_id is not None)
        moved.refund_deadline = None
        moved.practitioner_id = place.practitioner_id
        moved.starts_at, moved.ends_at, moved.occupied = place.starts_at, place.ends_at, place.occupied
        moved.overlapping = place.overlapping
        moved.attendance_confirmed_at = None
        moved.version += 1
        await repository.flush()
        return moved

    moved = await take_time(
        session,
        rules,
        starts_at,
        write,
        practitioner_id=practitioner_id,
        preferred_id=appointment.practitioner_id,
        except_id=appointment_id,
        liberties=liberties,
    )
    by = actor or Actor.client(moved.client_id)
    after = {"to": starts_at.isoformat(), "to_practitioner_id": str(moved.practitioner_id)}
    record_change(session, moved.id, ChangeKind.MOVED, by, **before, **after)
    if moved.status == AppointmentStatus.CONFIRMED:
        await announce_appointment(session, moved, APPOINTMENT_MOVED)
    return moved


def _cap_after_move(appointment: Appointment, *, by_client: bool) -> int | None:
    """A client who moves keeps no more of the right to money back than they had, or moving would buy it back.

    What the practice moves is not the client's doing.
    """
    if not by_client:
        return None
    if appointment.status != AppointmentStatus.CONFIRMED:
        return appointment.refund_cap_percent
    percent = percent_back(appointment, clock.now())
    return percent if percent < WHOLE else appointment.refund_cap_percent


def _check_movable(appointment: Appointment, *, by_client: bool) -> None:
    if effective_status(appointment) not in MOVABLE or (by_client and appointment.starts_at <= clock.now()):
        raise AppointmentStateError
