"""From other calendars' files to busy times."""

import time as stopwatch
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scheduling.external_calendars.errors import ReadFailedError, ReadFailure
from scheduling.external_calendars.parsing import ParsingTask, Period, merge, read_busy_times
from scheduling.external_calendars.reading import busy_times_in

FILES = Path(__file__).parent / "files"
BEGINS, ENDS = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
MADRID = ZoneInfo("Europe/Madrid")
NEW_YORK = ZoneInfo("America/New_York")


def task(zone: str = "Europe/Madrid", begins: datetime = BEGINS, ends: datetime = ENDS) -> ParsingTask:
    return ParsingTask(zone, int(begins.timestamp()), int(ends.timestamp()), "@t_abcdefghjk")


def at(text: str, zone: ZoneInfo = MADRID) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def span(begin: str, end: str, zone: ZoneInfo = MADRID) -> Period:
    return at(begin, zone), at(end, zone)


def calendar(*events: str, head: str = "") -> bytes:
    """A file with these events, a property a line."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Test//EN", *head.split()]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.split(), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


GOOD = "UID:good DTSTART:20260302T100000Z DTEND:20260302T110000Z"
GOOD_PERIOD = (datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 2, 11, tzinfo=UTC))


class TestRealFiles:
    def test_googles(self) -> None:
        assert read_busy_times((FILES / "google.ics").read_bytes(), task("America/New_York")) == [
            span("2026-03-16 10:00", "2026-03-16 11:00"),
            # Two whole days, in the calendar's zone.
            span("2026-03-20", "2026-03-22"),
            # Not the 23rd (EXDATE), not the 25th (transparent).
            (datetime(2026, 3, 26, 8, tzinfo=UTC), datetime(2026, 3, 26, 8, 30, tzinfo=UTC)),
            # The same hour after the clocks have changed.
            span("2026-03-30 10:00", "2026-03-30 11:00"),
            # Moved from the 6th; the 13th is cancelled.
            span("2026-04-07 18:00", "2026-04-07 19:30"),
        ]

    def test_outlooks_with_its_own_names_of_zones(self) -> None:
        assert read_busy_times((FILES / "outlook.ics").read_bytes(), task()) == [
            span("2026-03-03 16:00", "2026-03-03 17:00"),
            span("2026-03-30", "2026-03-31"),
            span("2026-04-02 09:00", "2026-04-02 09:15"),
            span("2026-04-07 16:00", "2026-04-07 17:00"),
            span("2026-05-05 16:00", "2026-05-05 17:00"),
        ]

    def test_apples_with_a_time_that_goes_along_with_its_owner(self) -> None:
        assert read_busy_times((FILES / "apple.ics").read_bytes(), task("Asia/Kathmandu")) == [
            span("2026-03-06 09:00", "2026-03-06 10:00", NEW_YORK),
            span("2026-03-10 07:30", "2026-03-10 08:45", ZoneInfo("Asia/Kathmandu")),
            # New York's clocks have changed by then.
            span("2026-03-13 09:00", "2026-03-13 10:00", NEW_YORK),
            # Over the hour that is skipped in Madrid: as long as it is by the clock on other days (RFC 5545, 3.8.5.3).
            span("2026-03-28 22:00", "2026-03-29 04:00"),
            span("2026-03-30 22:00", "2026-03-31 04:00"),
            span("2026-04-02 22:00", "2026-04-03 04:00"),
        ]


class TestWhatCounts:
    @pytest.mark.parametrize(
        "said",
        ["TRANSP:TRANSPARENT", "transp:transparent", "STATUS:CANCELLED", "X-MICROSOFT-CDO-BUSYSTATUS:FREE"],
    )
    def test_what_takes_no_time_does_not(self, said: str) -> None:
        assert read_busy_times(calendar(f"{GOOD} {said}"), task()) == []

    @pytest.mark.parametrize(
        "said", ["TRANSP:OPAQUE", "STATUS:TENTATIVE", "X-MICROSOFT-CDO-BUSYSTATUS:OOF", "CLASS:PRIVATE"]
    )
    def test_everything_else_does(self, said: str) -> None:
        assert read_busy_times(calendar(f"{GOOD} {said}"), task()) == [GOOD_PERIOD]

    def test_our_own_appointments_do_not(self) -> None:
        ours = "UID:01900000-0000-7000-8000-000000000000@t_abcdefghjk DTSTART:20260303T100000Z DTEND:20260303T110000Z"
        others = "UID:01900000-0000-7000-8000-000000000000@t_zzzzzzzzzz DTSTART:20260304T100000Z DTEND:20260304T110000Z"
        assert [start.day for start, _end in read_busy_times(calendar(ours, others), task())] == [4]

    @pytest.mark.parametrize("name", ["VTODO", "VJOURNAL", "VALARM"])
    def test_only_events_do(self, name: str) -> None:
        assert read_busy_times(calendar(GOOD).replace(b"VEVENT", name.encode()), task()) == []

    def test_what_has_no_uid_is_an_event_of_its_own(self) -> None:
        anonymous = [f"DTSTART:2026030{day}T100000Z DTEND:2026030{day}T110000Z" for day in (2, 3)]
        assert len(read_busy_times(calendar(*anonymous), task())) == 2

    def test_periods_are_merged_where_they_overlap_or_touch(self) -> None:
        two = "UID:b DTSTART:20260302T103000Z DTEND:20260302T113000Z"
        three = "UID:c DTSTART:20260302T113000Z DTEND:20260302T120000Z"
        four = "UID:d DTSTART:20260302T120100Z DTEND:20260302T121000Z"
        assert read_busy_times(calendar(four, three, two, GOOD), task()) == [
            (datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)),
            (datetime(2026, 3, 2, 12, 1, tzinfo=UTC), datetime(2026, 3, 2, 12, 10, tzinfo=UTC)),
        ]
        assert merge([]) == []

    def test_only_the_part_within_the_span_counts(self) -> None:
        long = "UID:a DTSTART:20250101T000000Z DTEND:20270101T000000Z"
        before, after = (
            f"UID:{n} DTSTART:{day} DURATION:PT1H" for n, day in ((1, "20260228T220000Z"), (2, "20260601T000000Z"))
        )
        assert read_busy_times(calendar(long), task()) == [(BEGINS, ENDS)]
        assert read_busy_times(calendar(before, after), task()) == []

    def test_the_last_whole_day_of_the_span_is_found_east_and_west_of_greenwich(self) -> None:
        for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
            content = calendar("UID:a DTSTART;VALUE=DATE:20260531", "UID:b DTSTART;VALUE=DATE:20260301")
            found = read_busy_times(content, task(zone))
            for day in (date(2026, 3, 1), date(2026, 5, 31)):
                midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
                following = midnight + timedelta(days=1)
                assert (max(midnight, BEGINS), min(following, ENDS)) in found


class TestZones:
    @pytest.mark.parametrize(
        ("head", "hour"),
        [("", 9), ("X-WR-TIMEZONE:America/New_York", 15), ("X-WR-TIMEZONE:Nowhere/Town", 9),
         ("X-WR-TIMEZONE:UTC", 10)],
    )  # fmt: skip
    def test_times_without_one_are_in_the_calendars_or_else_the_practitioners(self, head: str, hour: int) -> None:
        ((start, end),) = read_busy_times(calendar("UID:a DTSTART:20260302T100000 DURATION:PT30M", head=head), task())
        assert (start, end - start) == (datetime(2026, 3, 2, hour, tzinfo=UTC), timedelta(minutes=30))

    def test_a_zone_that_nobody_knows_is_the_practitioners(self) -> None:
        event = "UID:a DTSTART;TZID=Nowhere/Town:20260302T100000 DTEND;TZID=Nowhere/Town:20260302T110000"
        assert read_busy_times(calendar(event), task()) == [span("2026-03-02 10:00", "2026-03-02 11:00")]

    @pytest.mark.parametrize(("day", "hours"), [("20260328", 24), ("20260329", 23), ("20261025", 25)])
    def test_a_whole_day_is_as_long_as_it_is(self, day: str, hours: int) -> None:
        year = task(ends=datetime(2027, 1, 1, tzinfo=UTC))
        ((start, end),) = read_busy_times(calendar(f"UID:a DTSTART;VALUE=DATE:{day}"), year)
        assert end - start == timedelta(hours=hours)


class TestBrokenFiles:
    @pytest.mark.parametrize(
        "event",
        ["UID:bad", "UID:bad DTSTART:nonsense DTEND:20260302T110000Z", "UID:bad DTSTART:20261399T100000Z",
         "UID:bad DTSTART:20260303T100000Z RRULE:FREQ=NONSENSE", "UID:bad DTSTART:20260303T100000Z RRULE:BYDAY=MO",
         "UID:bad DTSTART:20260303T100000Z DTEND:20260303", "UID:bad DTSTART:20260303T100000Z DURATION:long",
         "UID:bad DTSTART:20260303T100000Z DTSTART:20260304T100000Z", "UID:bad DTSTART:00010101T000000Z",
         "UID:bad DTSTART:99991231T235959Z DURATION:P99999D", "UID:bad this:is;not=a:line",
         "UID:bad DTSTART;VALUE=DATE:20260303 RRULE:FREQ=DAILY;UNTIL=20260305T000000",
         "UID:bad DTSTART:20260303T100000Z RRULE:FREQ=DAILY;INTERVAL=0"],
    )  # fmt: skip
    def test_an_event_that_makes_no_sense_takes_no_other_with_it(self, event: str) -> None:
        assert GOOD_PERIOD in read_busy_times(calendar(event, GOOD), task())
        assert GOOD_PERIOD in read_busy_times(calendar(GOOD, event), task())

    @pytest.mark.parametrize(
        "content",
        [b"", b"\x00\xff\xfe", b"<!doctype html><title>Sign in</title>", b'{"error": "gone"}', calendar(GOOD)[:-20],
         calendar(GOOD)[:60], b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", b"BEGIN:VCARD\r\nFN:Ana\r\nEND:VCARD\r\n",
         b"END:VCALENDAR\r\n", b"BEGIN:VCALENDAR"],
    )  # fmt: skip
    def test_what_is_no_calendar_is_a_failure(self, content: bytes) -> None:
        with pytest.raises(ReadFailedError) as failed:
            read_busy_times(content, task())
        assert failed.value.failure is ReadFailure.UNREADABLE

    @pytest.mark.parametrize(
        "content",
        [b"\xef\xbb\xbf" + calendar(GOOD), calendar(GOOD).replace(b"\r\n", b"\n"),
         calendar(GOOD + " SUMMARY:Ni\xf1o").decode().encode("latin-1"), calendar(head="X:1") + calendar(GOOD)],
        ids=["byte order mark", "bare line ends", "Latin-1", "two calendars"],
    )  # fmt: skip
    def test_what_is_nearly_right_is_read(self, content: bytes) -> None:
        assert read_busy_times(content, task()) == [GOOD_PERIOD]

    @pytest.mark.parametrize(
        "content",
        [b"BEGIN:VEVENT\r\n" * 20_001, b"A:B\n" * 250_001,
         calendar("UID:a DTSTART:20260301T000000Z DURATION:PT1S RRULE:FREQ=SECONDLY"),
         calendar(*(f"UID:{n} DTSTART:20260301T000000Z DURATION:PT1H RRULE:FREQ=HOURLY" for n in range(12)))],
        ids=["events", "lines", "occurrences of one", "occurrences of several"],
    )  # fmt: skip
    def test_too_many_are_refused(self, content: bytes) -> None:
        with pytest.raises(ReadFailedError) as failed:
            read_busy_times(content, task())
        assert failed.value.failure is ReadFailure.TOO_MANY_EVENTS


class TestAtArmsLength:
    async def test_another_process_says_the_same(self) -> None:
        content = (FILES / "google.ics").read_bytes()
        assert await busy_times_in(content, task()) == read_busy_times(content, task())

    async def test_its_failures_come_back(self) -> None:
        for content, failure in (
            (b"<html>", ReadFailure.UNREADABLE),
            (b"A:B\n" * 250_001, ReadFailure.TOO_MANY_EVENTS),
        ):
            with pytest.raises(ReadFailedError) as failed:
                await busy_times_in(content, task())
            assert failed.value.failure is failure

    async def test_a_rule_without_end_is_stopped(self) -> None:
        never = f"{GOOD} RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30"
        begun = stopwatch.monotonic()
        with pytest.raises(ReadFailedError) as failed:
            await busy_times_in(calendar(never), task(), seconds=1.5)
        assert failed.value.failure is ReadFailure.TOO_SLOW
        assert stopwatch.monotonic() - begun < 10
