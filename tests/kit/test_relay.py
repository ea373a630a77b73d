"""The queue: handed over once, begun once, retried with back-off, parked, never lost."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert
from sqlalchemy.exc import ProgrammingError

from tenants.registry.service import TenantDirectory
from tests.support.practices import make_practice
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox import relay
from todoenbalance.kit.outbox.dispatch import Dispatcher
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.tasks import EventContext, RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import OutboxSettings
from todoenbalance.kit.tenancy import TenantContext

SETTINGS = OutboxSettings(in_flight=50, lease_seconds=60)


@pytest.fixture
async def fresh_practice(fresh_runtime: Runtime) -> TenantContext:
    """A practice in a database where nothing else is queued."""
    tenant = await make_practice(fresh_runtime)
    with clock.at(clock.now() + timedelta(days=2)):  # also what it does every day
        async with fresh_runtime.database.platform() as session:
            for row in await relay.hand_over_due(session, SETTINGS):
                await relay.finish(session, row.event_id)
    return tenant


async def hand_over(runtime: Runtime, settings: OutboxSettings = SETTINGS) -> list[relay.Handover]:
    async with runtime.database.platform() as session:
        return await relay.hand_over_due(session, settings)


async def row(runtime: Runtime, event_id: object) -> OutboxEvent | None:
    async with runtime.database.platform() as session:
        return await session.get(OutboxEvent, event_id)


class Recorder:
    """A handler that notes what it was given, and fails as told."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.seen: list[tuple[str, dict[str, object]]] = []

    async def __call__(self, context: TenantEventContext, payload: dict[str, object]) -> None:
        self.seen.append((context.tenant.key, payload))
        if self.failures:
            raise self.failures.pop(0)


def dispatcher(runtime: Runtime, handler: Recorder) -> Dispatcher:
    directory = TenantDirectory(runtime.database, runtime.settings)
    return Dispatcher(runtime, directory, {"test.happened": [handler]}, {})


class TestHandingOver:
    async def test_only_what_is_due_is_handed_over(self, fresh_runtime: Runtime, fresh_practice: TenantContext) -> None:
        now = clock.now()
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            due = await publish(session, "test.happened", {})
            later = await publish(session, "test.happened", {}, run_at=now + timedelta(hours=1))
        assert [item.event_id for item in await hand_over(fresh_runtime)] == [due]
        with clock.at(now + timedelta(hours=2)):
            assert {item.event_id for item in await hand_over(fresh_runtime)} == {due, later}  # due: lease is over

    async def test_relays_that_meet_share_the_rows(self, fresh_runtime: Runtime, fresh_practice: TenantContext) -> None:
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            published = {await publish(session, "test.happened", {"n": n}) for n in range(40)}
        settings = SETTINGS.model_copy(update={"in_flight": 7})
        batches = await asyncio.gather(*(hand_over(fresh_runtime, settings) for _ in range(10)))
        handed = [item.event_id for batch in batches for item in batch]
        assert len(handed) == len(set(handed))
        assert set(handed) <= published

    async def test_a_rolled_back_change_leaves_no_event(
        self, fresh_runtime: Runtime, fresh_practice: TenantContext
    ) -> None:
        with pytest.raises(KeyError):
            async with fresh_runtime.database.tenant(fresh_practice) as session:
                await publish(session, "test.happened", {})
                raise KeyError
        assert await hand_over(fresh_runtime) == []


