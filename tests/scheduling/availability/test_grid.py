"""Cutting free time to the grid, against a walk through every minute of the wall clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.availability.grid import Cut, cut, is_on_grid, segments

ZONES = [
    "Europe/Madrid",
    "Atlantic/Canary",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Havana",
    "Pacific/Chatham",
    "UTC",
]
_ALWAYS = 10**11


def walk(begin: int, end: int, zone: ZoneInfo, rule: Cut) -> list[int]:
    """The same by trying every minute."""
    found = []
    for start in range(begin - begin % 60, end, 60):
        local = datetime.fromtimestamp(start, zone)
        fits = begin <= start and start + rule.duration <= end and rule.first <= start <= rule.last
        if fits and (local.hour * 60 + local.minute) % (rule.grid // 60) == 0:
            found.append(start)
    return found


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    begin=st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    minutes=st.integers(1, 4 * 1440),
    duration=st.integers(5, 600),
    grid=st.integers(5, 1440),
    notice=st.integers(0, 600),
)
def test_starts_are_those_that_the_wall_clock_shows(
    zone: str, begin: datetime, minutes: int, duration: int, grid: int, notice: int
) -> None:
    first = int(begin.replace(microsecond=0, tzinfo=UTC).timestamp())
    rule = Cut(duration * 60, grid * 60, first + notice * 60, _ALWAYS)
    last = first + minutes * 60
    assert list(cut([(first, last)], ZoneInfo(zone), rule)) == walk(first, last, ZoneInfo(zone), rule)


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Europe/Madrid", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("Europe/Madrid", datetime(2026, 10, 25, 1, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
        ("America/Havana", datetime(2026, 3, 8, 5, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("grid", [10, 35, 45, 60, 97])
def test_starts_around_a_change_of_the_clocks(zone: str, change: datetime, grid: int) -> None:
    here = ZoneInfo(zone)
    rule = Cut(1800, grid * 60, 0, _ALWAYS)
    middle = int(change.timestamp())
    span = middle - 86_400 - 420, middle + 86_400
    starts = list(cut([span], here, rule))
    assert starts == walk(*span, here, rule)
    assert all(is_on_grid(datetime.fromtimestamp(start, UTC), here, grid) for start in starts)
    assert not any(
        is_on_grid(datetime.fromtimestamp(start, UTC) + timedelta(minutes=1), here, grid) for start in starts
    )


def test_seconds_are_never_on_the_grid() -> None:
    moment = datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC)
    assert not is_on_grid(moment, ZoneInfo("UTC"), 5)
    assert not is_on_grid(moment.replace(second=0, microsecond=1), ZoneInfo("UTC"), 5)
    assert is_on_grid(moment.replace(second=0), ZoneInfo("UTC"), 5)


def test_the_latest_start_is_allowed_and_the_next_is_not() -> None:
    nine = int(datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp())
    rule = Cut(900, 900, nine, nine + 900)
    assert list(cut([(nine - 3600, nine + 7200)], ZoneInfo("UTC"), rule)) == [nine, nine + 900]


def test_free_time_shorter_than_the_service_has_no_start() -> None:
    nine = int(datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp())
    assert list(cut([(nine, nine + 3599)], ZoneInfo("UTC"), Cut(3600, 900, 0, _ALWAYS))) == []
    assert list(cut([(nine, nine + 3600)], ZoneInfo("UTC"), Cut(3600, 900, 0, _ALWAYS))) == [nine]


def test_segments_end_with_the_day_and_with_the_offset() -> None:
    begin = int(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp())  # midnight in Madrid, in summer time
    parts = list(segments(begin, begin + 25 * 3600, ZoneInfo("Europe/Madrid")))
    assert parts == [(begin, begin + 3 * 3600, 7200), (begin + 3 * 3600, begin + 25 * 3600, 3600)]
