"""Quiet hours on wall clocks, also in the nights in which these are changed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.quiet_hours import QuietHours, next_time_of_day

MADRID = "Europe/Madrid"
NIGHT = QuietHours(time(21), time(8))


def at(text: str, zone: str = MADRID, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("hours", "moment", "end"),
    [
        (NIGHT, "2026-06-10 20:59:59", None),
        (NIGHT, "2026-06-10 21:00", "2026-06-11 08:00"),
        (NIGHT, "2026-06-11 00:00", "2026-06-11 08:00"),
        (NIGHT, "2026-06-11 07:59:59", "2026-06-11 08:00"),
        (NIGHT, "2026-06-11 08:00", None),
        (QuietHours(time(13), time(15)), "2026-06-11 14:00", "2026-06-11 15:00"),
        (QuietHours(time(13), time(15)), "2026-06-11 15:00", None),
        (QuietHours(time(13), time(15)), "2026-06-11 03:00", None),
        (QuietHours(time(21), time(0)), "2026-06-11 22:00", "2026-06-12 00:00"),
        (QuietHours(time(0), time(8)), "2026-06-11 00:00", "2026-06-11 08:00"),
    ],
)
def test_when_they_end(hours: QuietHours, moment: str, end: str | None) -> None:
    assert hours.end_of(at(moment), MADRID) == (at(end) if end else None)


@pytest.mark.parametrize(
    ("evening", "length"), [("2026-03-28 21:00", 10), ("2026-10-24 21:00", 12), ("2026-06-10 21:00", 11)]
)
def test_the_nights_of_change_are_an_hour_shorter_and_longer(evening: str, length: int) -> None:
    begun = at(evening)
    end = NIGHT.end_of(begun, MADRID)
    assert end == begun + timedelta(hours=length)


def test_an_end_that_the_clocks_skip_is_the_change_itself() -> None:
    hours = QuietHours(time(21), time(2, 30))
    assert hours.end_of(at("2026-03-29 01:59"), MADRID) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert hours.end_of(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), MADRID) is None


def test_an_end_that_comes_twice_is_the_next_one() -> None:
    hours = QuietHours(time(21), time(2, 30))
    assert hours.end_of(at("2026-10-25 02:10"), MADRID) == at("2026-10-25 02:30")
    assert hours.end_of(at("2026-10-25 02:10", fold=1), MADRID) == at("2026-10-25 02:30", fold=1)


_DAYS = st.dates(date(2024, 1, 1), date(2030, 12, 31))
_TIMES = st.times().map(lambda it: it.replace(second=0, microsecond=0))
_ZONES = st.sampled_from([MADRID, "Atlantic/Canary", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata"])


@given(_DAYS, _TIMES, _TIMES, _TIMES, _ZONES)
def test_the_end_is_to_come_within_a_day_and_is_not_quiet(
    day: date, moment: time, begins: time, ends: time, zone: str
) -> None:
    if begins == ends:
        return
    now = datetime.combine(day, moment, ZoneInfo(zone)).astimezone(UTC)
    end = QuietHours(begins, ends).end_of(now, zone)
    if end is None:
        return
    assert now < end <= now + timedelta(hours=25)
    local = end.astimezone(ZoneInfo(zone))
    skipped = local.replace(tzinfo=None) - datetime.combine(local.date(), ends)
    assert timedelta(0) <= skipped <= timedelta(hours=1)  # later than the wall clock says only where it was set on


@given(_DAYS, _TIMES, _TIMES, _ZONES)
def test_the_next_time_of_day_is_later_and_within_a_day(day: date, moment: time, wanted: time, zone: str) -> None:
    now = datetime.combine(day, moment, ZoneInfo(zone)).astimezone(UTC)
    assert now < next_time_of_day(wanted, zone, after=now) <= now + timedelta(hours=26)