class TestFairShare:
    async def world(self, runtime: Runtime, *counts: int) -> list[str]:
        """Practices with so many due rows each; whoever comes later has younger ones. Answers their keys."""
        tenants = [await make_practice(runtime) for _ in counts]
        async with runtime.database.platform() as session:
            await session.execute(delete(OutboxEvent))
        now = clock.now()
        for position, (tenant, count) in enumerate(zip(tenants, counts, strict=True)):
            async with runtime.database.tenant(tenant) as session:
                for _ in range(count):
                    due_at = now - timedelta(seconds=60 - position)
                    await publish(session, "test.happened", {}, run_at=due_at)
        return [tenant.key for tenant in tenants]

    async def drain(self, runtime: Runtime, settings: OutboxSettings) -> list[str]:
        """As one worker does it, first come first served; answers whose rows ran, in order."""
        ran: list[str] = []
        line: list[relay.Handover] = []
        while True:
            line += await hand_over(runtime, settings)
            if not line:
                return ran
            assert len(line) <= settings.in_flight
            item = line.pop(0)
            async with runtime.database.platform() as session:
                delivery = await relay.begin(session, item.event_id, item.attempt)
                assert delivery is not None
                await relay.finish(session, item.event_id)
            ran.append(str(delivery.tenant_key))

    async def test_one_practices_mass_delays_nobody_and_goes_on(self, fresh_runtime: Runtime) -> None:
        _, *small = keys = await self.world(fresh_runtime, 60, 3, 3, 3)
        settings = SETTINGS.model_copy(update={"in_flight": 8})
        ran = await self.drain(fresh_runtime, settings)
        assert [ran.count(key) for key in keys] == [60, 3, 3, 3]  # each row once
        last = max(position for position, key in enumerate(ran) if key in small)
        assert last < 3 * 4 + settings.in_flight  # three rounds of four, and what stood in line
        assert ran[:4] == keys  # nor does anybody's little hold up the mass

    async def test_who_comes_later_waits_for_what_stands_in_line_alone(self, fresh_runtime: Runtime) -> None:
        big, late = await self.world(fresh_runtime, 60, 0)
        settings = SETTINGS.model_copy(update={"in_flight": 8})
        first = await hand_over(fresh_runtime, settings)
        assert len(first) == 8
        assert await hand_over(fresh_runtime, settings) == []  # not even when asked again
        async with fresh_runtime.database.platform() as session:
            newcomer = await publish(session, "test.happened", {}, tenant_key=late)
            for item in first[:4]:
                assert await relay.begin(session, item.event_id, item.attempt)
        assert newcomer in [item.event_id for item in await hand_over(fresh_runtime, settings)][:2]
        assert big != late

    async def test_who_comes_last_to_more_practices_than_there_is_room_for_waits_its_share(
        self, fresh_runtime: Runtime
    ) -> None:
        await self.world(fresh_runtime)
        settings, now = SETTINGS.model_copy(update={"in_flight": 4}), clock.now()
        async with fresh_runtime.database.platform() as session:
            for n in range(240):
                due_at = now - timedelta(seconds=60)
                await publish(session, "test.happened", {}, tenant_key=f"practice_{n % 12}", run_at=due_at)
            await publish(session, "test.happened", {}, tenant_key="late")
        ran = await self.drain(fresh_runtime, settings)
        # Each time one of thirteen: that it is none of so many has a chance of one in a million.
        assert ran.index("late") < 200
        assert len(ran) == 241

    async def test_a_broker_that_lost_the_line_holds_nothing_up_for_longer_than_the_lease(
        self, fresh_runtime: Runtime
    ) -> None:
        await self.world(fresh_runtime, 20)
        settings = SETTINGS.model_copy(update={"in_flight": 8})
        lost = await hand_over(fresh_runtime, settings)
        with clock.at(clock.now() + timedelta(seconds=settings.lease_seconds + 1)):
            again = await hand_over(fresh_runtime, settings)
        assert len(again) == 8
        assert not {(item.event_id, item.attempt) for item in lost} & {(it.event_id, it.attempt) for it in again}


