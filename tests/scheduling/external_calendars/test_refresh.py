"""The job: reading again and again, one chain for each calendar, and what stays when a read fails."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from uuid import UUID

import pytest
from sqlalchemy import QueuePool, delete, text

from scheduling.catalogue.models import Practitioner
from scheduling.external_calendars import refresh, service
from scheduling.external_calendars.models import ExternalBusyTime
from scheduling.external_calendars.schemas import ExternalCalendarPatch
from scheduling.external_calendars.staleness import is_stale
from scheduling.external_calendars.tasks import refresh_calendar
from tenants.registry.models import TenantStatus
from tests.support.calendar_server import CalendarServer, calendar_server
from tests.support.events import run_due_events
from tests.support.external_calendars import (
    add_external_calendar,
    busy_times,
    ics,
    private_addresses,
    refreshes,
    stored_calendar,
)
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVENT = "one 20260303T100000Z 20260303T110000Z"
PERIOD = (datetime(2026, 3, 3, 10, tzinfo=UTC), datetime(2026, 3, 3, 11, tzinfo=UTC))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def server(runtime: Runtime) -> Iterator[CalendarServer]:
    """Somebody's calendar on this machine, which may be read."""
    with private_addresses(runtime), calendar_server() as made:
        made.serves(ics(EVENT), ETag='"1"')
        yield made


async def run_at(runtime: Runtime, practice: TenantContext, moment: datetime) -> int:
    """How many reads there were of the server by the jobs that are due then."""
    with clock.at(moment):
        return await run_due_events(runtime, practice)


async def added(runtime: Runtime, practice: TenantContext, server: CalendarServer, at: datetime = NOON) -> UUID:
    """A calendar that has been read once."""
    with clock.at(at):
        calendar_id = await add_external_calendar(runtime, practice, server.url())
        await run_due_events(runtime, practice)
    return calendar_id


async def ask(runtime: Runtime, practice: TenantContext, calendar_id: UUID, at: datetime) -> None:
    with clock.at(at):
        async with runtime.database.tenant(practice) as session:
            await service.ask_for_refresh(session, calendar_id)


