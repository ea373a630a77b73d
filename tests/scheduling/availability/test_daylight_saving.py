"""Hours of a practitioner stay what the wall clock says, on days of 23, 24 and 25 hours."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scheduling.availability.rules import load_rules
from scheduling.availability.service import list_slots
from tests.support.scheduling import add_hours, make_practitioner, make_service
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession

pytestmark = pytest.mark.usefixtures("monday_morning")
YEARS = range(2025, 2029)


def change_days(zone: ZoneInfo, year: int) -> list[date]:
    """The days of the year that don't have 24 hours, by trying all of them."""
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(365)]
    return [
        day
        for day in days
        if datetime.combine(day, time(), zone).utcoffset()
        != datetime.combine(day + timedelta(days=1), time(), zone).utcoffset()
    ]


@pytest.mark.parametrize("name", ["Europe/Madrid", "Atlantic/Canary", "America/New_York"])
async def test_nine_to_one_stays_nine_to_one_when_the_clocks_change(session: TenantSession, name: str) -> None:
    zone = ZoneInfo(name)
    practitioner = await make_practitioner(session, timezone=name)
    await add_hours(session, practitioner.id)
    service = await make_service(session, practitioner.id, horizon_days=730)
    local = [time(9), time(9, 30), time(10), time(10, 30), time(11), time(11, 30), time(12)]
    for year in YEARS:
        days = change_days(zone, year)
        assert len(days) == 2
        for changed in days:
            with clock.at(datetime.combine(changed - timedelta(days=10), time(), UTC)):
                slots = await list_slots(
                    session,
                    await load_rules(session, service.id),
                    changed - timedelta(days=1),
                    changed + timedelta(days=2),
                    zone,
                )
            expected = [
                datetime.combine(changed + timedelta(days=n), at, zone).timestamp() for n in (-1, 0, 1) for at in local
            ]
            assert slots[practitioner.id] == expected


def starts_by_the_minute(day: date, zone: ZoneInfo, hours: tuple[time, time], duration: int, grid: int) -> list[int]:
    """The starts of a local day, found by looking at the wall clock in every minute of it."""
    tick = int(datetime.combine(day, time(), zone).timestamp())
    walls = {}
    while (wall := datetime.fromtimestamp(tick, zone)).date() == day:
        walls[tick] = wall.time()
        tick += 60
    is_open = {tick for tick, wall in walls.items() if hours[0] <= wall < hours[1]}
    return [
        tick
        for tick, wall in walls.items()
        if (wall.hour * 60 + wall.minute) % grid == 0 and all(tick + 60 * n in is_open for n in range(duration))
    ]


