"""Cutting free time into starts: plain arithmetic on seconds, one zone look-up a day instead of one a start.

A start lies on the grid where the local wall clock shows a multiple of ``grid_minutes`` past midnight. That
is right by construction on days of 23 and 25 hours and in zones whose offset is no whole hour: where the
offset changes within a day, cutting begins anew at the instant of the change.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Cut:
    """How free time is cut. Seconds; ``first`` and ``last`` (both allowed) are the bounds of a start, since 1970."""

    duration: int
    grid: int
    first: int
    last: int


def cut(free: Iterable[tuple[int, int]], zone: ZoneInfo, rule: Cut) -> Iterator[int]:
    """The starts, in seconds since 1970, within ``free`` intervals that don't overlap and are in order."""
    for begins, ends in free:
        begin = max(begins, rule.first)
        end = min(ends - rule.duration, rule.last) + 1
        while begin < end:
            offset, until = _segment(begin, zone)
            local = (begin + offset) % _DAY
            skip = -local % rule.grid
            yield from range(begin + skip, min(until, end), rule.grid)
            begin = until


def is_on_grid(instant: datetime, zone: ZoneInfo, grid_minutes: int) -> bool:
    """Whether a single start lies on the grid of ``zone``'s wall clock."""
    local = instant.astimezone(zone)
    return not (local.second or local.microsecond) and (local.hour * 60 + local.minute) % grid_minutes == 0


def offset_at(seconds: int, zone: ZoneInfo) -> int:
    """Seconds that local time is ahead of UTC."""
    delta = datetime.fromtimestamp(seconds, zone).utcoffset()
    assert delta is not None  # noqa: S101 - a ZoneInfo always knows
    return int(delta.total_seconds())


def segments(begin: int, end: int, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """[``begin``, ``end``) as (begin, end, offset) of parts that lie in one local day and under one offset."""
    while begin < end:
        offset, until = _segment(begin, zone)
        yield begin, min(until, end), offset
        begin = until


def _segment(seconds: int, zone: ZoneInfo) -> tuple[int, int]:
    """The offset at an instant, and where the local day or the offset ends, whichever is first."""
    offset = offset_at(seconds, zone)
    midnight = seconds + _DAY - (seconds + offset) % _DAY
    if offset_at(midnight, zone) == offset:
        return offset, midnight
    before, after = seconds, midnight
    while after - before > 1:
        middle = (before + after) // 2
        if offset_at(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return offset, after
