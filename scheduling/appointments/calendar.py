"""Appointments as iCalendar (RFC 5545), and as scheduling messages (RFC 5546): see docs/calendars.md."""  # noqa: A005 - the domain's word for it; nothing here runs by path

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress
from icalendar.enums import CLASS, STATUS, TRANSP

from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.zone_rules import describe_zone, is_ambiguous
from todoenbalance.kit import clock
from todoenbalance.kit.tenancy import TenantContext

REQUEST = "REQUEST"
CANCEL = "CANCEL"
PUBLISH = "PUBLISH"
_SCHEDULING_METHODS = (REQUEST, CANCEL)
_UTC_NAMES = ("UTC", "Etc/UTC")
_STATUS = {
    AppointmentStatus.HELD: STATUS.TENTATIVE,
    AppointmentStatus.CONFIRMED: STATUS.CONFIRMED,
    AppointmentStatus.COMPLETED: STATUS.CONFIRMED,
    AppointmentStatus.NO_SHOW: STATUS.CONFIRMED,
    AppointmentStatus.CANCELLED: STATUS.CANCELLED,
    AppointmentStatus.EXPIRED: STATUS.CANCELLED,
}
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")
"""Control characters, line ends, halves of characters: no text of a calendar has them, and some readers stumble."""


@dataclass(frozen=True, slots=True)
class CalendarParty:
    """A side of a scheduling message: the practice that organises, the client or practitioner who attends."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """What a calendar shows of one appointment or session. ``changed_at``: when it last was what it was not before."""

    uid: str
    sequence: int
    starts_at: datetime
    ends_at: datetime
    summary: str
    status: STATUS
    created_at: datetime
    changed_at: datetime
    description: str | None = None
    location: str | None = None
    url: str | None = None


def uid_of(row_id: UUID, tenant: TenantContext) -> str:
    """The identity for ever of what has this id (RFC 5545, 3.8.4.7), the same in mails, files and feeds."""
    return f"{row_id}@{tenant.key}"


def status_of(appointment: Appointment) -> STATUS:
    """How a calendar names the appointment's state."""
    return _STATUS[AppointmentStatus(appointment.status)]


def place_of(kind: str, meeting_url: str | None, tenant: TenantContext) -> tuple[str | None, str | None]:
    """Location and address of the web of what takes place at ``kind``."""
    if kind == "practice":
        return tenant.name, None
    return (meeting_url, meeting_url) if kind == "online" else (None, None)


def describe_appointment(
    appointment: Appointment,
    *,
    service_name: str,
    practitioner_name: str,
    for_whom: str | None = None,
    client_name: str | None = None,
    changed_at: datetime | None = None,
    tenant: TenantContext,
) -> CalendarEntry:
    """The appointment as its client sees it, or, with ``client_name``, as its practitioner does.

    Nothing that the client wrote is in it. SEQUENCE rises with each change, so a calendar replaces what it
    has (RFC 5545, 3.8.7.4). ``for_whom``: the dependant that it is for, if it is not the client.
    """
    location, url = place_of(appointment.location_kind, appointment.meeting_url, tenant)
    is_theirs = client_name is None
    named = [for_whom, tenant.name] if is_theirs else [client_name, for_whom]
    return CalendarEntry(
        uid=uid_of(appointment.id, tenant),
        sequence=appointment.sequence,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        summary=" - ".join(filter(None, [service_name, *named])),
        status=status_of(appointment),
        created_at=appointment.created_at,
        changed_at=changed_at or appointment.created_at,
        description=practitioner_name if is_theirs else None,
        location=location,
        url=url,
    )


def render_appointment(
    appointment: Appointment,
    *,
    service_name: str,
    practitioner_name: str,
    for_whom: str | None = None,
    client_name: str | None = None,
    changed_at: datetime | None = None,
    tenant: TenantContext,
    timezone: str | None = None,
    method: str | None = None,
    organizer: CalendarParty | None = None,
    attendee: CalendarParty | None = None,
) -> bytes:
    """The appointment as a calendar of one event; see :func:`describe_appointment`.

    ``timezone``: the reader's, by default the practice's. ``method`` makes it a scheduling message; REQUEST and
    CANCEL need both parties (RFC 5546, 3.2.2 and 3.2.5), else ``ValueError``.
    """
    entry = describe_appointment(
        appointment,
        service_name=service_name,
        practitioner_name=practitioner_name,
        for_whom=for_whom,
        client_name=client_name,
        changed_at=changed_at,
        tenant=tenant,
    )
    timezone = timezone or tenant.timezone
    return render_entry(entry, timezone=timezone, method=method, organizer=organizer, attendee=attendee)


def render_entry(
    entry: CalendarEntry,
    *,
    timezone: str,
    method: str | None = None,
    organizer: CalendarParty | None = None,
    attendee: CalendarParty | None = None,
) -> bytes:
    """A calendar of this one event; ``method`` and parties as in :func:`render_appointment`."""
    if method in _SCHEDULING_METHODS and (organizer is None or attendee is None):
        raise ValueError(f"{method} needs an organizer and an attendee")
    calendar = _Calendar([entry], timezone, method)
    event = calendar.add(entry, stamp=clock.now())
    if method == CANCEL:
        event.pop("status", None)
        event.add("status", STATUS.CANCELLED)
    if organizer is not None:
        event.add("organizer", vCalAddress.new(_one_line(organizer.address), cn=_parameter(organizer.name)))
    if attendee is not None:
        event.add("attendee", _attending(attendee))
    return calendar.content()


