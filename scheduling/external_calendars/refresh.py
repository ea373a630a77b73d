"""Reading one calendar: what to read, the reading itself with no transaction open, and what came of it.

Each calendar has one row in the queue that counts: the one that carries its ``due_at``. A read ends by setting the
next and queueing its row in the same transaction; any other row (somebody asked for a read meanwhile, the delivery
was repeated) finds another time in the calendar and ends there. So there is one chain, however many rows there are.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx

from scheduling.external_calendars.addresses import AddressRules
from scheduling.external_calendars.errors import ReadFailedError, ReadFailure
from scheduling.external_calendars.fetching import CalendarFetcher
from scheduling.external_calendars.mails import announce_outage
from scheduling.external_calendars.models import ExternalCalendar
from scheduling.external_calendars.parsing import ParsingTask, Period
from scheduling.external_calendars.reading import busy_times_in
from scheduling.external_calendars.repository import ExternalCalendarRepository
from scheduling.external_calendars.service import publish_refresh
from scheduling.external_calendars.staleness import next_due
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.encryption import DecryptionError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime

_BEFORE = timedelta(days=1)
_AHEAD = timedelta(days=740)
"""The longest horizon of a service (730 days), and some days for the reads that find nothing changed."""
_log = get_logger("scheduling.external_calendars")


class OwnerAwayError(Exception):
    """The practitioner is archived: nobody needs to know when they are busy."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A calendar whose turn it is. ``etag`` is None where everything is to be read again."""

    calendar_id: UUID
    due_at: datetime
    sealed_address: str
    etag: str | None
    zone: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a turn: ``periods`` is None where nothing changed, or (with ``failure``) nothing was read."""

    periods: list[Period] | None = None
    etag: str | None = None
    failure: ReadFailure | None = None


async def begin_turn(session: TenantSession, calendar_id: UUID, due_at: datetime) -> Turn | None:
    """What is to be read; None if the calendar is gone, or its turn is another. Raises :class:`OwnerAwayError`."""
    calendars = ExternalCalendarRepository(session)
    calendar = await calendars.find(calendar_id)
    if calendar is None or calendar.due_at != due_at:
        return None
    owner = await calendars.owner_of(calendar)
    if owner.archived:
        raise OwnerAwayError
    # Unchanged since yesterday, a file still means other days than yesterday: once a day it is read anew.
    is_todays = calendar.refreshed_at is not None and calendar.refreshed_at.date() == clock.now().date()
    return Turn(calendar.id, due_at, calendar.address, calendar.etag if is_todays else None, owner.timezone)


async def read_calendar(runtime: Runtime, tenant_key: str, turn: Turn) -> Reading:
    """Fetch and understand it; a failure is an answer too. No transaction may be open meanwhile."""
    fetcher = CalendarFetcher(AddressRules.of(runtime.settings))
    try:
        address = runtime.vault.decrypt(turn.sealed_address, tenant_key=tenant_key)
        fetched = await fetcher.fetch(httpx.URL(address), turn.etag)
        if fetched.content is None:
            return Reading(etag=fetched.etag)
        return Reading(await busy_times_in(fetched.content, _task(turn.zone, tenant_key)), fetched.etag)
    except DecryptionError:
        _log.error("external_calendar_address_unreadable", calendar_id=str(turn.calendar_id), practice=tenant_key)
        return Reading(failure=ReadFailure.ADDRESS_REFUSED)
    except ReadFailedError as error:
        return Reading(failure=error.failure)


def _task(zone: str, tenant_key: str) -> ParsingTask:
    """Our own appointments are left out: in a calendar that subscribes to our feed and is read by us they would
    stand in their own way."""
    now = clock.now().replace(microsecond=0)
    begins, ends = (int(moment.astimezone(UTC).timestamp()) for moment in (now - _BEFORE, now + _AHEAD))
    return ParsingTask(zone=zone, begins=begins, ends=ends, own_suffix=f"@{tenant_key}")


async def finish_turn(session: TenantSession, turn: Turn, reading: Reading) -> None:
    """Note what came of it and queue the next read. What was read by an address that has changed is dropped."""
    calendars = ExternalCalendarRepository(session)
    calendar = await calendars.lock(turn.calendar_id)
    if calendar is None or calendar.due_at != turn.due_at:
        return
    if reading.periods is not None:
        await calendars.replace_busy_times(calendar, reading.periods)
    _note(calendar, reading)
    if calendar.failure is not None:
        await announce_outage(session, calendar)
    calendar.due_at = next_due(calendar.failures)
    await publish_refresh(session, calendar)


def _note(calendar: ExternalCalendar, reading: Reading) -> None:
    calendar.tried_at = clock.now()
    calendar.failure = reading.failure
    if reading.failure is not None:
        calendar.failures += 1
        return
    calendar.failures, calendar.etag, calendar.refreshed_at = 0, reading.etag, calendar.tried_at