class TestDelivering:
    async def test_a_delivered_event_is_gone_and_its_handler_was_bound_to_its_practice(
        self, fresh_runtime: Runtime, fresh_practice: TenantContext
    ) -> None:
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            event_id = await publish(session, "test.happened", {"n": 1})
        handler = Recorder()
        [item] = await hand_over(fresh_runtime)
        assert await dispatcher(fresh_runtime, handler).deliver(item.event_id, item.attempt)
        assert handler.seen == [(fresh_practice.key, {"n": 1})]
        assert await row(fresh_runtime, event_id) is None

    async def test_a_message_that_the_broker_repeats_is_begun_once(
        self, fresh_runtime: Runtime, fresh_practice: TenantContext
    ) -> None:
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            await publish(session, "test.happened", {})
        handler = Recorder(RetryLaterError("not yet", 60))
        [item] = await hand_over(fresh_runtime)
        worker = dispatcher(fresh_runtime, handler)
        results = await asyncio.gather(*(worker.deliver(item.event_id, item.attempt) for _ in range(8)))
        assert sum(results) == 1
        assert len(handler.seen) == 1

    async def test_a_worker_that_died_is_followed_by_another_after_the_lease(
        self, fresh_runtime: Runtime, fresh_practice: TenantContext
    ) -> None:
        now = clock.now()
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            await publish(session, "test.happened", {})
        [first] = await hand_over(fresh_runtime)
        async with fresh_runtime.database.platform() as session:
            assert await relay.begin(session, first.event_id, first.attempt)  # and the process is killed here
        assert await hand_over(fresh_runtime) == []
        handler = Recorder()
        with clock.at(now + timedelta(seconds=SETTINGS.lease_seconds + 1)):
            [second] = await hand_over(fresh_runtime)
            assert await dispatcher(fresh_runtime, handler).deliver(second.event_id, second.attempt)
        assert len(handler.seen) == 1

    async def test_failures_back_off_and_then_park_and_block_nobody(
        self, fresh_runtime: Runtime, fresh_practice: TenantContext
    ) -> None:
        settings = fresh_runtime.settings.outbox
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            poisoned = await publish(session, "test.happened", {"n": 1})
            fine = await publish(session, "test.happened", {"n": 2})
        handler = Recorder(*(ValueError(f"broken {n}") for n in range(100)))
        worker = dispatcher(fresh_runtime, handler)
        now, waits = clock.now(), []
        for _ in range(settings.max_attempts):
            state = await row(fresh_runtime, poisoned)
            assert state is not None
            assert state.parked_at is None
            now = max(now, state.run_at) + timedelta(seconds=1)
            with clock.at(now):
                for item in await hand_over(fresh_runtime):
                    if item.event_id == poisoned:
                        await worker.deliver(item.event_id, item.attempt)
            state = await row(fresh_runtime, poisoned)
            assert state is not None
            waits.append((state.run_at - now).total_seconds())
        assert state is not None
        assert state.parked_at is not None
        assert "ValueError: broken" in (state.last_error or "")
        assert waits[4] > waits[0]
        assert waits[0] <= settings.backoff_base_seconds
        handler.failures.clear()
        with clock.at(now + timedelta(days=1)):
            [item] = await hand_over(fresh_runtime)
            assert item.event_id == fine
            assert await worker.deliver(item.event_id, item.attempt)

    async def test_not_yet_never_parks(self, fresh_runtime: Runtime, fresh_practice: TenantContext) -> None:
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            event_id = await publish(session, "test.happened", {})
        handler = Recorder(*(RetryLaterError("not yet", 1) for _ in range(30)))
        worker, now = dispatcher(fresh_runtime, handler), clock.now()
        for turn in range(30):
            with clock.at(now + timedelta(seconds=2 * turn)):
                [item] = await hand_over(fresh_runtime)
                await worker.deliver(item.event_id, item.attempt)
        state = await row(fresh_runtime, event_id)
        assert state is not None
        assert state.parked_at is None

    async def test_one_that_kills_its_worker_each_time_is_parked_in_the_end(
        self, fresh_runtime: Runtime, fresh_practice: TenantContext
    ) -> None:
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            event_id = await publish(session, "test.happened", {})
        now = clock.now()
        for turn in range(SETTINGS.max_attempts):
            with clock.at(now + timedelta(hours=turn)):
                [item] = await hand_over(fresh_runtime)
                async with fresh_runtime.database.platform() as session:
                    assert await relay.begin(session, item.event_id, item.attempt)  # and the process is killed here
        with clock.at(now + timedelta(hours=24)):
            assert await hand_over(fresh_runtime) == []
        state = await row(fresh_runtime, event_id)
        assert state is not None
        assert state.parked_at is not None
        assert state.last_error == "its worker died"

    @pytest.mark.parametrize("dies", [True, False])
    async def test_whoever_subscribed_to_that_is_told_of_a_parked_row_once(
        self, fresh_runtime: Runtime, fresh_practice: TenantContext, *, dies: bool
    ) -> None:
        settings = SETTINGS.model_copy(update={"max_attempts": 1})
        outbox = {"outbox": settings}
        runtime = replace(fresh_runtime, settings=fresh_runtime.settings.model_copy(update=outbox))
        directory = TenantDirectory(runtime.database, runtime.settings)
        poison, notices = Recorder(*(ValueError("broken") for _ in range(9))), Recorder(RuntimeError("for now"))
        topic = relay.parked_topic("test.happened")
        worker = Dispatcher(runtime, directory, {"test.happened": [poison], topic: [notices]}, {})
        async with runtime.database.tenant(fresh_practice) as session:
            parked = await publish(session, "test.happened", {"n": 1})
            await publish(session, "test.untold", {})
        now = clock.now()
        for item in await hand_over(runtime, settings):
            if dies and item.event_id == parked:
                async with runtime.database.platform() as session:
                    await relay.begin(session, item.event_id, item.attempt)
            else:
                await worker.deliver(item.event_id, item.attempt)
        lenient = Dispatcher(fresh_runtime, directory, {"test.happened": [poison], topic: [notices]}, {})
        patient = settings.model_copy(update={"max_attempts": 5})
        for turn, own in enumerate((settings, patient, patient), 1):  # telling is retried like any work of the queue
            with clock.at(now + timedelta(hours=turn)):
                async with runtime.database.platform() as session:
                    batch = await relay.hand_over_due(session, own, told=worker.told)
                for item in batch:
                    await lenient.deliver(item.event_id, item.attempt)
        assert notices.seen == [(fresh_practice.key, {"n": 1, "parked_id": str(parked)})] * 2
        state = await row(runtime, parked)
        assert state is not None
        assert state.parked_at is not None

    async def test_a_topic_that_nobody_subscribed_to_is_kept_for_a_person(
        self, fresh_runtime: Runtime, fresh_practice: TenantContext
    ) -> None:
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            event_id = await publish(session, "test.unheard", {})
        [item] = await hand_over(fresh_runtime)
        await dispatcher(fresh_runtime, Recorder()).deliver(item.event_id, item.attempt)
        state = await row(fresh_runtime, event_id)
        assert state is not None
        assert "UnboundEventError" in (state.last_error or "")


