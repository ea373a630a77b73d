"""The iCalendar entry: the same instants, one identity for ever, and a rising sequence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import ics  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar, Event

from scheduling.appointments.calendar import (
    CANCEL,
    REQUEST,
    CalendarParty,
    describe_appointment,
    render_appointment,
    render_feed,
)
from scheduling.appointments.models import Appointment, AppointmentStatus
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.tenancy import TenantContext

TENANT = TenantContext(
    id=new_id(),
    key="t_abcdefghij",
    slug="demo",
    name="Consulta Ñandú; Madrid, centro",
    status="active",
    country="ES",
    timezone="Europe/Madrid",
    locale="es",
    currency="EUR",
)
# The last Sunday of March: clocks go forward at 01:00 UTC.
STARTS_AT = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
ORGANIZER = CalendarParty(TENANT.name, "hola@example.com")
ATTENDEE = CalendarParty('Ana "Nita" Pérez, hija', "ana@example.com")


def an_appointment(**fields: Any) -> Appointment:
    values: dict[str, Any] = {
        "id": new_id(),
        "status": AppointmentStatus.CONFIRMED,
        "starts_at": STARTS_AT,
        "ends_at": STARTS_AT + timedelta(minutes=60),
        "location_kind": "practice",
        "meeting_url": None,
        "notes": "intolerancia a la lactosa",
        "cancellation_reason": "estoy enferma",
        "version": 0,
        "revision": 0,
        "created_at": STARTS_AT - timedelta(days=3),
    }
    return Appointment(**(values | fields))


def parsed(content: bytes) -> tuple[Calendar, Event]:
    calendar = Calendar.from_ical(content)
    assert isinstance(calendar, Calendar)
    [event] = calendar.events
    return calendar, event


def instant(moment: Any) -> datetime:
    """In UTC: arithmetic in a zone is that of its wall clock."""
    assert isinstance(moment, datetime)
    return moment.astimezone(UTC)


def entry(appointment: Appointment, **options: Any) -> tuple[Calendar, Event]:
    return parsed(
        render_appointment(
            appointment, service_name="Primera visita", practitioner_name="Pilar", tenant=TENANT, **options
        )
    )


def test_says_when_what_and_where() -> None:
    appointment = an_appointment()
    calendar, event = entry(appointment)
    assert calendar["VERSION"] == "2.0"
    assert "METHOD" not in calendar
    assert "UID" not in calendar
    assert (event.start, event.end) == (appointment.starts_at, appointment.ends_at)
    assert event["DTSTART"].to_ical() == b"20260329T013000"
    assert event["DTSTART"].params["TZID"] == "Europe/Madrid"
    assert [zone.tz_name for zone in calendar.timezones] == ["Europe/Madrid"]
    assert event["SUMMARY"] == f"Primera visita - {TENANT.name}"
    assert event["LOCATION"] == TENANT.name
    assert event["UID"] == f"{appointment.id}@{TENANT.key}"
    assert event["STATUS"] == "CONFIRMED"
    assert event["CLASS"] == "PRIVATE"


def test_lines_are_folded_and_end_as_the_format_wants() -> None:
    content = render_appointment(an_appointment(), service_name="Ñ" * 150, practitioner_name="Pilar", tenant=TENANT)
    lines = content.split(b"\r\n")
    assert all(len(line) <= 75 and b"\n" not in line for line in lines)
    assert content.endswith(b"END:VCALENDAR\r\n")


@pytest.mark.parametrize("utc_hour", [0, 1])
def test_a_time_that_the_clocks_show_twice_is_in_utc(utc_hour: int) -> None:
    """The standard takes the first of the two for meant, Windows the second: an hour's misunderstanding."""
    starts_at = datetime(2026, 10, 25, utc_hour, 30, tzinfo=UTC)
    _, event = entry(an_appointment(starts_at=starts_at, ends_at=starts_at + timedelta(minutes=15)))
    assert event["DTSTART"].to_ical() == starts_at.strftime("%Y%m%dT%H%M%SZ").encode()
    assert event["DTEND"].to_ical()[-1:] == b"Z"


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "Africa/Casablanca"])
def test_a_zone_that_needs_or_has_no_rules_is_left_out(name: str) -> None:
    calendar, event = entry(an_appointment(), timezone=name)
    assert calendar.timezones == []
    assert event["DTSTART"].to_ical() == b"20260329T003000Z"


