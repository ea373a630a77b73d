"""Taking a practitioner's time: one way for booking, moving and late confirmation.

Order of locks everywhere: payments, then the practitioner, then group sessions, then appointments. The
practitioner's lock makes takers of one person's time wait in line; the exclusion constraint has the last word.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError

from billing.payments.service import request_abandon
from scheduling.appointments.errors import SlotNotOfferedError, SlotTakenError
from scheduling.appointments.events import APPOINTMENT_LAPSED, PAYABLE_KIND
from scheduling.appointments.history import ChangeKind, record_change
from scheduling.appointments.models import Appointment, HoldKind
from scheduling.appointments.repository import AppointmentRepository, ExpiredHold, is_overlap
from scheduling.appointments.services.announcing import announce_freed, announce_unanswered
from scheduling.availability.rules import Person, Rule, Rules
from scheduling.availability.service import Judgement, Turns, Verdict, judge_start
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.publish import publish

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Liberties:
    """What staff may do on purpose: book ``outside_hours`` (and notice, horizon, grid, blocks, caps), or
    ``overlapping``, on top of what is there."""

    outside_hours: bool = False
    overlapping: bool = False

    @property
    def ignored(self) -> frozenset[Rule]:
        """The rules that don't count then."""
        ignored = frozenset({Rule.TAKEN}) if self.overlapping else frozenset()
        return ignored | (frozenset(Rule) - {Rule.TAKEN, Rule.NOT_OFFERED} if self.outside_hours else frozenset())


NO_LIBERTIES = Liberties()


@dataclass(frozen=True, slots=True)
class Place:
    """What was found: with whom, where, how long, for how much (minor units), and the time with its buffers.

    ``group_session_id``: it is a seat in that session, whose address on the web is ``meeting_url``.
    """

    practitioner_id: UUID
    location_kind: str
    starts_at: datetime
    ends_at: datetime
    occupied: Range[datetime]
    price_minor: int
    overlapping: bool
    group_session_id: UUID | None = None
    meeting_url: str | None = None