class TestThePlatformsOwnEvents:
    async def test_are_handled_without_a_practice(self, fresh_runtime: Runtime, fresh_practice: TenantContext) -> None:
        seen: list[dict[str, object]] = []

        async def handler(context: EventContext, payload: dict[str, object]) -> None:
            assert not isinstance(context, TenantEventContext)
            seen.append(payload)

        async with fresh_runtime.database.platform() as session:
            event_id = await publish(session, "test.happened", {"n": 1})
        [item] = await hand_over(fresh_runtime)
        directory = TenantDirectory(fresh_runtime.database, fresh_runtime.settings)
        theirs = Recorder()
        worker = Dispatcher(fresh_runtime, directory, {"test.happened": [theirs]}, {"test.happened": [handler]})
        assert await worker.deliver(item.event_id, item.attempt)
        assert (seen, theirs.seen) == ([{"n": 1}], [])
        assert await row(fresh_runtime, event_id) is None

    async def test_can_not_be_made_by_a_practice(self, fresh_runtime: Runtime, fresh_practice: TenantContext) -> None:
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with fresh_runtime.database.tenant(fresh_practice) as session:
                now = clock.now()
                values: dict[str, object] = {
                    "id": new_id(),
                    "tenant": None,
                    "topic": "subscription.align",
                    "payload": {},
                    "run_at": now,
                }
                await session.execute(insert(OutboxEvent).values(**values))
        async with fresh_runtime.database.tenant(fresh_practice) as session:
            event_id = await publish(session, "subscription.align", {"tenant_id": str(fresh_practice.id)})
        [item] = await hand_over(fresh_runtime)
        calls = Recorder()
        directory = TenantDirectory(fresh_runtime.database, fresh_runtime.settings)
        platforms = {"subscription.align": [calls]}
        worker = Dispatcher(fresh_runtime, directory, {}, platforms)  # type: ignore[arg-type]  # it must not be called
        await worker.deliver(item.event_id, item.attempt)
        state = await row(fresh_runtime, event_id)
        assert state is not None
        assert "UnboundEventError" in (state.last_error or "")
        assert calls.seen == []