def test_moving_keeps_the_identity_and_raises_the_sequence() -> None:
    appointment = an_appointment()
    _, before = entry(appointment)
    appointment.starts_at += timedelta(days=1)
    appointment.ends_at += timedelta(days=1)
    appointment.version += 1
    _, after = entry(appointment)
    assert after["UID"] == before["UID"]
    assert (before["SEQUENCE"], after["SEQUENCE"]) == (0, 1)
    assert instant(after.start) - instant(before.start) == timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("held", "TENTATIVE"),
        ("confirmed", "CONFIRMED"),
        ("completed", "CONFIRMED"),
        ("no_show", "CONFIRMED"),
        ("cancelled", "CANCELLED"),
        ("expired", "CANCELLED"),
    ],
)
def test_shows_how_far_the_booking_is(status: str, shown: str) -> None:
    assert entry(an_appointment(status=status))[1]["STATUS"] == shown


def test_an_online_appointment_is_at_its_link() -> None:
    _, event = entry(an_appointment(location_kind="online", meeting_url="https://meet.example.com/x"))
    assert event["LOCATION"] == event["URL"] == "https://meet.example.com/x"


@pytest.mark.parametrize("kind", ["online", "phone", "home"])
def test_without_a_known_place_there_is_none(kind: str) -> None:
    _, event = entry(an_appointment(location_kind=kind))
    assert "LOCATION" not in event
    assert "URL" not in event


@pytest.mark.parametrize(("method", "status"), [(REQUEST, "CONFIRMED"), (CANCEL, "CANCELLED")])
def test_a_scheduling_message_names_both_sides(method: str, status: str) -> None:
    calendar, event = entry(an_appointment(), method=method, organizer=ORGANIZER, attendee=ATTENDEE)
    assert calendar["METHOD"] == method
    assert event["STATUS"] == status
    assert event["ORGANIZER"] == "mailto:hola@example.com"
    assert event["ATTENDEE"] == "mailto:ana@example.com"
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"


@pytest.mark.parametrize("method", [REQUEST, CANCEL])
def test_a_scheduling_message_without_them_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="organizer"):
        entry(an_appointment(), method=method, organizer=ORGANIZER)


def test_is_stamped_with_the_time_of_making() -> None:
    with clock.at(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)):
        _, event = entry(an_appointment())
    assert event["DTSTAMP"].to_ical() == b"20260102T030405Z"


def test_says_when_it_was_made_and_last_changed() -> None:
    appointment = an_appointment()
    moved_at = appointment.created_at + timedelta(hours=5)
    _, event = entry(appointment, changed_at=moved_at)
    assert (event.created, event.last_modified) == (appointment.created_at, moved_at)


def test_the_practitioner_reads_whom_they_see() -> None:
    _, event = entry(an_appointment(), client_name="Ana Pérez", for_whom="Leo Pérez")
    assert event["SUMMARY"] == "Primera visita - Ana Pérez - Leo Pérez"
    assert "DESCRIPTION" not in event