def render_publication(entries: Sequence[CalendarEntry], *, timezone: str, organizer: CalendarParty) -> bytes:
    """Several appointments in one file to be mailed, each with the identity that its later messages have.

    METHOD PUBLISH, because the events of one REQUEST must share their UID (RFC 5546, 3.2.2) while a publication's
    may be any (3.2.1); it has an organizer and no attendees.
    """
    calendar = _Calendar(entries, timezone, PUBLISH)
    for entry in entries:
        event = calendar.add(entry, stamp=clock.now())
        event.add("organizer", vCalAddress.new(_one_line(organizer.address), cn=_parameter(organizer.name)))
    return calendar.content()


def render_feed(entries: Sequence[CalendarEntry], *, name: str, timezone: str, refresh: timedelta) -> bytes:
    """A calendar to subscribe to. The same entries give the same bytes, whenever it is made.

    Without a method: it is a snapshot, and no scheduling message (RFC 5545, 3.7.2), whose DTSTAMP is when the
    entry last changed (3.8.7.2).
    """
    calendar = _Calendar(entries, timezone, None)
    calendar.introduce(name, timezone, refresh)
    for entry in entries:
        calendar.add(entry, stamp=entry.changed_at)
    return calendar.content()


class _Calendar:
    """A VCALENDAR in the making; times are in ``timezone`` where all readers then find the same instant."""

    def __init__(self, entries: Sequence[CalendarEntry], timezone: str, method: str | None) -> None:
        # Not Calendar.new: it adds a random UID to the calendar itself, which would differ each time.
        self._calendar = Calendar()
        self._calendar.add("prodid", "-//TODOenBALANCE//appointments//EN")
        self._calendar.add("version", "2.0")
        self._calendar.add("calscale", "GREGORIAN")
        if method is not None:
            self._calendar.add("method", method)
        self._zone: ZoneInfo | None = None
        if entries and timezone not in _UTC_NAMES:
            first, last = min(entry.starts_at for entry in entries), max(entry.ends_at for entry in entries)
            described = describe_zone(timezone, first, last)
            if described is not None:
                self._zone = ZoneInfo(timezone)
                self._calendar.add_component(described)

    def introduce(self, name: str, timezone: str, refresh: timedelta) -> None:
        """Name, zone and how often to ask again: by RFC 7986 and by the older names that are read more widely."""
        self._calendar.add("name", _one_line(name))
        self._calendar.add("x-wr-calname", _one_line(name))
        self._calendar.add("x-wr-timezone", timezone)
        self._calendar.add("refresh-interval", refresh, parameters={"VALUE": "DURATION"})
        self._calendar.add("x-published-ttl", f"PT{int(refresh.total_seconds()) // 60}M")

    def add(self, entry: CalendarEntry, *, stamp: datetime) -> Event:
        """One more event, marked as private."""
        starts_at, ends_at = self._times(entry)
        event = Event.new(
            uid=entry.uid,
            sequence=entry.sequence,
            stamp=stamp,
            created=entry.created_at,
            last_modified=entry.changed_at,
            start=starts_at,
            end=ends_at,
            summary=_one_line(entry.summary),
            description=_one_line(entry.description) if entry.description else None,
            location=_one_line(entry.location) if entry.location else None,
            url=_one_line(entry.url) if entry.url else None,
            status=entry.status,
            classification=CLASS.PRIVATE,
            transparency=TRANSP.OPAQUE,
        )
        self._calendar.add_component(event)
        return event

    def _times(self, entry: CalendarEntry) -> tuple[datetime, datetime]:
        """Both in the zone, or both in UTC."""
        times = entry.starts_at, entry.ends_at
        if self._zone is None or any(is_ambiguous(moment, self._zone) for moment in times):
            return entry.starts_at, entry.ends_at
        return entry.starts_at.astimezone(self._zone), entry.ends_at.astimezone(self._zone)

    def content(self) -> bytes:
        """As bytes: lines folded and ended as the format wants (RFC 5545, 3.1)."""
        content: bytes = self._calendar.to_ical(sorted=False)
        return content


def _one_line(text: str) -> str:
    """Names come from people: what is no text becomes a space, so that no name can begin a line of its own."""
    return "".join(" " if unicodedata.category(character) in _NO_TEXT else character for character in text)


def _parameter(text: str) -> str:
    """A name as a parameter's value: there is no double quote there, and not every reader knows RFC 6868's for it."""
    return _one_line(text).replace('"', "'").replace("^", " ")


def _attending(party: CalendarParty) -> vCalAddress:
    """Who booked or was booked comes: their calendar need not ask."""
    return vCalAddress.new(
        _one_line(party.address), cn=_parameter(party.name), partstat="ACCEPTED", rsvp=False, role="REQ-PARTICIPANT"
    )
