"""The iCalendar entry: the same instants, one identity for ever, and a rising sequence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar, Event

from scheduling.appointments.calendar import CANCEL, REQUEST, CalendarParty, render_appointment
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
        "created_at": STARTS_AT - timedelta(days=3),
    }
    return Appointment(**(values | fields))


def parsed(content: bytes) -> tuple[Calendar, Event]:
    calendar = Calendar.from_ical(content)
    assert isinstance(calendar, Calendar)
    [event] = calendar.events
    return calendar, event


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
    assert event["DTSTART"].to_ical() == b"20260329T003000Z"
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


def test_moving_keeps_the_identity_and_raises_the_sequence() -> None:
    appointment = an_appointment()
    _, before = entry(appointment)
    appointment.starts_at += timedelta(days=1)
    appointment.ends_at += timedelta(days=1)
    appointment.version += 1
    _, after = entry(appointment)
    assert after["UID"] == before["UID"]
    assert (before["SEQUENCE"], after["SEQUENCE"]) == (0, 1)
    assert after.start == before.start + timedelta(days=1)


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


def test_nothing_that_the_client_wrote_is_in_it() -> None:
    content = render_appointment(an_appointment(), service_name="x", practitioner_name="y", tenant=TENANT)
    assert b"lactosa" not in content
    assert b"enferma" not in content
