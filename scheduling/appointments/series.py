"""The dates of a series: the same wall time every week or every other one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

LEAST_DATES, MOST_DATES = 2, 26


class Frequency(StrEnum):
    """How far apart the dates are."""

    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"


_STEPS = {Frequency.WEEKLY: timedelta(weeks=1), Frequency.FORTNIGHTLY: timedelta(weeks=2)}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One date. ``exists`` is False where the clocks skip the wall time: the instant is then another time of day."""

    starts_at: datetime
    exists: bool = True


@dataclass(frozen=True, slots=True)
class Pattern:
    """So many dates, without those that are left out (``skip``: their instants)."""

    frequency: Frequency
    count: int
    skip: frozenset[datetime] = frozenset()

    def dates(self, first: datetime, zone: ZoneInfo) -> tuple[Occurrence, ...]:
        """The dates from ``first`` on, on the wall clock of ``zone``: 10:00 stays 10:00 when the clocks change."""
        local = first.astimezone(zone).replace(tzinfo=None, fold=0)
        walls = [local + _STEPS[self.frequency] * number for number in range(1, self.count)]
        found = [Occurrence(first.astimezone(UTC)), *(_at(wall, zone) for wall in walls)]
        return tuple(one for one in found if one.starts_at not in self.skip)


def _at(wall: datetime, zone: ZoneInfo) -> Occurrence:
    """The first of two where the wall time comes twice."""
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return Occurrence(instant, instant.astimezone(zone).replace(tzinfo=None, fold=0) == wall)
