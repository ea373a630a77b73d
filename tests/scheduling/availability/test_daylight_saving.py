"""Hours of a practitioner stay what the wall clock says, on days of 23, 24 and 25 hours."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduling.availability.service import Rules, list_slots
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
                    session, Rules.of(service), changed - timedelta(days=1), changed + timedelta(days=2), zone
                )
            expected = [
                datetime.combine(changed + timedelta(days=n), at, zone).timestamp() for n in (-1, 0, 1) for at in local
            ]
            assert slots[practitioner.id] == expected


@pytest.mark.parametrize("name", ["Europe/Madrid", "Atlantic/Canary", "America/New_York"])
async def test_hours_across_the_change_last_as_long_as_the_night_does(session: TenantSession, name: str) -> None:
    zone = ZoneInfo(name)
    practitioner = await make_practitioner(session, timezone=name)
    await add_hours(session, practitioner.id, start=time(0), end=time(6))
    service = await make_service(session, practitioner.id, horizon_days=730, grid_minutes=60)
    for year in YEARS:
        for changed, hours in zip(change_days(zone, year), (5, 7), strict=True):
            with clock.at(datetime.combine(changed - timedelta(days=10), time(), UTC)):
                slots = await list_slots(session, Rules.of(service), changed, changed + timedelta(days=1), zone)
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
    assert await list_slots(session, Rules.of(service), day, day + timedelta(days=1), zone) == {}
    before = await list_slots(session, Rules.of(service), day - timedelta(days=1), day, zone)
    assert len(before[practitioner.id]) == 3


async def test_days_are_those_of_the_zone_that_is_asked_for(session: TenantSession) -> None:
    practitioner = await make_practitioner(session)
    await add_hours(session, practitioner.id)
    service = await make_service(session, practitioner.id)
    far = ZoneInfo("Pacific/Auckland")  # 12 hours ahead: its midnight is noon in Madrid
    slots = await list_slots(session, Rules.of(service), date(2026, 3, 4), date(2026, 3, 5), far)
    walls = [datetime.fromtimestamp(start, far) for start in slots[practitioner.id]]
    assert {wall.date() for wall in walls} == {date(2026, 3, 4)}
    assert [wall.hour for wall in walls] == [0, 21, 21, 22, 22, 23, 23]