class _NotFreeAnyMoreError(Exception):
    """Under the lock the time turned out not to be free; rolls the savepoint back, which lets the lock go."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


async def take_time(
    session: TenantSession,
    rules: Rules,
    starts_at: datetime,
    write: Callable[[Place], Awaitable[T]],
    *,
    practitioner_id: UUID | None = None,
    preferred_id: UUID | None = None,
    except_id: UUID | None = None,
    liberties: Liberties = NO_LIBERTIES,
    assigned: bool = False,
) -> T:
    """Have ``write`` put a row at this time with the first practitioner who is free.

    Tried are the named one, or all who offer the service: ``preferred_id`` first, then by whose turn it is
    (:class:`~scheduling.availability.service.Turns`). Each try is a savepoint; losing it gives the practitioner's
    lock back, so that nobody waits for one person while holding another. ``assigned``: the named one was foreseen
    (:func:`foresee`), not chosen, so it counts as their turn. ``write`` must flush. Raises
    :class:`SlotTakenError`, :class:`SlotNotOfferedError`, and what ``write`` raises.
    """
    judged = await judge_start(
        session,
        rules,
        starts_at,
        practitioner_id=practitioner_id,
        except_id=except_id,
        ignoring=liberties.ignored,
    )
    free = [key for key, judgement in judged.items() if judgement.verdict is Verdict.FREE]
    seen = {judgement.verdict for judgement in judged.values()}
    for candidate in await _in_order(session, free, starts_at, preferred_id):
        try:
            async with session.begin_nested():
                taken = await _take(session, rules, starts_at, candidate, write, except_id, liberties)
                if assigned or (practitioner_id is None and candidate != preferred_id):
                    await AppointmentRepository(session).note_assigned(candidate)
                return taken
        except _NotFreeAnyMoreError as lost:
            seen.add(lost.verdict)
        except IntegrityError as error:
            if not is_overlap(error):
                raise
            seen.add(Verdict.TAKEN)
    if Verdict.TAKEN in seen:
        raise SlotTakenError
    raise SlotNotOfferedError


@dataclass(frozen=True, slots=True)
class Prospect:
    """Who would be given a booking now, where it could take place, and how long and dear it is with them."""

    person: Person
    location_kinds: tuple[str, ...]


async def foresee(
    session: TenantSession, rules: Rules, starts_at: datetime, practitioner_id: UUID | None = None
) -> Prospect | None:
    """Who it will be if this start is booked with anyone (or with the one named); None if nobody is free then."""
    judged = await judge_start(session, rules, starts_at, practitioner_id=practitioner_id)
    free = [key for key, judgement in judged.items() if judgement.verdict is Verdict.FREE]
    for key in await _in_order(session, free, starts_at, None):
        return Prospect(rules.people[key], judged[key].location_kinds)
    return None


async def _in_order(
    session: TenantSession, free: list[UUID], starts_at: datetime, preferred_id: UUID | None
) -> list[UUID]:
    if len(free) < 2:
        return free
    day = starts_at.astimezone(ZoneInfo(session.tenant.timezone)).date()
    ranked = (await Turns.load(session, free, day, day)).order(free, day)
    return sorted(ranked, key=lambda one: one != preferred_id)


async def _take(
    session: TenantSession,
    rules: Rules,
    starts_at: datetime,
    practitioner_id: UUID,
    write: Callable[[Place], Awaitable[T]],
    except_id: UUID | None,
    liberties: Liberties,
) -> T:
    await AppointmentRepository(session).lock_practitioner(practitioner_id)
    judged = await judge_start(session, rules, starts_at, practitioner_id=practitioner_id, except_id=except_id)
    judgement = judged[practitioner_id]
    left = tuple(rule for rule in judgement.broken if rule not in liberties.ignored)
    if left:
        raise _NotFreeAnyMoreError(Judgement(left).verdict)
    place = _place(rules, starts_at, practitioner_id, judgement, overlapping=Rule.TAKEN in judgement.broken)
    await retire_expired_holds(session, practitioner_id, place.occupied, except_id)
    return await write(place)


def _place(
    rules: Rules, starts_at: datetime, practitioner_id: UUID, judgement: Judgement, *, overlapping: bool
) -> Place:
    person = rules.people[practitioner_id]
    return Place(
        practitioner_id=practitioner_id,
        location_kind=(judgement.location_kinds or rules.location_kinds)[0],
        starts_at=starts_at,
        ends_at=starts_at + person.duration,
        occupied=occupied_range(starts_at, person.duration, rules.buffer_before, rules.buffer_after),
        price_minor=person.price_minor,
        overlapping=overlapping,
    )


async def retire_expired_holds(
    session: TenantSession, practitioner_id: UUID, occupied: Range[datetime], except_id: UUID | None
) -> None:
    """Make holds in the way that have run out ``expired``; their open orders become unpayable after commit."""
    repository = AppointmentRepository(session)
    for retired in await repository.retire_expired_holds(practitioner_id, occupied, except_id):
        await tell_of_expiry(session, retired)
        await request_abandon(session, PAYABLE_KIND, retired.id)


async def tell_of_expiry(session: TenantSession, expired: ExpiredHold | Appointment) -> None:
    """History and events of a hold that has just become ``expired``."""
    record_change(session, expired.id, ChangeKind.EXPIRED)
    await announce_freed(session, expired.practitioner_id, expired.occupied)
    if expired.has_means:
        # Not here: others' packages would be locked while this one's time is being taken.
        await publish(session, APPOINTMENT_LAPSED, {"appointment_id": str(expired.id)})
    if expired.hold_kind == HoldKind.APPROVAL:
        await announce_unanswered(session, expired.id, expired.version)


def occupied_range(starts_at: datetime, duration: timedelta, before: timedelta, after: timedelta) -> Range[datetime]:
    """The time that an appointment takes, its buffers included."""
    return Range(starts_at - before, starts_at + duration + after, bounds="[)")
