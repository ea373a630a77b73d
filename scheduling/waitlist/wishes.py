"""Whether a time is what somebody waits for."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from scheduling.appointments.models import LIVE_STATUSES, Appointment
from scheduling.appointments.services.reading import has_lapsed
from scheduling.fields import midnight
from scheduling.waitlist.models import WaitlistEntry


def is_wished(entry: WaitlistEntry, starts_at: datetime, zone: ZoneInfo) -> bool:
    """Whether a start is on one of the entry's days, weekdays and hours on the wall clock of ``zone``."""
    local = starts_at.astimezone(zone)
    if not entry.first_day <= local.date() <= entry.last_day:
        return False
    if entry.weekdays is not None and local.isoweekday() not in entry.weekdays:
        return False
    hour = local.time()
    return (entry.earliest is None or hour >= entry.earliest) and (entry.latest is None or hour <= entry.latest)


def days_of_wish(entry: WaitlistEntry, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants between which the entry's days lie; the second one is not part of them."""
    return midnight(entry.first_day, zone), midnight(entry.last_day + timedelta(days=1), zone)


def has_such_a_day(first_day: date, last_day: date, weekdays: Collection[int] | None) -> bool:
    """Whether one of the weekdays comes between two days."""
    if weekdays is None or (last_day - first_day).days >= 6:
        return True
    days = (first_day + timedelta(days=number) for number in range((last_day - first_day).days + 1))
    return any(day.isoweekday() in weekdays for day in days)


def suits(entry: WaitlistEntry, starts_at: datetime, ends_at: datetime, known: Sequence[Appointment]) -> bool:
    """Whether it makes sense to offer this time to a client who has, or had, the appointments ``known``.

    Not while they are somewhere else; and not what they had since they wait, and let go.
    """
    for row in known:
        is_live = row.status in LIVE_STATUSES and not has_lapsed(row)
        if is_live and row.starts_at < ends_at and starts_at < row.ends_at:
            return False
        was_let_go = not is_live and row.created_at >= entry.created_at
        if was_let_go and row.service_id == entry.service_id and row.starts_at == starts_at:
            return False
    return True


def same_wish(one: WaitlistEntry, another: WaitlistEntry) -> bool:
    """Whether two entries ask for the same."""
    fields = (
        "service_id",
        "practitioner_id",
        "location_kind",
        "dependant_id",
        "first_day",
        "last_day",
        "weekdays",
        "earliest",
        "latest",
    )
    return all(getattr(one, name) == getattr(another, name) for name in fields)
