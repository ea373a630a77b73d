"""When a service can be booked: the lists that clients see, and the check that a booking must pass.

All ask :func:`~scheduling.availability.repository.find_availability` and cut by the same rules, so what is offered
can be booked and nothing else can. :func:`judge_start` is the check; ``explain`` is its answer in full.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple, ParamSpec, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling.availability.grid import Cut, cut, is_on_grid
from scheduling.availability.repository import (
    Availability,
    Layer,
    Span,
    Window,
    find_availability,
    find_booked,
    find_last_assigned,
    find_loads,
)
from scheduling.availability.rules import BY_OTHER_BOOKINGS, Person, Rule, Rules
from scheduling.fields import midnight
from scheduling.group_sessions.availability import list_open_sessions
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError

P = ParamSpec("P")
T = TypeVar("T")
LONGEST_LIST_DAYS = 62
_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)
_FIRST_LOOK = timedelta(days=7)
"""How far the search for the next free times looks at first; then twice as far, and so on."""
Starts = dict[UUID, list[int]]
"""Per practitioner, free starts in order of time, in seconds since 1970."""


class Verdict(StrEnum):
    """What is to be said of a wished start: ``TAKEN`` if only other bookings stand in its way."""

    FREE = "free"
    TAKEN = "taken"
    NOT_OFFERED = "not_offered"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What stands between a start and a booking, in the order of :class:`Rule`; where it could take place.

    ``location_kinds`` are the places (of those asked for) in which nothing does, but what may be ignored.
    """

    broken: tuple[Rule, ...]
    location_kinds: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule | None:
        """The first rule that takes the start away; None if it is free."""
        return self.broken[0] if self.broken else None

    @property
    def verdict(self) -> Verdict:
        """The same in three words."""
        if not self.broken:
            return Verdict.FREE
        return Verdict.TAKEN if BY_OTHER_BOOKINGS.issuperset(self.broken) else Verdict.NOT_OFFERED


# ---- lists


async def list_slots(
    session: TenantSession,
    rules: Rules,
    first_day: date,
    end_day: date,
    zone: ZoneInfo,
    practitioner_id: UUID | None = None,
) -> Starts:
    """Every start that can be booked on the local days from ``first_day`` up to, not including, ``end_day``.

    Raises :class:`InvalidInputError` for days in the wrong order or more than 62 of them.
    """
    check_days(first_day, end_day)
    return await list_starts(session, rules, midnight(first_day, zone), midnight(end_day, zone), practitioner_id)


def check_days(first_day: date, end_day: date) -> None:
    """Raises :class:`InvalidInputError` for days in the wrong order or more than 62 of them."""
    days = (end_day - first_day).days
    if days <= 0:
        raise InvalidInputError(["query", "to"], "must be later than from", "date_order")
    if days > LONGEST_LIST_DAYS:
        raise InvalidInputError(["query", "to"], f"at most {LONGEST_LIST_DAYS} days after from", "too_many_days")


async def list_starts(
    session: TenantSession, rules: Rules, begins: datetime, ends: datetime, practitioner_id: UUID | None = None
) -> Starts:
    """Every start that can be booked from ``begins`` on and before ``ends``."""
    asked = rules if practitioner_id is None else rules.of_people([practitioner_id])
    now = clock.now()
    first = max(begins, now + rules.minimum_notice)
    last = min(ends - timedelta(microseconds=1), now + rules.horizon)
    if last < first or not asked.people:
        return {}
    window = asked.window(first, last + asked.longest, now)
    found = await find_availability(session, window, with_layers=False)
    work = int(len(found) * (last - first).total_seconds()) // (rules.grid_minutes * 60)
    starts = await off_the_loop(work, _cut_all, found, asked, first, last)
    if rules.has_caps:
        caps = await _Caps.load(session, asked, window)
        starts = {key: [one for one in many if caps.allow(key, one)] for key, many in starts.items()}
    return {key: many for key, many in starts.items() if many}


