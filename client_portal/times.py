"""A week of free times as a page shows it: by day, in the reader's zone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_interval, format_skeleton, format_time, get_timezone_gmt

from scheduling.availability.rules import Rules
from scheduling.availability.service import LONGEST_LIST_DAYS, find_slots
from scheduling.fields import LAST_DAY, midnight
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Time:
    """One start: its instant, and what the wall clock shows then; ``seats_left`` of a group's session."""

    starts_at: datetime
    label: str
    seats_left: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """One local day, in words, and its starts."""

    date: date
    weekday: str
    label: str
    times: Sequence[Time]


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days. ``earlier`` and ``later`` are where the neighbouring weeks begin, None where there is none;
    ``next_free`` is the first day with a free time after an empty week."""

    days: Sequence[Day]
    label: str
    earlier: date | None
    later: date | None
    next_free: date | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is free."""
        return not any(day.times for day in self.days)


async def find_week(
    session: TenantSession,
    rules: Rules,
    zone: ZoneInfo,
    wished: date | None,
    practitioner_id: UUID | None,
    locale: str,
) -> Week:
    """The week from ``wished`` on, but none of the past and none beyond what may be booked."""
    today = clock.now().astimezone(zone).date()
    last = min(today + rules.horizon, LAST_DAY - WEEK)
    first = min(max(wished or today, today), last)
    starts = await _starts(session, rules, first, first + WEEK, zone, practitioner_id)
    days = [first + timedelta(days=number) for number in range(WEEK.days)]
    next_free = None
    if not starts and first + WEEK <= last:
        ahead = min(first + WEEK + timedelta(days=LONGEST_LIST_DAYS), last + timedelta(days=1))
        found = await _starts(session, rules, first + WEEK, ahead, zone, practitioner_id)
        next_free = min(found).astimezone(zone).date() if found else None
    return Week(
        days=[
            _day(day, {one: left for one, left in starts.items() if one.astimezone(zone).date() == day}, zone, locale)
            for day in days
        ],
        label=format_interval(days[0], days[-1], "yMMMMd", locale=locale),
        earlier=max(first - WEEK, today) if first > today else None,
        later=first + WEEK if first + WEEK <= last else None,
        next_free=next_free,
    )


async def _starts(
    session: TenantSession, rules: Rules, first: date, end: date, zone: ZoneInfo, practitioner_id: UUID | None
) -> dict[datetime, int | None]:
    """Each free start once, however many practitioners could take it, with the seats that are left in a group."""
    starts: dict[datetime, int | None] = {}
    for slot in await find_slots(session, rules, midnight(first, zone), midnight(end, zone), practitioner_id):
        start = datetime.fromtimestamp(slot.start, UTC)
        starts[start] = None if slot.seats_left is None else slot.seats_left + (starts.get(start) or 0)
    return dict(sorted(starts.items()))


def _day(day: date, starts: Mapping[datetime, int | None], zone: ZoneInfo, locale: str) -> Day:
    labels = {start: format_time(start.astimezone(zone), "short", locale=locale) for start in starts}
    # When the clocks go back an hour comes twice; the offset tells its two times apart.
    often = Counter(labels.values())
    times = [
        Time(
            start,
            label if often[label] == 1 else f"{label} ({get_timezone_gmt(start.astimezone(zone), 'short', locale)})",
            starts[start],
        )
        for start, label in labels.items()
    ]
    return Day(day, format_date(day, "EEEE", locale).capitalize(), format_skeleton("MMMMd", day, locale=locale), times)
