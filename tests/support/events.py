"""Running a practice's queued events in the test's own process, by the same code as the worker."""

from datetime import datetime

from sqlalchemy import ColumnElement, select, update

from tenants.registry.service import TenantDirectory
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.dispatch import Dispatcher
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import PLATFORM_SUBSCRIPTIONS, SUBSCRIPTIONS


async def queued(runtime: Runtime, tenant: TenantContext) -> list[OutboxEvent]:
    """What waits in the queue for this practice, in the order it will run."""
    async with runtime.database.platform() as session:
        statement = select(OutboxEvent).where(OutboxEvent.tenant == tenant.key)
        return list((await session.scalars(statement.order_by(OutboxEvent.run_at, OutboxEvent.id))).all())


async def run_due_events(
    runtime: Runtime, tenant: TenantContext, *, until: datetime | None = None, rounds: int = 20
) -> int:
    """Run everything of this practice that is due by ``until`` (default: now), and what that queues in turn.

    Answers how many deliveries ran. A failing event is postponed as in the worker, so it is not run twice here.
    """
    return await _run(runtime, OutboxEvent.tenant == tenant.key, until, rounds)


async def run_platform_events(
    runtime: Runtime, tenant: TenantContext | None = None, *, until: datetime | None = None, rounds: int = 20
) -> int:
    """The same for the platform's own events, and for a practice's with them, as they cause each other."""
    theirs = OutboxEvent.tenant.is_(None)
    return await _run(runtime, theirs | (OutboxEvent.tenant == tenant.key) if tenant else theirs, until, rounds)


async def _run(runtime: Runtime, which: ColumnElement[bool], until: datetime | None, rounds: int) -> int:
    directory = TenantDirectory(runtime.database, runtime.settings)
    dispatcher = Dispatcher(runtime, directory, SUBSCRIPTIONS, PLATFORM_SUBSCRIPTIONS)
    ran = 0
    for _ in range(rounds):
        async with runtime.database.platform() as session:
            rows = (
                await session.execute(
                    update(OutboxEvent)
                    .where(
                        which,
                        OutboxEvent.run_at <= (until or clock.now()),
                        OutboxEvent.parked_at.is_(None),
                        OutboxEvent.attempts == OutboxEvent.started_attempt,
                    )
                    .values(attempts=OutboxEvent.attempts + 1)
                    .returning(OutboxEvent.id, OutboxEvent.attempts)
                )
            ).all()
        if not rows:
            break
        for row in sorted(rows):
            ran += await dispatcher.deliver(row.id, row.attempts)
    return ran
