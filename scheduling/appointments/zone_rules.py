"""A time zone as calendars can read it: one yearly rule for each change of the clocks (RFC 5545, 3.6.5).

Exchange and Outlook read one STANDARD and one DAYLIGHT rule of a VTIMEZONE and no lists of dates (MS-OXCICAL,
2.1.3.1.1.19.2 and 2.1.3.1.1.19.2.2). So a zone is described by rules that hold in all the years that a calendar
speaks of, or not at all, and its times are then written in UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard
from icalendar.prop import vRecur

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_MOST_YEARS = 12
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_LAST = -1


@dataclass(frozen=True, slots=True)
class Onset:
    """A change of the clocks: when, on the clock that ends then; the offsets from UTC before and after."""

    at: datetime
    before: timedelta
    after: timedelta
    name: str

    @property
    def kind(self) -> tuple[object, ...]:
        """What is the same every year if one rule describes it."""
        return (self.at.month, self.at.weekday(), self.at.time(), self.before, self.after, self.name)

    @property
    def weeks(self) -> set[int]:
        """Which of its weekdays in the month it is: from the first on, and the last as such."""
        is_last = (self.at + 7 * _DAY).month != self.at.month
        return {(self.at.day - 1) // 7 + 1} | ({_LAST} if is_last else set())


def is_ambiguous(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether the clocks of ``zone`` show this instant's time twice.

    The standard takes the first of the two (RFC 5545, 3.3.5), Windows the second: such a time must be in UTC.
    """
    local = moment.astimezone(zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def describe_zone(name: str, first: datetime, last: datetime) -> Timezone | None:
    """``name`` as a VTIMEZONE that is right for everything between the two instants.

    None if yearly rules don't say it: a zone that changed its mind meanwhile, or that follows the moon.
    """
    zone = ZoneInfo(name)
    years = range(first.astimezone(zone).year - 1, last.astimezone(zone).year + 2)
    if len(years) > _MOST_YEARS:
        return None
    each = [_onsets_of(name, year) for year in years]
    rules = [_common_rule([found[at] for found in each]) for at in range(len(each[0]))] if _alike(each) else [None]
    if None in rules:
        return None
    timezone = Timezone()
    timezone.add("tzid", name)
    for onset, rule in zip(each[0], rules, strict=True):
        timezone.add_component(_observance(onset, rule))
    if not rules:
        timezone.add_component(_observance(_unchanging(zone, years[0]), None))
    return timezone


def _alike(each: Sequence[Sequence[Onset]]) -> bool:
    """Whether the clocks change twice in each of the years, or in none of them."""
    return len(each[0]) in (0, 2) and len({len(found) for found in each}) == 1


def _common_rule(onsets: Sequence[Onset]) -> dict[str, Any] | None:
    """The rule that all of these obey, or None."""
    weeks = set.intersection(*(onset.weeks for onset in onsets))
    if len({onset.kind for onset in onsets}) > 1 or not weeks:
        return None
    week = _LAST if _LAST in weeks else min(weeks)
    at = onsets[0].at
    return {"FREQ": "YEARLY", "BYMONTH": at.month, "BYDAY": f"{week}{_WEEKDAYS[at.weekday()]}"}


def _observance(onset: Onset, rule: dict[str, Any] | None) -> TimezoneStandard | TimezoneDaylight:
    """The later clock is the daylight one, also where the law calls it standard time (Ireland)."""
    made = TimezoneDaylight() if onset.after > onset.before else TimezoneStandard()
    made.add("dtstart", onset.at)
    made.add("tzoffsetfrom", onset.before)
    made.add("tzoffsetto", onset.after)
    made.add("tzname", onset.name)
    if rule is not None:
        made.add("rrule", vRecur(rule))
    return made


def _unchanging(zone: ZoneInfo, year: int) -> Onset:
    start = datetime(year, 1, 1, tzinfo=zone)
    offset = start.utcoffset() or timedelta()
    return Onset(start.replace(tzinfo=None), offset, offset, start.tzname() or "")


@lru_cache(maxsize=1024)
def _onsets_of(name: str, year: int) -> tuple[Onset, ...]:
    """The changes of a zone's offset in one year (of UTC), in order."""
    zone, found = ZoneInfo(name), []
    day, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while day < end:
        if _offset(day, zone) != _offset(day + _DAY, zone):
            found.append(_onset_within(day, zone))
        day += _DAY
    return tuple(found)


def _onset_within(day: datetime, zone: ZoneInfo) -> Onset:
    """The change between this instant and a day later, found by halving."""
    low, high, before = day, day + _DAY, _offset(day, zone)
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    changed = high.astimezone(zone)
    return Onset((high + before).replace(tzinfo=None), before, _offset(high, zone), changed.tzname() or "")


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
