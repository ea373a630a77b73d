"""Taking a seat: one way for booking, moving and late confirmation, as ``take_time`` is for a practitioner's time.

Order of locks everywhere: payments, practitioner, group session, appointments. Whoever counts a session's seats
holds its row; whoever gives one up need not.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from billing.payments.service import request_abandon
from scheduling.appointments.errors import SlotNotOfferedError, SlotTakenError
from scheduling.appointments.events import PAYABLE_KIND
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.placement import NO_LIBERTIES, Liberties, Place, tell_of_expiry
from scheduling.appointments.repository import is_overlap
from scheduling.availability.rules import Rules
from scheduling.group_sessions.errors import AlreadyBookedError
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.repository import SCHEDULED, GroupSessionRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attendee:
    """Who will sit there: a client, or one of their dependants."""

    client_id: UUID
    dependant_id: UUID | None = None


class _FullError(Exception):
    """Under its lock the session had no seat left; rolls the savepoint back, which lets the lock go."""


async def take_seat(
    session: TenantSession,
    rules: Rules,
    starts_at: datetime,
    write: Callable[[Place], Awaitable[T]],
    *,
    attendee: Attendee,
    practitioner_id: UUID | None = None,
    preferred_id: UUID | None = None,
    except_id: UUID | None = None,
    liberties: Liberties = NO_LIBERTIES,
) -> T:
    """Have ``write`` put a row into the session of the service that begins then and has a seat left.

    Where several begin at once, that of ``preferred_id`` is tried first, then the emptiest. ``except_id`` names
    the appointment that would move there. ``write`` must flush. Raises :class:`SlotTakenError` where all are full,
    :class:`SlotNotOfferedError` where there is none or it is too early or late to book, :class:`AlreadyBookedError`,
    and what ``write`` raises.
    """
    asked = rules if practitioner_id is None else rules.of_people([practitioner_id])
    if not liberties.outside_hours and not _is_bookable_now(rules, starts_at):
        raise SlotNotOfferedError
    candidates = await _candidates(session, asked, starts_at, preferred_id)
    seen_full = False
    for candidate_id in candidates:
        try:
            async with session.begin_nested():
                place = await _claim(session, asked, candidate_id, starts_at, attendee, except_id)
                if place is not None:
                    return await write(place)
        except _FullError:
            seen_full = True
        except IntegrityError as error:
            if not is_overlap(error):
                raise
            seen_full = True
    if seen_full:
        raise SlotTakenError
    raise SlotNotOfferedError


def _is_bookable_now(rules: Rules, starts_at: datetime) -> bool:
    now = clock.now()
    return now + rules.minimum_notice <= starts_at <= now + rules.horizon


async def _candidates(
    session: TenantSession, rules: Rules, starts_at: datetime, preferred_id: UUID | None
) -> list[UUID]:
    repository = GroupSessionRepository(session)
    found = await repository.list_with_seats(
        rules.service_id, starts_at, starts_at, practitioners=rules.people, location_kinds=rules.location_kinds
    )
    found.sort(key=lambda one: (one[0].practitioner_id != preferred_id, one[1] - one[0].capacity, one[0].id))
    return [group.id for group, _ in found]


async def _claim(
    session: TenantSession,
    rules: Rules,
    group_id: UUID,
    starts_at: datetime,
    attendee: Attendee,
    except_id: UUID | None,
) -> Place | None:
    """The seat's place, under the session's lock; None if it is not what it was before the lock was had."""
    repository = GroupSessionRepository(session)
    group = await repository.lock(group_id)
    if group is None or group.status != SCHEDULED or group.starts_at != starts_at:
        return None
    if group.practitioner_id not in rules.people or group.location_kind not in rules.location_kinds:
        return None
    await retire_lapsed_seats(session, group_id, except_id=except_id)
    if await repository.has_seat(group_id, attendee.client_id, attendee.dependant_id, except_id=except_id):
        raise AlreadyBookedError
    if (await repository.count_seats([group_id])).get(group_id, 0) >= group.capacity:
        raise _FullError
    return _place(group, rules.people[group.practitioner_id].price_minor)


def _place(group: GroupSession, price_minor: int) -> Place:
    return Place(
        practitioner_id=group.practitioner_id,
        location_kind=group.location_kind,
        starts_at=group.starts_at,
        ends_at=group.ends_at,
        occupied=group.occupied,
        price_minor=price_minor,
        overlapping=False,
        group_session_id=group.id,
        meeting_url=group.meeting_url,
    )


async def retire_lapsed_seats(session: TenantSession, group_id: UUID, *, except_id: UUID | None = None) -> None:
    """Make seats whose hold has run out ``expired``; their open orders become unpayable after commit.

    Under the session's lock, before seats are counted: a seat that somebody is prolonging in this moment is waited
    for, so that it is either counted or gone.
    """
    repository = GroupSessionRepository(session)
    lapsed = await repository.lock_lapsed_seats(group_id, except_id=except_id)
    for seat in lapsed:
        seat.status = AppointmentStatus.EXPIRED
        seat.hold_expires_at = None
    await repository.flush()
    for seat in lapsed:
        await tell_of_expiry(session, seat)
        await request_abandon(session, PAYABLE_KIND, seat.id)


async def lock_session(session: TenantSession, group_id: UUID | None) -> None:
    """Lock the session that a seat is in, before the seat; None is no seat."""
    if group_id is not None:
        await GroupSessionRepository(session).lock(group_id)


async def has_room_for(session: TenantSession, seat: Appointment) -> bool:
    """Whether a seat that was lost could be had again; to be asked with the session's lock held.

    Not if the session was cancelled or has moved meanwhile: the client paid for that time.
    """
    repository = GroupSessionRepository(session)
    group = None if seat.group_session_id is None else await repository.find(seat.group_session_id)
    if group is None or group.status != SCHEDULED:
        return False
    if (group.practitioner_id, group.starts_at) != (seat.practitioner_id, seat.starts_at):
        return False
    await retire_lapsed_seats(session, group.id, except_id=seat.id)
    if await repository.has_seat(group.id, seat.client_id, seat.dependant_id, except_id=seat.id):
        return False
    return (await repository.count_seats([group.id])).get(group.id, 0) < group.capacity
