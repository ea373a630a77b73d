"""Operators are told of what waits: once a day if it is new, at once if nothing tries it again, and never twice."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, select, text, update

from billing.accounts.models import EventTrouble
from notifications.operator_mails.events import OPERATOR_MAIL_SEND as SEND
from tenants.registry.models import Tenant
from tests.support import operator_mails as support
from tests.support.blocked import until_blocked
from tests.support.events import run_platform_events
from tests.support.operator_mails import DAY, mail_rows, operator_mails
from tests.support.operators import make_operator
from tests.support.practices import make_practice
from todoenbalance.broker import make_celery
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.mails.kinds import OPERATOR_ALARM, OPERATOR_NEWS
from todoenbalance.operators.models import Operator
from todoenbalance.operators.waiting.models import WaitingNews
from todoenbalance.operators.waiting.repository import Section
from todoenbalance.operators.waiting.service import list_waiting, look, on_disagreement_found

MORNING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
"""A Monday, eight in Madrid: the hour of the news."""
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
async def runtime(fresh_runtime: Runtime) -> Runtime:
    """A platform of the test's own, with one operator."""
    await make_operator(fresh_runtime, "olga@example.com")
    return fresh_runtime


@pytest.fixture
async def practice(runtime: Runtime) -> TenantContext:
    """One that something can be about."""
    return await make_practice(runtime)