class TestReading:
    async def test_a_new_calendar_is_read_at_once_and_again_in_a_quarter_of_an_hour(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        assert await busy_times(runtime, practice) == [PERIOD]
        calendar = await stored_calendar(runtime, practice, calendar_id)
        assert (calendar.refreshed_at, calendar.tried_at, calendar.failure, calendar.etag) == (NOON, NOON, None, '"1"')
        (row,) = await refreshes(runtime, practice)
        assert 13 * MINUTE < row.run_at - NOON < 17 * MINUTE
        assert row.payload == {"calendar_id": str(calendar_id), "due_at": calendar.due_at.isoformat()}

    async def test_what_changed_replaces_what_was_and_what_stays_keeps_its_row(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        await added(runtime, practice, server)
        async with runtime.database.tenant(practice) as session:
            before = (await session.execute(text("SELECT id FROM external_busy_times"))).scalar_one()
        server.serves(ics(EVENT, "two 20260304T100000Z 20260304T110000Z"))
        await run_at(runtime, practice, NOON + 20 * MINUTE)
        assert len(await busy_times(runtime, practice)) == 2
        async with runtime.database.tenant(practice) as session:
            assert await session.get(ExternalBusyTime, before) is not None
        server.serves(ics("two 20260304T100000Z 20260304T110000Z"))
        await run_at(runtime, practice, NOON + 40 * MINUTE)
        assert [start.day for start, _end in await busy_times(runtime, practice)] == [4]
        server.serves(ics())
        await run_at(runtime, practice, NOON + 60 * MINUTE)
        assert await busy_times(runtime, practice) == []

    async def test_unchanged_is_fresh_and_read_anew_the_next_day(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        await run_at(runtime, practice, NOON + 20 * MINUTE)
        assert (await stored_calendar(runtime, practice, calendar_id)).refreshed_at == NOON + 20 * MINUTE
        assert await busy_times(runtime, practice) == [PERIOD]
        await run_at(runtime, practice, NOON + timedelta(days=1))
        assert [headers.get("if-none-match") for _path, headers in server.asked] == [None, '"1"', None]

    async def test_our_own_appointments_that_come_back_are_left_out(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        server.serves(ics(f"x@{practice.key} 20260303T100000Z 20260303T110000Z"))
        await added(runtime, practice, server)
        assert await busy_times(runtime, practice) == []

    async def test_many_periods_are_stored(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        first = datetime(2026, 3, 3, tzinfo=UTC)
        moments = [first + timedelta(hours=2 * n) for n in range(1500)]
        form = "%Y%m%dT%H%M%SZ"
        server.serves(ics(*(f"{n} {m:{form}} {m + timedelta(hours=1):{form}}" for n, m in enumerate(moments))))
        await added(runtime, practice, server)
        assert await busy_times(runtime, practice) == [(one, one + timedelta(hours=1)) for one in moments]

    async def test_no_connection_waits_for_the_other_server(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        pool = runtime.database.engine.pool
        assert isinstance(pool, QueuePool)
        held: list[int] = []
        answer = server.answers["/calendar.ics"]

        def watching(request: BaseHTTPRequestHandler) -> None:
            held.append(pool.checkedout())
            answer(request)

        server.answers["/calendar.ics"] = watching
        await added(runtime, practice, server)
        assert held == [0]

    async def test_a_suspended_practices_calendars_wait(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        (row,) = await refreshes(runtime, practice)
        suspended = replace(practice, status=TenantStatus.SUSPENDED)
        context = TenantEventContext(runtime, row.id, row.topic, 1, suspended)
        with pytest.raises(RetryLaterError):
            await refresh_calendar(context, row.payload)
        assert len(server.asked) == 1
        assert (await stored_calendar(runtime, practice, calendar_id)).tried_at == NOON

    async def test_the_calendar_of_a_practitioner_who_left_is_not_read_until_they_are_back(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        (row,) = await refreshes(runtime, practice)
        owner_id = (await stored_calendar(runtime, practice, calendar_id)).practitioner_id
        context = TenantEventContext(runtime, row.id, row.topic, 1, practice)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, owner_id)).archived = True
        with pytest.raises(RetryLaterError):
            await refresh_calendar(context, row.payload)
        assert len(server.asked) == 1
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, owner_id)).archived = False
        await refresh_calendar(context, row.payload)
        assert len(server.asked) == 2

    async def test_what_is_not_allowed_here_is_not_read_though_it_was_when_it_was_added(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        with calendar_server() as server:
            server.serves(ics(EVENT))
            with private_addresses(runtime), clock.at(NOON):
                calendar_id = await add_external_calendar(runtime, practice, server.url())
            await run_at(runtime, practice, NOON)
            assert server.asked == []
        assert (await stored_calendar(runtime, practice, calendar_id)).failure == "address_refused"


class TestFailing:
    async def test_the_last_good_times_stay_and_the_waits_grow(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        moment, waits = NOON, []
        for content, status in [(b"<html>", 200), (b"", 500), *[(b"", 404)] * 6]:
            server.serves(content, status=status)
            (row,) = await refreshes(runtime, practice)
            moment = row.run_at
            await run_at(runtime, practice, moment)
            (row,) = await refreshes(runtime, practice)
            waits.append((row.run_at - moment) / MINUTE)
        expected = [15, 30, 60, 120, 240, 360, 360, 360]
        assert all(0.9 * wait <= got <= 1.1 * wait for got, wait in zip(waits, expected, strict=True)), waits
        calendar = await stored_calendar(runtime, practice, calendar_id)
        assert (calendar.refreshed_at, calendar.tried_at) == (NOON, moment)
        assert (calendar.failure, calendar.failures) == ("not_found", 8)
        assert await busy_times(runtime, practice) == [PERIOD]
        server.serves(ics(EVENT))
        await ask(runtime, practice, calendar_id, moment + 5 * MINUTE)
        await run_at(runtime, practice, moment + 5 * MINUTE)
        calendar = await stored_calendar(runtime, practice, calendar_id)
        assert (calendar.failure, calendar.failures, calendar.refreshed_at) == (None, 0, moment + 5 * MINUTE)

    async def test_it_is_stale_unread_after_two_hours_or_three_failures(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        with clock.at(NOON):
            unread = await add_external_calendar(runtime, practice, server.url())
            assert is_stale(await stored_calendar(runtime, practice, unread))
        await run_at(runtime, practice, NOON)
        calendar = await stored_calendar(runtime, practice, unread)
        for age, failures, expected in ((0, 0, False), (120, 2, False), (121, 0, True), (5, 3, True)):
            calendar.failures = failures
            with clock.at(NOON + age * MINUTE):
                assert is_stale(calendar) is expected

    async def test_an_address_that_no_key_opens_is_a_failure_and_not_the_end(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        async with runtime.database.tenant(practice) as session:
            await session.execute(text("UPDATE external_calendars SET address = 'gone:AAAA'"))
        await run_at(runtime, practice, NOON + 20 * MINUTE)
        assert (await stored_calendar(runtime, practice, calendar_id)).failure == "address_refused"
        assert len(await refreshes(runtime, practice)) == 1


class TestOneChain:
    async def test_asking_does_not_multiply_it(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        for minutes in (2, 3, 4, 5, 6):
            await ask(runtime, practice, calendar_id, NOON + minutes * MINUTE)
            await ask(runtime, practice, calendar_id, NOON + minutes * MINUTE)
            await run_at(runtime, practice, NOON + minutes * MINUTE)
        assert len(server.asked) == 6
        # The rows that were overtaken come to nothing when their time comes.
        for hours in (1, 2, 3):
            await run_at(runtime, practice, NOON + timedelta(hours=hours))
            assert len(server.asked) == 6 + hours
            assert len(await refreshes(runtime, practice)) == 1

    async def test_asking_again_and_again_reads_once_a_minute(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        for seconds in range(1, 120, 10):
            moment = NOON + timedelta(seconds=seconds)
            await ask(runtime, practice, calendar_id, moment)
            await run_at(runtime, practice, moment)
        assert len(server.asked) == 2

    async def test_a_delivery_that_comes_twice_reads_once(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        (row,) = await refreshes(runtime, practice)
        async with runtime.database.platform() as session:
            session.add(
                OutboxEvent(
                    id=UUID(int=row.id.int ^ 1), tenant=row.tenant, topic=row.topic, payload=row.payload,
                    run_at=row.run_at, attempts=0, started_attempt=0, failures=0,
                )
            )  # fmt: skip
        await run_at(runtime, practice, row.run_at)
        assert len(server.asked) == 2
        assert len(await refreshes(runtime, practice)) == 1
        assert (await stored_calendar(runtime, practice, calendar_id)).refreshed_at == row.run_at

    async def test_two_at_once_leave_one(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        with clock.at(NOON):
            calendar_id = await add_external_calendar(runtime, practice, server.url())
            async with runtime.database.tenant(practice) as session:
                turn = await refresh.begin_turn(session, calendar_id, NOON)
            assert turn is not None
            reading = await refresh.read_calendar(runtime, practice.key, turn)

            async def finish() -> None:
                async with runtime.database.tenant(practice) as session:
                    await refresh.finish_turn(session, turn, reading)

            await asyncio.gather(*(finish() for _ in range(4)))
        assert await busy_times(runtime, practice) == [PERIOD]
        assert len(await refreshes(runtime, practice)) == 2  # the first, not yet run, and the one next

    async def test_what_was_read_by_the_former_address_is_dropped(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        server.serves(ics("new 20260305T100000Z 20260305T110000Z"), path="/new.ics")
        with clock.at(NOON):
            calendar_id = await add_external_calendar(runtime, practice, server.url())
            async with runtime.database.tenant(practice) as session:
                turn = await refresh.begin_turn(session, calendar_id, NOON)
            assert turn is not None
            reading = await refresh.read_calendar(runtime, practice.key, turn)
        with clock.at(NOON + MINUTE):
            async with runtime.database.tenant(practice) as session:
                patch = ExternalCalendarPatch(address=server.url("/new.ics"))
                await service.change_calendar(session, runtime, calendar_id, patch)
            async with runtime.database.tenant(practice) as session:
                await refresh.finish_turn(session, turn, reading)
            assert await busy_times(runtime, practice) == []
            await run_due_events(runtime, practice)
        assert [start.day for start, _end in await busy_times(runtime, practice)] == [5]
        assert len(await refreshes(runtime, practice)) == 1

    async def test_it_ends_with_the_calendar(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        async with runtime.database.tenant(practice) as session:
            await service.remove_calendar(session, calendar_id)
        assert await busy_times(runtime, practice) == []
        await run_at(runtime, practice, NOON + timedelta(hours=1))
        assert len(server.asked) == 1
        assert await refreshes(runtime, practice) == []

    async def test_a_calendar_that_lost_its_row_begins_again_when_somebody_asks(
        self, runtime: Runtime, practice: TenantContext, server: CalendarServer
    ) -> None:
        calendar_id = await added(runtime, practice, server)
        async with runtime.database.platform() as session:
            await session.execute(delete(OutboxEvent).where(OutboxEvent.tenant == practice.key))
        late = NOON + timedelta(hours=5)
        await ask(runtime, practice, calendar_id, late)
        await run_at(runtime, practice, late)
        assert (await stored_calendar(runtime, practice, calendar_id)).refreshed_at == late
        assert len(await refreshes(runtime, practice)) == 1
