"""Taking a practitioner's time: one way for booking, moving and late confirmation.

Order of locks everywhere: payments, then the practitioner, then appointments. The practitioner's lock makes
takers of one person's time wait in line; the exclusion constraint has the last word.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError

from billing.payments.service import request_abandon
from scheduling.appointments.errors import SlotNotOfferedError, SlotTakenError
from scheduling.appointments.events import PAYABLE_KIND
from scheduling.appointments.history import ChangeKind, record_change
from scheduling.appointments.repository import AppointmentRepository, is_overlap
from scheduling.availability.service import Rules, Verdict, judge_start
from scheduling.fields import midnight
from todoenbalance.kit.database import TenantSession

T = TypeVar("T")


class _NotFreeAnyMoreError(Exception):
    """Under the lock the time turned out not to be free; rolls the savepoint back, which lets the lock go."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


async def take_time(
    session: TenantSession,
    rules: Rules,
    starts_at: datetime,
    write: Callable[[UUID], Awaitable[T]],
    *,
    practitioner_id: UUID | None = None,
    preferred_id: UUID | None = None,
    except_id: UUID | None = None,
) -> T:
    """Have ``write`` put a row at this time with the first practitioner who is free, whose id it is given.

    Tried are the named one, or all who offer the service: ``preferred_id`` first, then who has the least to
    do that day. Each try is a savepoint; losing it gives the practitioner's lock back, so that nobody waits
    for one person while holding another. ``write`` must flush. Raises :class:`SlotTakenError`,
    :class:`SlotNotOfferedError`, and what ``write`` raises.
    """
    verdicts = await judge_start(session, rules, starts_at, practitioner_id=practitioner_id, except_id=except_id)
    free = [key for key, verdict in verdicts.items() if verdict is Verdict.FREE]
    seen = set(verdicts.values())
    for candidate in await _in_order(session, free, starts_at, preferred_id):
        try:
            async with session.begin_nested():
                return await _take(session, rules, starts_at, candidate, write, except_id)
        except _NotFreeAnyMoreError as lost:
            seen.add(lost.verdict)
        except IntegrityError as error:
            if not is_overlap(error):
                raise
            seen.add(Verdict.TAKEN)
    if Verdict.TAKEN in seen:
        raise SlotTakenError
    raise SlotNotOfferedError


async def _in_order(
    session: TenantSession, free: list[UUID], starts_at: datetime, preferred_id: UUID | None
) -> list[UUID]:
    if len(free) < 2:
        return free
    zone = ZoneInfo(session.tenant.timezone)
    day = starts_at.astimezone(zone).date()
    bounds = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    ranked = await AppointmentRepository(session).rank_by_load(free, *bounds)
    return sorted(ranked, key=lambda one: one != preferred_id)


async def _take(
    session: TenantSession,
    rules: Rules,
    starts_at: datetime,
    practitioner_id: UUID,
    write: Callable[[UUID], Awaitable[T]],
    except_id: UUID | None,
) -> T:
    await AppointmentRepository(session).lock_practitioner(practitioner_id)
    verdicts = await judge_start(session, rules, starts_at, practitioner_id=practitioner_id, except_id=except_id)
    verdict = verdicts.get(practitioner_id, Verdict.NOT_OFFERED)
    if verdict is not Verdict.FREE:
        raise _NotFreeAnyMoreError(verdict)
    await retire_expired_holds(session, practitioner_id, occupied_range(rules, starts_at), except_id)
    return await write(practitioner_id)


async def retire_expired_holds(
    session: TenantSession, practitioner_id: UUID, occupied: Range[datetime], except_id: UUID | None
) -> None:
    """Make holds in the way that have run out ``expired``; their open orders become unpayable after commit."""
    repository = AppointmentRepository(session)
    for retired_id in await repository.retire_expired_holds(practitioner_id, occupied, except_id):
        record_change(session, retired_id, ChangeKind.EXPIRED)
        await request_abandon(session, PAYABLE_KIND, retired_id)


def occupied_range(rules: Rules, starts_at: datetime) -> Range[datetime]:
    """The time that an appointment at ``starts_at`` takes, its buffers included."""
    return Range(starts_at - rules.buffer_before, starts_at + rules.duration + rules.buffer_after, bounds="[)")