async def test_what_the_beat_asks_for_is_done_by_a_worker(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = make_celery(runtime.settings).conf.beat_schedule["waiting"]
    for name in ("database_url", "redis_url", "secret_keys"):
        monkeypatch.setenv(f"TODOENBALANCE_{name.upper()}", getattr(runtime.settings, name).get_secret_value())
    monkeypatch.setenv("TODOENBALANCE_ENVIRONMENT", "test")
    await support.park_task(runtime)
    code = f"from todoenbalance.worker import celery_app; celery_app.tasks[{entry['task']!r}]()"
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await worker.wait() == 0
    async with runtime.database.platform() as session:
        queued = (
            await session.scalars(select(OutboxEvent.payload["kind"].astext).where(OutboxEvent.topic == SEND))
        ).all()
    assert len(queued) == 1


async def look_at(runtime: Runtime, moment: datetime) -> list[str]:
    """Look, and send what comes of it; the kinds that were sent."""
    before = len(await operator_mails(runtime))
    with clock.at(moment):
        await look(runtime)
        await run_platform_events(runtime)
        news, alarms = await mail_rows(runtime, OPERATOR_NEWS), await mail_rows(runtime, OPERATOR_ALARM)
    sent = sorted([*news, *alarms], key=lambda row: row.id)
    return [row.kind for row in sent][before:]


class TestNews:
    async def test_nothing_is_said_where_nothing_waits(self, runtime: Runtime) -> None:
        for day in range(3):
            assert await look_at(runtime, MORNING + day * DAY) == []

    async def test_once_a_day_and_only_if_something_is_new(self, runtime: Runtime) -> None:
        await support.park_webhook(runtime)
        assert await look_at(runtime, MORNING - MINUTE) == []
        assert await look_at(runtime, MORNING + MINUTE) == [OPERATOR_NEWS]
        assert await look_at(runtime, MORNING + 2 * MINUTE) == []
        await support.park_webhook(runtime)
        assert await look_at(runtime, MORNING + 3 * HOUR) == []
        assert await look_at(runtime, MORNING + DAY) == [OPERATOR_NEWS]
        assert await look_at(runtime, MORNING + 2 * DAY) == []
        *_, mail = await operator_mails(runtime)
        assert "2" in mail.text

    async def test_the_hour_is_that_of_the_wall_clock_also_after_it_was_changed(self, runtime: Runtime) -> None:
        summer = datetime(2026, 3, 30, 6, 0, tzinfo=UTC)
        await support.park_webhook(runtime)
        assert await look_at(runtime, summer - MINUTE) == []
        assert await look_at(runtime, summer) == [OPERATOR_NEWS]

    async def test_a_beat_that_was_down_in_the_morning_makes_up_for_it(self, runtime: Runtime) -> None:
        await support.park_webhook(runtime)
        assert await look_at(runtime, MORNING + 9 * HOUR) == [OPERATOR_NEWS]
        assert await look_at(runtime, MORNING + DAY) == []

    async def test_what_went_away_and_came_again_is_new(self, runtime: Runtime) -> None:
        with clock.at(MORNING):
            event_id = await support.park_task(runtime)
        assert await look_at(runtime, MORNING) == [OPERATOR_NEWS]
        async with runtime.database.platform() as session:
            mine = update(OutboxEvent).where(OutboxEvent.id == event_id)
            await session.execute(mine.values(parked_at=MORNING + HOUR))
        assert await look_at(runtime, MORNING + 2 * HOUR) == [OPERATOR_ALARM]

    async def test_what_was_seen_to_before_the_mail_went_is_not_told(self, runtime: Runtime) -> None:
        event_id = await support.park_task(runtime)
        with clock.at(MORNING):
            await look(runtime)
            async with runtime.database.platform() as session:
                await session.execute(delete(OutboxEvent).where(OutboxEvent.id == event_id))
            await run_platform_events(runtime)
        [row] = await mail_rows(runtime, OPERATOR_NEWS)
        assert (row.status, row.failure) == ("skipped", "no longer true")

    async def test_who_switched_it_off_hears_nothing_and_the_others_do(self, runtime: Runtime) -> None:
        quiet = await make_operator(runtime, "quiet@example.com")
        async with runtime.database.platform() as session:
            (await session.get_one(Operator, quiet.id)).wants_news = False
        await support.park_webhook(runtime)
        assert await look_at(runtime, MORNING) == [OPERATOR_NEWS]
        assert {mail.recipient for mail in await operator_mails(runtime)} == {"olga@example.com"}

    async def test_what_nobody_was_told_is_new_for_whoever_wants_to_hear_again(self, runtime: Runtime) -> None:
        async def switch(*, wants_news: bool) -> None:
            async with runtime.database.platform() as session:
                await session.execute(update(Operator).values(wants_news=wants_news))

        await support.park_webhook(runtime)
        assert await look_at(runtime, MORNING) == [OPERATOR_NEWS]
        await switch(wants_news=False)
        await support.park_task(runtime)
        await support.park_webhook(runtime)
        assert await look_at(runtime, MORNING + HOUR) == []
        assert await look_at(runtime, MORNING + DAY) == []
        await switch(wants_news=True)
        assert await look_at(runtime, MORNING + DAY + HOUR) == [OPERATOR_ALARM]
        assert await look_at(runtime, MORNING + 2 * DAY) == [OPERATOR_NEWS]
        assert await look_at(runtime, MORNING + 3 * DAY) == []


class TestAlarms:
    async def test_what_was_given_up_is_told_at_once_but_hourly_at_most(self, runtime: Runtime) -> None:
        assert await look_at(runtime, MORNING) == []
        await support.park_task(runtime)
        assert await look_at(runtime, MORNING + 5 * MINUTE) == [OPERATOR_ALARM]
        await support.park_task(runtime)
        assert await look_at(runtime, MORNING + 10 * MINUTE) == []
        assert await look_at(runtime, MORNING + 70 * MINUTE) == [OPERATOR_ALARM]
        assert await look_at(runtime, MORNING + 3 * HOUR) == []

    async def test_the_morning_does_not_repeat_it(self, runtime: Runtime) -> None:
        await support.park_task(runtime)
        assert await look_at(runtime, MORNING - HOUR) == [OPERATOR_ALARM]
        assert await look_at(runtime, MORNING) == []

    async def test_a_webhook_alarms_when_it_is_given_up(self, runtime: Runtime, practice: TenantContext) -> None:
        await support.trouble(runtime, practice, "received")
        assert await look_at(runtime, MORNING - HOUR) == []
        await support.trouble(runtime, practice, "failed")
        assert await look_at(runtime, MORNING - HOUR) == [OPERATOR_ALARM]

    async def test_a_webhook_that_is_given_up_again_alarms_again(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        with clock.at(MORNING):
            await support.trouble(runtime, practice, "failed")
        assert await look_at(runtime, MORNING + MINUTE) == [OPERATOR_NEWS]
        # Somebody had it handled once more, in vain.
        async with runtime.database.platform() as session:
            await session.execute(update(EventTrouble).values(last_seen_at=MORNING + 2 * HOUR, failures=4))
        assert await look_at(runtime, MORNING + 3 * HOUR) == [OPERATOR_ALARM]
        assert await look_at(runtime, MORNING + DAY) == []

    async def test_a_webhook_that_goes_on_being_tried_in_vain_is_the_same(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        with clock.at(MORNING):
            await support.trouble(runtime, practice, "received")
        assert await look_at(runtime, MORNING) == [OPERATOR_NEWS]
        async with runtime.database.platform() as session:
            await session.execute(update(EventTrouble).values(last_seen_at=MORNING + 2 * HOUR, failures=4))
        assert await look_at(runtime, MORNING + DAY) == []

    async def test_one_that_can_not_be_mailed_is_not_the_next_ones_cause(self, runtime: Runtime) -> None:
        await support.park_task(runtime)
        sent = []
        for hour in range(2, 8):
            sent += await look_at(runtime, MORNING + hour * HOUR)
            with clock.at(MORNING + hour * HOUR + MINUTE):
                await support.park_task(runtime, topic=SEND)
        assert sent == [OPERATOR_NEWS, OPERATOR_ALARM]  # the second tells that mails were given up
        assert await sections(runtime, MORNING + 8 * HOUR) == [Section.TASKS]


class TestOnce:
    async def test_two_workers_that_look_at_once_tell_it_once(self, runtime: Runtime) -> None:
        await support.park_webhook(runtime)
        with clock.at(MORNING):
            await asyncio.gather(*(look(runtime) for _ in range(4)))
            await run_platform_events(runtime)
        assert len(await operator_mails(runtime)) == 1

    async def test_one_that_dies_while_it_tells_has_told_nothing(self, runtime: Runtime) -> None:
        await support.park_webhook(runtime)
        with clock.at(MORNING):
            async with runtime.database.platform() as blocker:
                await blocker.execute(text("LOCK TABLE platform.outbox IN SHARE ROW EXCLUSIVE MODE"))
                dying = asyncio.create_task(look(runtime))
                await until_blocked(blocker)
                dying.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await dying
            assert await look_at(runtime, MORNING) == [OPERATOR_NEWS]
        assert len(await operator_mails(runtime)) == 1

    async def test_ten_thousand_things_are_one_mail(self, runtime: Runtime) -> None:
        now = MORNING - DAY
        async with runtime.database.platform() as session:
            rows = [
                {
                    "id": new_id(), "topic": "t", "payload": {}, "created_at": now, "run_at": now, "parked_at": now,
                }
                for _ in range(3000)
            ]  # fmt: skip
            session.add_all([OutboxEvent(**row) for row in rows])
        assert await look_at(runtime, MORNING) == [OPERATOR_NEWS]
        assert await look_at(runtime, MORNING + 2 * HOUR) == []
        [mail] = await operator_mails(runtime)
        assert "3000" in mail.text
        async with runtime.database.platform() as session:
            news = (await session.scalars(select(WaitingNews))).one()
        assert len(news.told["keys"]) == 1000


class TestSections:
    async def test_each_is_found_with_its_practice(self, runtime: Runtime, practice: TenantContext) -> None:
        await support.park_task(runtime, practice)
        await support.trouble(runtime, practice, "failed")
        await support.trouble(runtime, practice, "received")
        await support.park_webhook(runtime)
        await support.disagree(runtime, practice)
        await support.owe_a_plan(runtime, practice)
        await support.close_statement(runtime, practice)
        await support.bounce_mail(runtime, (await make_operator(runtime)).id)
        async with runtime.database.platform() as session:
            found = await list_waiting(session)
        assert [one.section for one in found] == list(Section)
        assert {one.section: one.tenant_ids for one in found} == {
            section: () if section in (Section.ACCOUNTS, Section.MAILS) else (practice.id,) for section in Section
        }

    async def test_of_a_suspended_practice_somebody_has_decided(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        await support.owe_a_plan(runtime, practice)
        async with runtime.database.platform() as session:
            await session.execute(update(Tenant).where(Tenant.id == practice.id).values(status="suspended"))
            assert await list_waiting(session) == []


async def test_that_somebody_is_not_reached_is_told_once_however_many_mails_bounce(runtime: Runtime) -> None:
    lost = await make_operator(runtime, "lost@example.com")
    for day in range(3):
        with clock.at(MORNING + day * DAY):
            await support.bounce_mail(runtime, lost.id)
        assert len(await look_at(runtime, MORNING + day * DAY + HOUR)) == (2 if day == 0 else 0)
    async with runtime.database.platform() as session:
        (await session.get_one(Operator, lost.id)).is_active = False
    assert await sections(runtime, MORNING + 3 * DAY) == []


async def sections(runtime: Runtime, moment: datetime) -> list[Section]:
    with clock.at(moment):
        async with runtime.database.platform() as session:
            return [one.section for one in await list_waiting(session)]


async def compared(runtime: Runtime, practice: TenantContext, moment: datetime) -> None:
    """The daily comparison finds that they disagree."""
    context = TenantEventContext(runtime, new_id(), "billing.disagreement_found", 1, practice)
    with clock.at(moment):
        await on_disagreement_found(context, {"reconciliation_id": str(UUID(int=1))})


async def test_books_wait_once_they_disagree_for_longer_than_a_day(runtime: Runtime, practice: TenantContext) -> None:
    await compared(runtime, practice, MORNING)
    assert await sections(runtime, MORNING + HOUR) == []
    await compared(runtime, practice, MORNING + DAY)
    assert await sections(runtime, MORNING + DAY + HOUR) == [Section.BOOKS]
    # The next comparison finds them agreeing, of which nothing is told.
    assert await sections(runtime, MORNING + 3 * DAY) == []
    await compared(runtime, practice, MORNING + 5 * DAY)
    assert await sections(runtime, MORNING + 5 * DAY + HOUR) == []
