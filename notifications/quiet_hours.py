"""When people are left alone: from a time of the evening to one of the morning, on their own wall clock."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from tenants.settings.models import PracticeSettings


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``begins`` (included) to ``ends`` (excluded), on a wall clock; they may go past midnight."""

    begins: time
    ends: time

    def end_of(self, instant: datetime, timezone: str) -> datetime | None:
        """When the quiet hours that ``instant`` is in end, or None if it is in none.

        Where the clocks are changed in that night the end is still what the wall clock says: the night is an hour
        shorter or longer. An end that the clocks skip is the instant at which they do; of one that comes twice it is
        the next to come.
        """
        zone = ZoneInfo(timezone)
        local = instant.astimezone(zone)
        now = local.time()
        has_begun, has_ended = now >= self.begins, now >= self.ends
        past_midnight = self.begins > self.ends
        if not (has_begun or not has_ended if past_midnight else has_begun and not has_ended):
            return None
        day = local.date() if now < self.ends else local.date() + timedelta(days=1)
        return next_instant(datetime.combine(day, self.ends), zone, after=instant)


def quiet_until(practice: PracticeSettings, instant: datetime, timezone: str) -> datetime | None:
    """When the practice's quiet hours that it is ``instant`` in, by somebody's own clock, end; None: it is in none."""
    if practice.quiet_from is None or practice.quiet_until is None:
        return None
    return QuietHours(practice.quiet_from, practice.quiet_until).end_of(instant, timezone)


def next_instant(naive: datetime, zone: ZoneInfo, *, after: datetime) -> datetime:
    """The instant of ``naive`` on the wall clock of ``zone``; of the two of an hour that comes twice the first that is
    later than ``after``, if there is one."""
    first, second = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    chosen = first if first.timestamp() > after.timestamp() else second
    if _exists(naive, zone):
        return datetime.fromtimestamp(chosen.timestamp(), after.tzinfo)
    # Both folds of a time that the clocks skip are an hour apart, around the change; the change is what the wall
    # clock goes over it at.
    low, high = sorted((first.timestamp(), second.timestamp()))
    return datetime.fromtimestamp(_change_between(low, high, zone), after.tzinfo)


def _exists(naive: datetime, zone: ZoneInfo) -> bool:
    there = datetime.fromtimestamp(naive.replace(tzinfo=zone).timestamp(), zone)
    return there.replace(tzinfo=None) == naive


def _change_between(low: float, high: float, zone: ZoneInfo) -> float:
    """The first whole minute in (low, high] that has another offset than ``low``."""
    before = datetime.fromtimestamp(low, zone).utcoffset()
    minutes = int((high - low) // 60)
    for minute in range(1, minutes + 1):
        if datetime.fromtimestamp(low + minute * 60, zone).utcoffset() != before:
            return low + minute * 60
    return high


def next_time_of_day(at: time, timezone: str, *, after: datetime) -> datetime:
    """The first instant later than ``after`` at which the wall clock of ``timezone`` says ``at``."""
    zone = ZoneInfo(timezone)
    today = after.astimezone(zone).date()
    for days in range(3):
        found = next_instant(datetime.combine(today + timedelta(days=days), at), zone, after=after)
        if found > after:
            return found
    raise AssertionError("some day has that time")
