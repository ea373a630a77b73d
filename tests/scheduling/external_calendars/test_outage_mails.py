"""Whose calendar can't be read any more is told once an outage, and once more after a day."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from scheduling.catalogue.models import Practitioner
from scheduling.external_calendars.mails import STALE
from scheduling.external_calendars.models import ExternalCalendar
from tenants.accounts.models import Staff, StaffRole
from tests.support.calendar_server import CalendarServer, calendar_server
from tests.support.events import run_due_events
from tests.support.external_calendars import add_external_calendar, ics, private_addresses, refreshes
from tests.support.mails import assert_speaks, logs_of, mails_of
from tests.support.practices import make_practice, make_staff_member
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def server(runtime: Runtime) -> Iterator[CalendarServer]:
    """Somebody's calendar on this machine, which may be read."""
    register_composers()
    with private_addresses(runtime), calendar_server() as made:
        made.serves(ics())
        yield made


async def next_read(runtime: Runtime, practice: TenantContext, times: int = 1) -> datetime:
    """Let it be read so often, each time when its turn comes; answers when that was last."""
    for _ in range(times):
        (row,) = await refreshes(runtime, practice)
        with clock.at(row.run_at):
            await run_due_events(runtime, practice)
    return row.run_at


@pytest.mark.parametrize("language", ["es", "en"])
async def test_once_an_outage_and_once_more_after_a_day(
    runtime: Runtime, server: CalendarServer, language: str
) -> None:
    practice = await make_practice(runtime, locale=language)
    staff = await make_staff_member(runtime, practice)
    with clock.at(NOON):
        calendar_id = await add_external_calendar(runtime, practice, server.url(), name="Google")
        async with runtime.database.tenant(practice) as session:
            calendar = await session.get_one(ExternalCalendar, calendar_id)
            (await session.get_one(Practitioner, calendar.practitioner_id)).staff_id = staff.id
        await run_due_events(runtime, practice)

    async def told() -> int:
        return len(await logs_of(runtime, practice, STALE))

    server.serves(b"", status=404)
    await next_read(runtime, practice, 2)
    assert await told() == 0  # a hiccup is no outage
    assert await next_read(runtime, practice) < NOON + timedelta(hours=3)
    assert await told() == 1
    await next_read(runtime, practice, 3)
    assert await told() == 1
    while await next_read(runtime, practice) < NOON + timedelta(days=4):
        pass
    assert await told() == 2
    mails = await mails_of(runtime, practice, staff.email)
    assert len(mails) == 2
    assert_speaks(language, mails[0], practice.name, "Google")

    server.serves(ics())
    await next_read(runtime, practice)
    server.serves(b"", status=404)
    await next_read(runtime, practice, 3)
    assert await told() == 3  # another outage


async def test_of_whom_was_let_go_the_owners_are_told(runtime: Runtime, server: CalendarServer) -> None:
    practice = await make_practice(runtime)
    owner = await make_staff_member(runtime, practice)
    gone = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
    with clock.at(NOON):
        calendar_id = await add_external_calendar(runtime, practice, server.url(), name="Google")
        async with runtime.database.tenant(practice) as session:
            calendar = await session.get_one(ExternalCalendar, calendar_id)
            (await session.get_one(Practitioner, calendar.practitioner_id)).staff_id = gone.id
            (await session.get_one(Staff, gone.id)).is_active = False
        await run_due_events(runtime, practice)
    server.serves(b"", status=404)
    await next_read(runtime, practice, 3)
    assert len(await mails_of(runtime, practice, owner.email)) == 1
    assert await mails_of(runtime, practice, gone.email) == []