@pytest.mark.parametrize("method", [REQUEST, CANCEL])
@pytest.mark.parametrize(
    "name",
    [
        'Ana "Nita" Pérez; hija, mayor: sí',
        "Ana\r\nATTENDEE:mailto:evil@example.com",
        "Ana\nEND:VEVENT\nEND:VCALENDAR",
        "\u2028ATTENDEE:x\x00\x07\x85",
        "🥑" * 40,
        "^n^'^^ \\n \\;",
    ],
    ids=["quotes", "a line", "an end", "controls", "emoji", "escapes"],
)
def test_no_name_adds_a_line_or_a_parameter(name: str, method: str) -> None:
    party = CalendarParty(name, "ana@example.com")
    content = render_appointment(
        an_appointment(location_kind="online", meeting_url=f"https://meet.example.com/{name}"),
        service_name=name,
        practitioner_name=name,
        for_whom=name,
        tenant=TENANT,
        method=method,
        organizer=party,
        attendee=party,
    )
    calendar, event = parsed(content)
    assert calendar["METHOD"] == method
    assert all(len(line) <= 75 and b"\n" not in line for line in content.split(b"\r\n"))
    unfolded = content.replace(b"\r\n ", b"").split(b"\r\n")
    assert sum(line.startswith((b"ATTENDEE", b"ORGANIZER")) for line in unfolded) == 2
    assert unfolded.count(b"END:VEVENT") == 1
    assert set(event["ATTENDEE"].params) == {"CN", "PARTSTAT", "ROLE", "RSVP"}
    assert set(event["ORGANIZER"].params) == {"CN"}
    assert event["ATTENDEE"] == "mailto:ana@example.com"
    assert '"' not in event["ATTENDEE"].params["CN"]
    [other] = ics.Calendar(content.decode()).events
    assert other.begin.datetime == STARTS_AT


ZONES = ("Europe/Madrid", "Atlantic/Canary", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")
# The nights when some of these zones change their clocks, and any other time.
NIGHTS = (datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC),
          datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 3, 28, tzinfo=UTC))  # fmt: skip
MOMENTS = st.one_of(
    st.builds(
        lambda night, quarters: night + timedelta(minutes=15 * quarters), st.sampled_from(NIGHTS), st.integers(-8, 40)
    ),
    st.builds(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes), st.integers(0, 900_000)),
)


@settings(max_examples=80, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    times=st.lists(st.tuples(MOMENTS, st.integers(5, 24 * 60)), min_size=1, max_size=6),
)
def test_feeds_show_the_same_instants_in_both_packages(zone: str, times: list[tuple[datetime, int]]) -> None:
    rows = [an_appointment(starts_at=at, ends_at=at + timedelta(minutes=length)) for at, length in times]
    shown = [describe_appointment(row, service_name="x", practitioner_name="y", tenant=TENANT) for row in rows]
    content = render_feed(shown, name="Consulta", timezone=zone, refresh=timedelta(hours=1))
    meant = {one.uid: (one.starts_at, one.ends_at) for one in shown}
    calendar = Calendar.from_ical(content)
    assert isinstance(calendar, Calendar)
    assert {str(one["UID"]): (instant(one.start), instant(one.end)) for one in calendar.events} == meant
    others = ics.Calendar(content.decode()).events
    assert {one.uid: (one.begin.datetime.astimezone(UTC), one.end.datetime.astimezone(UTC)) for one in others} == meant


def test_a_feed_introduces_itself_and_is_the_same_whenever_it_is_made() -> None:
    shown = [describe_appointment(an_appointment(), service_name="x", practitioner_name="y", tenant=TENANT)]

    def made(at: datetime) -> bytes:
        with clock.at(at):
            return render_feed(shown, name=TENANT.name, timezone="Europe/Madrid", refresh=timedelta(hours=1))

    content = made(STARTS_AT)
    assert content == made(STARTS_AT + timedelta(days=1))
    calendar, event = parsed(content)
    assert calendar["X-WR-CALNAME"] == calendar["NAME"] == TENANT.name
    assert calendar["X-WR-TIMEZONE"] == "Europe/Madrid"
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in content
    assert calendar["X-PUBLISHED-TTL"] == "PT60M"
    assert "METHOD" not in calendar
    assert {"ORGANIZER", "ATTENDEE"}.isdisjoint(event)
    assert event.stamp == event.last_modified


def test_an_empty_feed_is_a_calendar_too() -> None:
    content = render_feed([], name="Consulta", timezone="Europe/Madrid", refresh=timedelta(hours=1))
    assert not ics.Calendar(content.decode()).events


def test_nothing_that_the_client_wrote_is_in_it() -> None:
    content = render_appointment(an_appointment(), service_name="x", practitioner_name="y", tenant=TENANT)
    assert b"lactosa" not in content
    assert b"enferma" not in content
