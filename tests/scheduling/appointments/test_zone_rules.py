"""Zones as yearly rules: exact in every year that a calendar speaks of, or not written at all."""

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dateutil.tz import tzical

from scheduling.appointments.zone_rules import describe_zone, is_ambiguous

FIRST, LAST = datetime(2026, 9, 1, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)
HOURS = [FIRST + timedelta(hours=count) for count in range(0, int((LAST - FIRST).total_seconds()) // 3600, 7)]
CHANGES = [datetime(year, month, day, hour, tzinfo=UTC) for year in (2026, 2027) for month in (3, 4, 9, 10, 11)
           for day in (1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30) for hour in range(0, 24, 3)]  # fmt: skip
# Ramadan, or a Sunday counted from another day than the first or last of the month.
WITHOUT_RULES = {
    "Africa/Casablanca", "Africa/El_Aaiun", "America/Godthab", "America/Nuuk", "America/Santiago",
    "America/Scoresbysund", "Asia/Gaza", "Asia/Hebron", "Chile/Continental",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["Europe/Madrid", "Atlantic/Canary", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]
)
def test_each_has_at_most_one_rule_of_either_kind_as_outlook_reads_them(name: str) -> None:
    zone = describe_zone(name, FIRST, LAST)
    assert zone is not None
    kinds = [one.name for one in zone.subcomponents]
    assert sorted(kinds) in (["STANDARD"], ["DAYLIGHT", "STANDARD"])
    for one in zone.subcomponents:
        assert "RDATE" not in one
        assert ("RRULE" in one) == (len(kinds) == 2)
        rule = [line for line in one.to_ical().decode().splitlines() if line.startswith("RRULE")]
        assert not rule or re.fullmatch(r"RRULE:FREQ=YEARLY;BYDAY=-?\dSU;BYMONTH=\d+", rule[0])


def test_madrids_rules_are_those_of_the_european_union() -> None:
    zone = describe_zone("Europe/Madrid", FIRST, LAST)
    assert zone is not None
    text = zone.to_ical().decode()
    assert "BEGIN:DAYLIGHT\r\nDTSTART:20250330T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\n" in text
    assert "BEGIN:STANDARD\r\nDTSTART:20251026T030000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\n" in text


def test_every_zone_of_the_world_is_exact_or_left_out() -> None:
    left_out, wrong = set(), []
    for name in sorted(available_timezones() - {"Factory", "localtime", "posixrules"}):
        described = describe_zone(name, FIRST, LAST)
        if described is None:
            left_out.add(name)
            continue
        read, zone = tzical(StringIO(described.to_ical().decode().replace("\r\n", "\n"))).get(name), ZoneInfo(name)
        for moment in (HOURS[::40] + CHANGES)[:: 1 if name.startswith(("Europe/", "America/N")) else 9]:
            if is_ambiguous(moment, zone) or not FIRST <= moment < LAST:
                continue
            if moment.astimezone(zone).replace(tzinfo=read).astimezone(UTC) != moment:
                wrong.append((name, moment))
    assert wrong == []
    assert left_out <= WITHOUT_RULES, "a zone that could be described before"


def test_a_zone_that_gave_up_changing_its_clocks_meanwhile_is_left_out() -> None:
    assert describe_zone("Pacific/Apia", datetime(2020, 6, 1, tzinfo=UTC), datetime(2022, 6, 1, tzinfo=UTC)) is None


def test_a_span_that_no_calendar_has_is_not_searched() -> None:
    assert describe_zone("Europe/Madrid", FIRST, FIRST + timedelta(days=365 * 40)) is None


def test_the_hour_that_comes_twice_is_ambiguous_both_times() -> None:
    zone = ZoneInfo("Europe/Madrid")
    hours = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1, 2)]
    assert [is_ambiguous(moment, zone) for moment in hours] == [True, True, False]
    # Nor is the hour that is left out in spring: no instant has its name.
    assert not is_ambiguous(datetime(2026, 3, 29, 1, tzinfo=UTC), zone)