_MUCH_WORK = 10_000
"""So many starts, possible or rendered, take about the time of a turn of the event loop that others would notice."""


async def off_the_loop(work: int, do: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``do``, in a thread if it is much ``work`` (in starts): a large answer must not be a pause for all."""
    if work < _MUCH_WORK:
        return do(*args, **kwargs)
    return await asyncio.to_thread(do, *args, **kwargs)


def _cut_all(found: Mapping[UUID, Availability], rules: Rules, first: datetime, last: datetime) -> Starts:
    return {key: _cut(one, rules, rules.people[key], first, last) for key, one in found.items()}


def _cut(one: Availability, rules: Rules, person: Person, first: datetime, last: datetime) -> list[int]:
    rule = Cut(
        duration=int(person.duration.total_seconds()),
        grid=rules.grid_minutes * 60,
        first=-int(-first.timestamp() // 1),
        last=int(last.timestamp()),
    )
    zone = ZoneInfo(person.timezone)
    places = [list(cut(_seconds(spans), zone, rule)) for spans in one.free()]
    return places[0] if len(places) == 1 else sorted(set().union(*places))


def _seconds(spans: list[Span]) -> list[tuple[int, int]]:
    """Whole seconds inside the intervals: up at the beginning, down at the end."""
    return [(-int(-begin.timestamp() // 1), int(end.timestamp())) for begin, end in spans]


@dataclass(slots=True)
class _Caps:
    """How many of the service each practitioner gives already, by their own local day and ISO week."""

    rules: Rules
    days: Counter[tuple[UUID, date]]
    weeks: Counter[tuple[UUID, tuple[int, int]]]

    @classmethod
    async def load(cls, session: TenantSession, rules: Rules, window: Window) -> "_Caps":
        booked = await find_booked(
            session, rules.service_id, window, window.starts - _WEEK - _DAY, window.ends + _WEEK + _DAY
        )
        caps = cls(rules, Counter(), Counter())
        for key, starts_at in booked:
            day = starts_at.astimezone(ZoneInfo(rules.people[key].timezone)).date()
            caps.days[key, day] += 1
            caps.weeks[key, _week(day)] += 1
        return caps

    def allow(self, key: UUID, start: int) -> bool:
        return not self.broken(key, datetime.fromtimestamp(start, ZoneInfo(self.rules.people[key].timezone)).date())

    def broken(self, key: UUID, day: date) -> list[Rule]:
        per_day, per_week = self.rules.max_per_day, self.rules.max_per_week
        broken = []
        if per_day is not None and self.days[key, day] >= per_day:
            broken.append(Rule.DAY_CAP)
        if per_week is not None and self.weeks[key, _week(day)] >= per_week:
            broken.append(Rule.WEEK_CAP)
        return broken


def _week(day: date) -> tuple[int, int]:
    year, week, _ = day.isocalendar()
    return year, week


class Slot(NamedTuple):
    """A start that can be booked; seconds since 1970. ``seats_left``: of a group session.

    The practitioner's id is text, each made once: there may be thousands of slots in an answer.
    """

    start: int
    end: int
    practitioner_id: str
    seats_left: int | None = None


_BY_START = itemgetter(0)


async def find_slots(
    session: TenantSession,
    rules: Rules,
    begins: datetime,
    ends: datetime,
    practitioner_id: UUID | None = None,
    *,
    assign: bool = False,
) -> list[Slot]:
    """What can be booked from ``begins`` on and before ``ends``: free starts, or sessions with seats left.

    With ``assign`` each start once, with the practitioner who would be given it now.
    """
    if rules.capacity is not None:
        found = await list_open_sessions(session, rules, begins, ends, practitioner_id)
        return [
            Slot(int(one.starts_at.timestamp()), int(one.ends_at.timestamp()), str(one.practitioner_id), one.seats_left)
            for one in found
        ]
    starts = await list_starts(session, rules, begins, ends, practitioner_id)
    if assign:
        starts = await assign_starts(session, starts)
    return await off_the_loop(_count(starts), _to_slots, starts, rules)


def _to_slots(starts: Starts, rules: Rules) -> list[Slot]:
    slots: list[Slot] = []
    for key in sorted(starts):
        length, text = int(rules.people[key].duration.total_seconds()), str(key)
        slots += [Slot(start, start + length, text) for start in starts[key]]
    slots.sort(key=_BY_START)
    return slots


async def next_slots(
    session: TenantSession, rules: Rules, wanted: int, practitioner_id: UUID | None = None
) -> list[Slot]:
    """The first ``wanted`` over the whole horizon, each start once, with the one who would be given it."""
    begins = clock.now() + rules.minimum_notice
    end = clock.now() + rules.horizon
    step = _FIRST_LOOK
    found: list[Slot] = []
    while begins <= end and len(found) < wanted:
        found += await find_slots(session, rules, begins, begins + step, practitioner_id, assign=True)
        begins, step = begins + step, min(step * 2, timedelta(days=LONGEST_LIST_DAYS))
    return found[:wanted]


def count_by_day(slots: Sequence[Slot], zone: ZoneInfo) -> Counter[date]:
    """How many different starts each local day of ``zone`` has; days without any are not there."""
    return Counter(datetime.fromtimestamp(start, zone).date() for start in {slot.start for slot in slots})


# ---- who it will be


async def assign_starts(session: TenantSession, starts: Starts) -> Starts:
    """Each free start once: it is left to the practitioner who would be given it now.

    Fair: whoever has the least to do on that day of the practice's calendar, among equals who was given one the
    longest ago. :func:`~scheduling.appointments.placement.take_time` chooses by the same order.
    """
    if len(starts) < 2:
        return starts
    zone = ZoneInfo(session.tenant.timezone)
    first, last = min(many[0] for many in starts.values()), max(many[-1] for many in starts.values())
    days = [datetime.fromtimestamp(one, zone).date() for one in (first, last)]
    turns = await Turns.load(session, list(starts), *days)
    return await off_the_loop(_count(starts), _assign, starts, turns, zone)


def _count(starts: Starts) -> int:
    return sum(map(len, starts.values()))


def _assign(starts: Starts, turns: "Turns", zone: ZoneInfo) -> Starts:
    by_start: dict[int, list[UUID]] = {}
    for key, many in starts.items():
        for start in many:
            by_start.setdefault(start, []).append(key)
    assigned: Starts = {}
    for start in sorted(by_start):
        day = datetime.fromtimestamp(start, zone).date()
        assigned.setdefault(turns.order(by_start[start], day)[0], []).append(start)
    return assigned


@dataclass(slots=True)
class Turns:
    """Whose turn it is: what everyone has to do on each day, and when something last fell to them."""

    loads: Counter[tuple[UUID, date]]
    assigned: Mapping[UUID, datetime | None]

    @classmethod
    async def load(cls, session: TenantSession, ids: Sequence[UUID], first: date, last: date) -> "Turns":
        """Of these practitioners, on these days (inclusive) of the practice's calendar."""
        zone = ZoneInfo(session.tenant.timezone)
        begins, ends = midnight(first, zone), midnight(last + _DAY, zone)
        loads: Counter[tuple[UUID, date]] = Counter()
        for key, starts_at in await find_loads(session, ids, begins, ends, clock.now()):
            loads[key, starts_at.astimezone(zone).date()] += 1
        return cls(loads, await find_last_assigned(session, ids))

    def order(self, ids: Collection[UUID], day: date) -> list[UUID]:
        """Who comes first on that day."""
        never = datetime.min.replace(tzinfo=UTC)
        return sorted(ids, key=lambda one: (self.loads[one, day], self.assigned.get(one) or never, one))


# ---- one start


async def judge_start(
    session: TenantSession,
    rules: Rules,
    starts_at: datetime,
    *,
    practitioner_id: UUID | None = None,
    except_id: UUID | None = None,
    ignoring: Collection[Rule] = (),
) -> Mapping[UUID, Judgement]:
    """What each practitioner who offers the service could say to this start.

    ``except_id`` names the appointment that would move there. ``ignoring``: rules that staff set aside.
    """
    asked = rules if practitioner_id is None else rules.of_people([practitioner_id])
    if not asked.people:
        return {}
    now = clock.now()
    early = judge_time(rules, starts_at)
    window = asked.window(starts_at, starts_at + asked.longest, now, except_id)
    found = await find_availability(session, window, with_layers=True)
    caps = await _Caps.load(session, asked, window) if rules.has_caps else None
    return {
        key: _judge(asked, person, found[key], caps, starts_at, early, ignoring) for key, person in asked.people.items()
    }


def judge_time(rules: Rules, starts_at: datetime) -> list[Rule]:
    """Whether a start is too near or too far away to be booked now."""
    now = clock.now()
    broken = []
    if starts_at < now + rules.minimum_notice:
        broken.append(Rule.MINIMUM_NOTICE)
    if starts_at > now + rules.horizon:
        broken.append(Rule.HORIZON)
    return broken


def _judge(
    rules: Rules,
    person: Person,
    one: Availability,
    caps: _Caps | None,
    starts_at: datetime,
    early: Sequence[Rule],
    ignoring: Collection[Rule],
) -> Judgement:
    zone = ZoneInfo(person.timezone)
    everywhere = list(early)
    if not is_on_grid(starts_at, zone, rules.grid_minutes):
        everywhere.append(Rule.GRID)
    if caps is not None:
        everywhere += caps.broken(person.id, starts_at.astimezone(zone).date())
    by_place = {
        kind: _in_order([*everywhere, *_broken_at(rules, kind, one, person, starts_at)], ignoring)
        for kind in rules.location_kinds
    }
    best = min(by_place.values(), key=_badness)
    return Judgement(best, tuple(kind for kind, broken in by_place.items() if not broken))


def _broken_at(rules: Rules, kind: str, one: Availability, person: Person, starts_at: datetime) -> Sequence[Rule]:
    """The rules of the calendar that a start breaks at a place."""
    span = starts_at, starts_at + person.duration
    place = kind if rules.by_location else ""
    broken = []
    if not one.covers(place, Layer.WORKING, span):
        is_holiday = one.covers(place, Layer.ALL_DAYS, span)
        broken.append(Rule.PUBLIC_HOLIDAY if is_holiday else Rule.OPENING_HOURS)
    stands = ((Layer.BLOCKED, Rule.BLOCKED), (Layer.EXTERNAL, Rule.EXTERNAL_CALENDAR), (Layer.BUSY, Rule.TAKEN))
    return broken + [rule for layer, rule in stands if one.touches(place, layer, span)]


_ORDER = {rule: position for position, rule in enumerate(Rule)}


def _in_order(broken: Collection[Rule], ignoring: Collection[Rule]) -> tuple[Rule, ...]:
    return tuple(sorted((rule for rule in broken if rule not in ignoring), key=_ORDER.__getitem__))


def _badness(broken: Sequence[Rule]) -> tuple[bool, int]:
    """The place that comes nearest to a booking speaks for all: free, then taken, then the farthest rule."""
    return bool(broken), -_ORDER[broken[0]] if broken else 0


async def is_still_free(
    session: TenantSession, rules: Rules, practitioner_id: UUID, starts_at: datetime, except_id: UUID
) -> bool:
    """Whether a time that was offered once (``rules`` as booked) could be had again now."""
    found = await judge_start(session, rules, starts_at, practitioner_id=practitioner_id, except_id=except_id)
    return practitioner_id in found and not found[practitioner_id].broken
