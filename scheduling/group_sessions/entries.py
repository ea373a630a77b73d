"""Sessions as calendars show them, to the practitioner: one event with the same identity in mails and feeds."""

from datetime import datetime

from icalendar.enums import STATUS

from scheduling.appointments.calendar import CalendarEntry, place_of, uid_of
from scheduling.group_sessions.models import GroupSession
from todoenbalance.kit.tenancy import TenantContext


def describe_session(
    group: GroupSession,
    *,
    service_name: str,
    tenant: TenantContext,
    seats_taken: int | None = None,
    seats_changed_at: datetime | None = None,
) -> CalendarEntry:
    """One event for all seats; who sits there, the portal says.

    ``seats_taken``: ``Taller de cocina (7/10)``; only where it is read again and again, because it grows old.
    """
    location, url = place_of(group.location_kind, group.meeting_url, tenant)
    seats = "" if seats_taken is None else f" ({seats_taken}/{group.capacity})"
    return CalendarEntry(
        uid=uid_of(group.id, tenant),
        sequence=group.version,
        starts_at=group.starts_at,
        ends_at=group.ends_at,
        summary=f"{service_name}{seats}",
        status=STATUS.CONFIRMED,
        created_at=group.created_at,
        changed_at=max(filter(None, (group.created_at, group.changed_at, seats_changed_at))),
        location=location,
        url=url,
    )