# From four on no clock is put forward or back in these zones, so that each time of the wall clock comes once.
quarters = st.integers(4 * 4, 24 * 4 - 1).map(lambda n: time(n // 4, n % 4 * 15))
opening_hours = st.tuples(quarters, quarters).filter(lambda pair: pair[0] < pair[1])
NINE_TO_ONE = (time(9), time(13))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    name=st.sampled_from(["Europe/Madrid", "Atlantic/Canary", "America/New_York"]),
    year=st.integers(2025, 2030),
    change=st.sampled_from([0, 1]),  # in spring, in autumn
    hours=opening_hours,
    duration=st.integers(1, 24).map(lambda n: n * 5),
    grid=st.sampled_from([5, 10, 15, 20, 30, 35, 45, 60, 90]),
)
@example(name="Europe/Madrid", year=2026, change=0, hours=NINE_TO_ONE, duration=60, grid=30)
@example(name="Europe/Madrid", year=2026, change=1, hours=NINE_TO_ONE, duration=60, grid=30)
@example(name="Atlantic/Canary", year=2029, change=0, hours=NINE_TO_ONE, duration=60, grid=30)
@example(name="Atlantic/Canary", year=2029, change=1, hours=NINE_TO_ONE, duration=60, grid=30)
@example(name="America/New_York", year=2030, change=0, hours=NINE_TO_ONE, duration=60, grid=60)
@example(name="America/New_York", year=2030, change=1, hours=NINE_TO_ONE, duration=60, grid=60)
async def test_any_hours_of_the_day_are_kept_by_the_wall_clock_when_the_clocks_change(
    session: TenantSession, name: str, year: int, change: int, hours: tuple[time, time], duration: int, grid: int
) -> None:
    zone = ZoneInfo(name)
    day = change_days(zone, year)[change]
    savepoint = await session.begin_nested()
    practitioner = await make_practitioner(session, timezone=name)
    await add_hours(session, practitioner.id, start=hours[0], end=hours[1])
    service = await make_service(session, practitioner.id, duration_minutes=duration, grid_minutes=grid)
    with clock.at(datetime.combine(day - timedelta(days=10), time(), UTC)):
        slots = await list_slots(session, await load_rules(session, service.id), day, day + timedelta(days=1), zone)
    await savepoint.rollback()
    found = slots.get(practitioner.id, [])
    assert found == starts_by_the_minute(day, zone, hours, duration, grid)
    # On the wall it is a day like any other: 09:00 to 13:00 begins at 09:00 and is over at 13:00.
    opens, closes = (at.hour * 60 + at.minute for at in hours)
    walls = [datetime.fromtimestamp(start, zone) for start in found]
    assert {wall.date() for wall in walls} <= {day}
    assert [wall.hour * 60 + wall.minute for wall in walls] == [
        minute for minute in range(0, 1440, grid) if opens <= minute <= closes - duration
    ]
    if hours == NINE_TO_ONE and (duration, grid) in [(60, 30), (60, 60)]:
        assert (walls[0].time(), (walls[-1] + timedelta(minutes=duration)).time()) == NINE_TO_ONE


@pytest.mark.parametrize("name", ["Europe/Madrid", "Atlantic/Canary", "America/New_York"])
async def test_hours_across_the_change_last_as_long_as_the_night_does(session: TenantSession, name: str) -> None:
    zone = ZoneInfo(name)
    practitioner = await make_practitioner(session, timezone=name)
    await add_hours(session, practitioner.id, start=time(0), end=time(6))
    service = await make_service(session, practitioner.id, horizon_days=730, grid_minutes=60)
    for year in YEARS:
        for changed, hours in zip(change_days(zone, year), (5, 7), strict=True):
            with clock.at(datetime.combine(changed - timedelta(days=10), time(), UTC)):
                slots = await list_slots(
                    session, await load_rules(session, service.id), changed, changed + timedelta(days=1), zone
                )
            walls = [datetime.fromtimestamp(start, zone).hour for start in slots[practitioner.id]]
            assert len(walls) == hours
            # In spring one hour of the wall clock is missing, in autumn one comes twice.
            assert set(walls) == (set(range(6)) if hours == 7 else set(walls))
            assert walls == sorted(walls)


async def test_hours_that_the_change_swallows_are_not_offered(session: TenantSession) -> None:
    zone = ZoneInfo("Europe/Madrid")
    practitioner = await make_practitioner(session)
    await add_hours(session, practitioner.id, start=time(2, 15), end=time(3))
    service = await make_service(session, practitioner.id, duration_minutes=15, grid_minutes=15)
    day = date(2026, 3, 29)
    assert await list_slots(session, await load_rules(session, service.id), day, day + timedelta(days=1), zone) == {}
    before = await list_slots(session, await load_rules(session, service.id), day - timedelta(days=1), day, zone)
    assert len(before[practitioner.id]) == 3


async def test_days_are_those_of_the_zone_that_is_asked_for(session: TenantSession) -> None:
    practitioner = await make_practitioner(session)
    await add_hours(session, practitioner.id)
    service = await make_service(session, practitioner.id)
    far = ZoneInfo("Pacific/Auckland")  # 12 hours ahead: its midnight is noon in Madrid
    slots = await list_slots(session, await load_rules(session, service.id), date(2026, 3, 4), date(2026, 3, 5), far)
    walls = [datetime.fromtimestamp(start, far) for start in slots[practitioner.id]]
    assert {wall.date() for wall in walls} == {date(2026, 3, 4)}
    assert [wall.hour for wall in walls] == [0, 21, 21, 22, 22, 23, 23]
