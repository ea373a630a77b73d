"""Other calendars of practitioners: adding, changing, removing them, asking for a new read."""

from datetime import datetime
from uuid import UUID

from scheduling.external_calendars.addresses import AddressRules, read_address
from scheduling.external_calendars.errors import TooManyExternalCalendarsError
from scheduling.external_calendars.events import EXTERNAL_CALENDAR_REFRESH
from scheduling.external_calendars.models import ExternalCalendar
from scheduling.external_calendars.repository import ExternalCalendarRepository
from scheduling.external_calendars.schemas import ExternalCalendarCreate, ExternalCalendarPatch
from scheduling.external_calendars.staleness import due_when_asked
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime

MOST_CALENDARS = 10
"""Of one practitioner."""


async def list_calendars(
    session: TenantSession, practitioner_id: UUID | None, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[ExternalCalendar], str | None]:
    """A page of them, of one practitioner if named."""
    return await ExternalCalendarRepository(session).page(practitioner_id, limit=limit, cursor=cursor)


async def get_calendar(session: TenantSession, calendar_id: UUID) -> ExternalCalendar:
    """One of them. Raises :class:`NotFoundError`."""
    calendar = await ExternalCalendarRepository(session).find(calendar_id)
    if calendar is None:
        raise NotFoundError
    return calendar


async def add_calendar(session: TenantSession, runtime: Runtime, new: ExternalCalendarCreate) -> ExternalCalendar:
    """Read another calendar from now on, the first time at once.

    Raises :class:`InvalidInputError` for an unknown practitioner or an address that we don't open,
    :class:`TooManyExternalCalendarsError`.
    """
    calendars = ExternalCalendarRepository(session)
    if await calendars.lock_practitioner(new.practitioner_id) is None:
        raise InvalidInputError(["body", "practitioner_id"], f"there is no {new.practitioner_id}", "unknown_id")
    if await calendars.count(new.practitioner_id) >= MOST_CALENDARS:
        raise TooManyExternalCalendarsError(most=MOST_CALENDARS)
    sealed, host = _seal(session, runtime, new.address)
    now = clock.now()
    calendar = ExternalCalendar(
        id=new_id(),
        practitioner_id=new.practitioner_id,
        name=new.name,
        address=sealed,
        host=host,
        failures=0,
        due_at=now,
        created_at=now,
    )
    await calendars.add(calendar)
    await publish_refresh(session, calendar)
    return calendar


def _seal(session: TenantSession, runtime: Runtime, address: str) -> tuple[str, str]:
    """The address as it is stored, and what is shown of it."""
    url = read_address(address, AddressRules.of(runtime.settings))
    return runtime.vault.encrypt(str(url), tenant_key=session.tenant.key), url.host


async def change_calendar(
    session: TenantSession, runtime: Runtime, calendar_id: UUID, patch: ExternalCalendarPatch
) -> ExternalCalendar:
    """Another name, or another address, which is read at once; until then the old busy times stand.

    Raises :class:`NotFoundError`, :class:`InvalidInputError`.
    """
    calendar = await _lock(session, calendar_id)
    if patch.name is not None:
        calendar.name = patch.name
    if patch.address is not None:
        calendar.address, calendar.host = _seal(session, runtime, patch.address)
        calendar.etag = calendar.failure = None
        calendar.failures = 0
        await _read_at(session, calendar, clock.now())
    return calendar


async def remove_calendar(session: TenantSession, calendar_id: UUID) -> None:
    """Forget it and its busy times; the queue's row for it finds nothing. Raises :class:`NotFoundError`."""
    await ExternalCalendarRepository(session).delete(await _lock(session, calendar_id))


async def ask_for_refresh(session: TenantSession, calendar_id: UUID) -> ExternalCalendar:
    """Have it read now, or a minute after the last try. Raises :class:`NotFoundError`."""
    calendar = await _lock(session, calendar_id)
    due_at = due_when_asked(calendar)
    if due_at is not None:
        await _read_at(session, calendar, due_at)
    return calendar


async def _lock(session: TenantSession, calendar_id: UUID) -> ExternalCalendar:
    calendar = await ExternalCalendarRepository(session).lock(calendar_id)
    if calendar is None:
        raise NotFoundError
    return calendar


async def _read_at(session: TenantSession, calendar: ExternalCalendar, due_at: datetime) -> None:
    calendar.due_at = due_at
    await publish_refresh(session, calendar)


async def publish_refresh(session: TenantSession, calendar: ExternalCalendar) -> None:
    """Queue its next read. Whatever row was queued before carries another time and comes to nothing."""
    payload = {"calendar_id": str(calendar.id), "due_at": calendar.due_at.isoformat()}
    await publish(session, EXTERNAL_CALENDAR_REFRESH, payload, run_at=calendar.due_at)
