"""Comparing our books with each provider's: what can be mended is, what can't be is said.

A run goes payment by payment in transactions of its own, so it may be broken off anywhere and is carried on where it
stopped. It does nothing that a webhook or a returning client would not have done: everything goes through the same
settling, under the same locks.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing.accounts.models import AccountStatus
from billing.accounts.repository import AccountRepository
from billing.payments.checking import check_payment
from billing.payments.errors import MethodNotOfferedError
from billing.payments.events import PAYMENT_SETTLED
from billing.payments.models import Payment
from billing.payments.settling import apply_reading, read_provider
from billing.providers.port import ProviderError
from billing.providers.registry import provider_for
from billing.reconciliation.comparing import Difference, compare
from billing.reconciliation.events import DISAGREEMENT_FOUND
from billing.reconciliation.models import Disagreement, Reconciliation
from billing.reconciliation.repository import ReconciliationRepository
from billing.refunds.service import execute_refund
from billing.webhooks.receiving import store_event
from billing.webhooks.repository import InboxRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.reconciliation")

RECENT = timedelta(days=35)
"""How far back settled payments are compared: past it Stripe lists no events any more (30 days)."""
ONLINE_METHODS = ("stripe", "paypal", "sandbox")
RAW_KEPT = timedelta(days=90)
"""How long the bytes of webhooks are kept: cards may be disputed for about so long."""
_BATCH = 25
_OVERDUE = timedelta(minutes=15)
_CARRY_ON_WITHIN = timedelta(hours=20)
_FIRST_LOOK_BACK = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class State:
    """How the books stand: the last run that came to its end, and what disagrees at present."""

    last: Reconciliation | None
    disagreeing: int
    open: list[Disagreement]


async def reconcile(runtime: Runtime, tenant: TenantContext, *, budget: timedelta | None = None) -> Reconciliation:
    """Compare everything that is open or recent, carrying on with a run that was broken off.

    ``budget``: stop after about so long, unfinished; the next call goes on from there.
    """
    deadline = clock.now() + budget if budget is not None else None
    run_id = await _begin(runtime, tenant)
    while True:
        async with runtime.database.tenant(tenant) as session:
            run = await session.get_one(Reconciliation, run_id)
            due = await ReconciliationRepository(session).list_due(
                run.done_up_to, clock.now() - RECENT, ONLINE_METHODS, _BATCH
            )
        if not due:
            return await _finish(runtime, tenant, run_id)
        for payment in due:
            await _reconcile_payment(runtime, tenant, run_id, payment)
            if deadline is not None and clock.now() > deadline:
                async with runtime.database.tenant(tenant) as session:
                    return await session.get_one(Reconciliation, run_id)


async def _begin(runtime: Runtime, tenant: TenantContext) -> UUID:
    async with runtime.database.tenant(tenant) as session:
        runs = ReconciliationRepository(session)
        run = await runs.find_unfinished(clock.now() - _CARRY_ON_WITHIN)
        if run is not None:
            return run.id
        last = await runs.find_last_finished()
        run = Reconciliation(id=new_id(), started_at=clock.now(), checked=0, mended=0, unreadable=0, disagreeing=0)
        runs.add(run)
        since = last.started_at if last is not None else clock.now() - _FIRST_LOOK_BACK
        run_id = run.id
    await _fetch_missed(runtime, tenant, since - timedelta(hours=1))
    return run_id


async def _reconcile_payment(runtime: Runtime, tenant: TenantContext, run_id: UUID, payment: Payment) -> None:
    before = _facts(payment)
    after, differences = await _compare(runtime, tenant, payment.id)
    async with runtime.database.tenant(tenant) as session:
        run = await session.get_one(Reconciliation, run_id, with_for_update=True)
        run.done_up_to = payment.id
        run.checked += 1
        if differences is None:
            run.unreadable += 1
            return
        await ReconciliationRepository(session).note(payment.id, differences)
        run.disagreeing += bool(differences)
        run.mended += after is not None and _facts(after) != before and not differences
    if after is not None and _facts(after) != before:
        _log.warning("payment_mended", payment_id=str(payment.id), status=after.status)


async def _compare(
    runtime: Runtime, tenant: TenantContext, payment_id: UUID
) -> tuple[Payment | None, list[Difference] | None]:
    """Settle one payment and its refunds by what the provider says; the differences are None if it said nothing."""
    try:
        await check_payment(runtime, tenant, payment_id)
        await _push_refunds(runtime, tenant, payment_id)
        reading = await read_provider(runtime, tenant, payment_id, with_captured=True)
    except (ProviderError, MethodNotOfferedError) as error:
        _log.warning("payment_not_compared", payment_id=str(payment_id), code=error.code)
        return None, None
    async with runtime.database.tenant(tenant) as session:
        payment = await apply_reading(session, reading)
        return payment, compare(payment, [snapshot for _, snapshot in reading.snapshots])


async def _push_refunds(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> None:
    """Refunds that were promised long ago are asked for (again, under their keys): their queue row may be parked."""
    async with runtime.database.tenant(tenant) as session:
        overdue = await ReconciliationRepository(session).list_pending_refunds(payment_id, clock.now() - _OVERDUE)
    for refund_id in overdue:
        await execute_refund(runtime, tenant, refund_id)


def _facts(payment: Payment) -> tuple[object, ...]:
    return (
        payment.status,
        payment.captured_minor,
        payment.refunded_minor,
        payment.refund_pending_minor,
        payment.disputed_minor,
        payment.fee_taken_minor,
    )


async def _finish(runtime: Runtime, tenant: TenantContext, run_id: UUID) -> Reconciliation:
    async with runtime.database.tenant(tenant) as session:
        runs = ReconciliationRepository(session)
        for payment_id in await runs.list_unapplied(clock.now() - _OVERDUE, 1000):
            await publish(session, PAYMENT_SETTLED, {"payment_id": str(payment_id)})
        run = await session.get_one(Reconciliation, run_id, with_for_update=True)
        if run.finished_at is None:
            run.finished_at = clock.now()
            if run.disagreeing:
                await publish(session, DISAGREEMENT_FOUND, {"reconciliation_id": str(run.id)})
                _log.error("payments_disagree", practice=tenant.key, count=run.disagreeing)
        return run


async def _fetch_missed(runtime: Runtime, tenant: TenantContext, since: datetime) -> None:
    """Put events that a provider could not deliver into the inbox, as far as it lists them."""
    async with runtime.database.tenant(tenant) as session:
        accounts = await AccountRepository(session).list_all()
    for account in accounts:
        if account.status == AccountStatus.DISCONNECTED:
            continue
        try:
            provider = await provider_for(runtime, tenant, account.provider, account.id)
            events = await provider.missed_events(since)
        except (ProviderError, MethodNotOfferedError) as error:
            _log.warning("missed_events_not_read", provider=account.provider, code=error.code)
            continue
        for event in events:
            async with runtime.database.tenant(tenant) as session:
                await store_event(session, runtime, account.provider, event, None)


async def read_state(session: TenantSession, *, limit: int = 50) -> State:
    """How the books stand, for those who keep them."""
    runs = ReconciliationRepository(session)
    return State(await runs.find_last_finished(), await runs.count_open(), await runs.list_open(limit))


async def drop_old_bytes(runtime: Runtime, tenant: TenantContext) -> int:
    """Forget the bytes of webhooks that are too old to matter in a dispute; answers of how many."""
    total = 0
    while True:
        async with runtime.database.tenant(tenant) as session:
            gone = await InboxRepository(session).drop_raw_before(clock.now() - RAW_KEPT, limit=1000)
        total += gone
        if gone < 1000:
            return total
