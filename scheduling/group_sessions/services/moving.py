"""Moving a group session with everyone in it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from scheduling.appointments.events import APPOINTMENT_MOVED
from scheduling.appointments.history import Actor, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.placement import NO_LIBERTIES, Liberties, Place, take_time
from scheduling.appointments.services.announcing import announce_appointment, announce_freed
from scheduling.appointments.services.reading import MOVABLE
from scheduling.availability.rules import load_rules
from scheduling.group_sessions.announcing import announce_session
from scheduling.group_sessions.errors import GroupSessionStateError
from scheduling.group_sessions.events import GROUP_SESSION_MOVED
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.repository import SCHEDULED, GroupSessionRepository
from scheduling.group_sessions.seats import retire_lapsed_seats
from scheduling.group_sessions.services.planning import check_minute, for_staff
from scheduling.group_sessions.services.reading import get_session
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError


async def move_session(
    session: TenantSession,
    group_id: UUID,
    starts_at: datetime,
    *,
    actor: Actor,
    practitioner_id: UUID | None = None,
    liberties: Liberties = NO_LIBERTIES,
) -> GroupSession:
    """Move a session and all its seats, by default with the same practitioner; a failure leaves it where it is.

    Seats keep their price, hold and terms. Raises :class:`NotFoundError`, :class:`GroupSessionStateError`,
    :class:`InvalidInputError`, :class:`SlotTakenError`,
    :class:`SlotNotOfferedError` (also for someone who does not offer the service).
    """
    check_minute(starts_at)
    seen = await get_session(session, group_id)
    to_id = practitioner_id or seen.practitioner_id
    if seen.status != SCHEDULED:
        raise GroupSessionStateError
    if (seen.starts_at, seen.practitioner_id) == (starts_at, to_id):
        return seen
    rules = for_staff(await load_rules(session, seen.service_id, include_archived=True)).at_place(seen.location_kind)

    async def write(place: Place) -> GroupSession:
        return await _move(session, group_id, place, actor)

    return await take_time(
        session, rules, starts_at, write, practitioner_id=to_id, except_id=group_id, liberties=liberties
    )


async def _move(session: TenantSession, group_id: UUID, place: Place, actor: Actor) -> GroupSession:
    """With the practitioner's lock held: the session's, then the seats'."""
    repository = GroupSessionRepository(session)
    group = await repository.lock(group_id)
    if group is None:
        raise NotFoundError
    if group.status != SCHEDULED:
        raise GroupSessionStateError
    await retire_lapsed_seats(session, group_id)
    seats = await repository.lock_live_seats(group_id)
    if any(seat.status not in MOVABLE for seat in seats):
        raise GroupSessionStateError
    before_id, before = group.practitioner_id, group.occupied
    group.moved_from, group.moved_from_practitioner_id = group.starts_at, before_id
    group.changed_at = clock.now()
    _place(group, place)
    await repository.flush()
    for seat in seats:
        await _move_seat(session, seat, place, actor)
    await announce_session(session, group, GROUP_SESSION_MOVED)
    await announce_freed(session, before_id, before)
    return group


def _place(row: GroupSession | Appointment, place: Place) -> None:
    row.practitioner_id = place.practitioner_id
    row.starts_at, row.ends_at, row.occupied = place.starts_at, place.ends_at, place.occupied
    row.version += 1


async def _move_seat(session: TenantSession, seat: Appointment, place: Place, actor: Actor) -> None:
    detail: dict[str, Any] = {"from": seat.starts_at.isoformat(), "from_practitioner_id": str(seat.practitioner_id)}
    detail |= {"to": place.starts_at.isoformat(), "to_practitioner_id": str(place.practitioner_id)}
    _place(seat, place)
    # What the practice moves takes no right away from the client, and gives back what their own moves had cost.
    seat.refund_cap_percent = seat.refund_deadline = None
    seat.attendance_confirmed_at = None
    await GroupSessionRepository(session).flush()
    record_change(session, seat.id, ChangeKind.MOVED, actor, **detail)
    if seat.status == AppointmentStatus.CONFIRMED:
        await announce_appointment(session, seat, APPOINTMENT_MOVED, with_session=True)
