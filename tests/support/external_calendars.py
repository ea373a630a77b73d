"""A practitioner with an external calendar, read from a server on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import select

from scheduling.external_calendars import service
from scheduling.external_calendars.events import EXTERNAL_CALENDAR_REFRESH
from scheduling.external_calendars.models import ExternalBusyTime, ExternalCalendar
from scheduling.external_calendars.parsing import Period
from scheduling.external_calendars.schemas import ExternalCalendarCreate
from tests.support.events import queued
from tests.support.scheduling import make_practitioner
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@contextmanager
def private_addresses(runtime: Runtime) -> Iterator[None]:
    """Within the block this machine may be read from."""
    settings = runtime.settings.providers.external_calendars
    settings.allow_private_addresses = True
    try:
        yield
    finally:
        settings.allow_private_addresses = False


def ics(*events: str) -> bytes:
    """A file with these events: UID, start, end, separated by spaces."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Test//EN"]
    for event in events:
        uid, start, end = event.split()
        lines += ["BEGIN:VEVENT", f"UID:{uid}", f"DTSTART:{start}", f"DTEND:{end}", "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


async def add_external_calendar(runtime: Runtime, tenant: TenantContext, address: str, name: str = "Google") -> UUID:
    """A new practitioner's, queued to be read."""
    async with runtime.database.tenant(tenant) as session:
        owner = await make_practitioner(session)
        new = ExternalCalendarCreate(practitioner_id=owner.id, name=name, address=address)
        return (await service.add_calendar(session, runtime, new)).id


async def stored_calendar(runtime: Runtime, tenant: TenantContext, calendar_id: UUID) -> ExternalCalendar:
    """As the database has it."""
    async with runtime.database.tenant(tenant) as session:
        return await session.get_one(ExternalCalendar, calendar_id)


async def busy_times(runtime: Runtime, tenant: TenantContext) -> list[Period]:
    """All of the practice, in order."""
    async with runtime.database.tenant(tenant) as session:
        rows = await session.scalars(select(ExternalBusyTime).order_by(ExternalBusyTime.starts_at))
        return [(row.starts_at, row.ends_at) for row in rows]


async def refreshes(runtime: Runtime, tenant: TenantContext) -> list[OutboxEvent]:
    """The queue's rows that would read a calendar."""
    return [row for row in await queued(runtime, tenant) if row.topic == EXTERNAL_CALENDAR_REFRESH]
