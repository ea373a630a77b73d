"""An appointment as an iCalendar entry (RFC 5545), and as the scheduling message of one (RFC 5546)."""  # noqa: A005 - the domain's word for it; nothing here runs by path

from dataclasses import dataclass

from icalendar import Calendar, Event, vCalAddress
from icalendar.enums import CLASS, STATUS, TRANSP

from scheduling.appointments.models import Appointment, AppointmentStatus
from todoenbalance.kit import clock
from todoenbalance.kit.tenancy import TenantContext

REQUEST = "REQUEST"
CANCEL = "CANCEL"
_SCHEDULING_METHODS = (REQUEST, CANCEL)
_STATUS = {
    AppointmentStatus.HELD: STATUS.TENTATIVE,
    AppointmentStatus.CONFIRMED: STATUS.CONFIRMED,
    AppointmentStatus.COMPLETED: STATUS.CONFIRMED,
    AppointmentStatus.NO_SHOW: STATUS.CONFIRMED,
    AppointmentStatus.CANCELLED: STATUS.CANCELLED,
    AppointmentStatus.EXPIRED: STATUS.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class CalendarParty:
    """A side of a scheduling message: the practice that organises, the client who attends."""

    name: str
    address: str


def render_appointment(
    appointment: Appointment,
    *,
    service_name: str,
    practitioner_name: str,
    for_whom: str | None = None,
    tenant: TenantContext,
    method: str | None = None,
    organizer: CalendarParty | None = None,
    attendee: CalendarParty | None = None,
) -> bytes:
    """The appointment as a calendar of one event.

    The UID never changes and SEQUENCE is the appointment's version, so a calendar replaces what it has
    (RFC 5545, 3.8.4.7 and 3.8.7.4). Times are UTC instants: every client reads these right, without time zone
    definitions. Nothing that the client wrote is in it, and it is marked as private. ``for_whom``: the dependant
    that it is for, if it is not the client. ``method`` makes it a scheduling message; REQUEST and CANCEL need
    both parties (RFC 5546, 3.2.2 and 3.2.5), else ``ValueError``.
    """
    if method in _SCHEDULING_METHODS and (organizer is None or attendee is None):
        raise ValueError(f"{method} needs an organizer and an attendee")
    online = appointment.location_kind == "online"
    event = Event.new(
        uid=f"{appointment.id}@{tenant.key}",
        sequence=appointment.version,
        stamp=clock.now(),
        created=appointment.created_at,
        start=appointment.starts_at,
        end=appointment.ends_at,
        summary=" - ".join(filter(None, [service_name, for_whom, tenant.name])),
        description=practitioner_name,
        location=_location(appointment, tenant),
        url=appointment.meeting_url if online else None,
        status=STATUS.CANCELLED if method == CANCEL else _STATUS[AppointmentStatus(appointment.status)],
        classification=CLASS.PRIVATE,
        transparency=TRANSP.OPAQUE,
        organizer=vCalAddress.new(organizer.address, cn=organizer.name) if organizer else None,
        attendees=[_attending(attendee)] if attendee else None,
    )
    # Not Calendar.new: it adds a random UID to the calendar itself, which would differ each time.
    calendar = Calendar()
    calendar.add("prodid", "-//TODOenBALANCE//appointments//EN")
    calendar.add("version", "2.0")
    if method is not None:
        calendar.add("method", method)
    calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def _location(appointment: Appointment, tenant: TenantContext) -> str | None:
    if appointment.location_kind == "practice":
        return tenant.name
    return appointment.meeting_url if appointment.location_kind == "online" else None


def _attending(party: CalendarParty) -> vCalAddress:
    """The client booked it: they come, and their calendar need not ask."""
    return vCalAddress.new(party.address, cn=party.name, partstat="ACCEPTED", rsvp=False, role="REQ-PARTICIPANT")
