"""The mail that another calendar can't be read any more, to whom it belongs: once an outage, and once more after a day.

An outage is known by when the calendar was last read well, so nothing has to be remembered of what was told.
"""

from datetime import datetime, timedelta
from pathlib import Path

from notifications.formats import describe
from notifications.recipients import Recipient, find_reader
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, announce, register_composer
from notifications.watching import list_practice_recipients
from scheduling.external_calendars.models import ExternalCalendar
from scheduling.external_calendars.repository import ExternalCalendarRepository
from scheduling.external_calendars.staleness import MOST_FAILURES
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime

STALE = "external_calendar_stale"
PAGE = "/admin/external-calendars/{practitioner_id}"
LONG = timedelta(days=1)


def _since(calendar: ExternalCalendar) -> datetime:
    return calendar.refreshed_at or calendar.created_at


def _version(calendar: ExternalCalendar) -> str:
    """Which outage, and whether it has lasted a day."""
    is_long = clock.now() - _since(calendar) >= LONG
    return f"{_since(calendar):%Y%m%dT%H%M%S}{'-long' if is_long else ''}"


async def announce_outage(session: TenantSession, calendar: ExternalCalendar) -> None:
    """Tell whose calendar it is (without an account that is open: the owners) once it failed so often that its times
    may be old."""
    if calendar.failures < MOST_FAILURES:
        return
    staff_id = (await ExternalCalendarRepository(session).owner_of(calendar)).staff_id
    theirs = Recipient.staff(staff_id) if staff_id else None
    is_read = theirs is not None and await find_reader(session, theirs) is not None
    recipients = [theirs] if theirs and is_read else await list_practice_recipients(session, STALE)
    await announce(session, STALE, subject_id=calendar.id, version=_version(calendar), recipients=recipients)


async def compose_stale(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """Since when, and where to put it right; nothing once it was read again, or another outage has begun."""
    calendar = await ExternalCalendarRepository(session).find(notice.subject_id)
    if calendar is None or calendar.failures < MOST_FAILURES:
        return None
    if not str(notice.version).startswith(f"{_since(calendar):%Y%m%dT%H%M%S}"):
        return None
    owner = await ExternalCalendarRepository(session).owner_of(calendar)
    is_own = notice.reader.recipient.id == str(owner.staff_id)
    read_at = calendar.refreshed_at
    return ComposedMail(
        {
            "calendar": calendar.name,
            "whose": None if is_own else owner.name,
            "read_at": describe(read_at, notice.reader.timezone, notice.reader.locale) if read_at else None,
            "calendars_url": runtime.settings.practice_url(session.tenant.slug, PAGE.format(practitioner_id=owner.id)),
        }
    )


def register_external_calendar_mails() -> None:
    """Register composer and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(STALE, compose_stale)
