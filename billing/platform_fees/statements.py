"""Accrued fees by month: gathered while it lasts, closed when it is over, put on an invoice or left to operators.

A closed statement never changes; what becomes known later is on the next one. The provider is asked under a key made
from the row of the queue that does it, so a repeat is one item; a new wish after a definite no is a new row.
"""

import csv
import io
from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from billing.platform_fees.adapters import is_charging_set_up, platform_billing
from billing.platform_fees.errors import StatementStateError
from billing.platform_fees.events import STATEMENT_CLOSE
from billing.platform_fees.models import FeeStatement, StatementStatus, UsageEntry
from billing.platform_fees.usage_repository import UsageRepository
from billing.providers.port import OutcomeUnknownError, ProviderError
from tenants.plans.models import LIVE, Subscription
from tenants.plans.service import find_plan, find_subscription
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime

GIVE_UP_AFTER = timedelta(hours=20)
"""Stripe remembers a key for a day: from then on asking again could put the amount on two invoices."""
_log = get_logger("billing.platform_fees")


async def get_statement(session: PlatformSession, statement_id: UUID, *, for_update: bool = False) -> FeeStatement:
    """By id. Raises :class:`NotFoundError`."""
    statement = await UsageRepository(session).find_statement(statement_id, for_update=for_update)
    if statement is None:
        raise NotFoundError
    return statement


async def close_statement(runtime: Runtime, statement_id: UUID, *, idempotency_key: str) -> StatementStatus:
    """Close a month's statement and put it on the practice's next invoice, if it has a subscription in its currency.

    Else it waits for an operator. Repeating it changes nothing more. Raises ``OutcomeUnknownError`` while the
    provider's answer is not known: the same key again, until :data:`GIVE_UP_AFTER`.
    """
    async with runtime.database.platform() as session:
        statement = await get_statement(session, statement_id, for_update=True)
        subscription = await find_subscription(session, statement.tenant_id)
        if statement.status == StatementStatus.OPEN:
            statement.amount_minor = await UsageRepository(session).sum_of_statement(statement.id)
            is_due = statement.amount_minor != 0
            statement.status = StatementStatus.TO_INVOICE if is_due else StatementStatus.NOTHING_DUE
            statement.closed_at = clock.now()
        can_be_invoiced = is_charging_set_up(runtime.settings) and await _fits(session, subscription, statement)
        if statement.status == StatementStatus.TO_INVOICE and can_be_invoiced:
            statement.status = StatementStatus.INVOICING
            statement.note = idempotency_key
            statement.closed_at = clock.now()
    if statement.status != StatementStatus.INVOICING or subscription is None:
        return StatementStatus(statement.status)
    return await _invoice(runtime, statement, subscription)


async def _fits(session: PlatformSession, subscription: Subscription | None, statement: FeeStatement) -> bool:
    """Whether the practice has a subscription whose invoices are in the statement's currency."""
    if subscription is None or subscription.status not in LIVE or subscription.cancel_at is not None:
        return False
    plan = await find_plan(session, subscription.plan_code or "")
    return plan is not None and plan.price_currency == statement.currency


async def _invoice(runtime: Runtime, statement: FeeStatement, subscription: Subscription) -> StatementStatus:
    """Under the key that was written down first, whoever asks, and as long as the provider remembers it.

    Who comes later, after an outage or because it was given up and somebody has it tried again, asks nothing: the
    amount may be on an invoice.
    """
    if _is_key_old(statement):
        return await _settle(runtime, statement.id, StatementStatus.TO_INVOICE, note="outcome_unknown")
    billing = platform_billing(runtime.settings)
    amount = Money(statement.amount_minor, statement.currency)
    try:
        ref = await billing.add_invoice_item(
            str(subscription.customer_ref),
            str(subscription.subscription_ref),
            amount,
            f"Fees of payments without an application fee, {statement.month:%Y-%m}",
            idempotency_key=str(statement.note),
        )
    except OutcomeUnknownError:
        raise
    except ProviderError as error:
        _log.error("statement_not_invoiced", statement_id=str(statement.id), code=error.code)
        return await _settle(runtime, statement.id, StatementStatus.TO_INVOICE, note=error.code)
    return await _settle(runtime, statement.id, StatementStatus.INVOICED, ref=ref)


def _is_key_old(statement: FeeStatement) -> bool:
    return statement.closed_at is None or clock.now() - statement.closed_at >= GIVE_UP_AFTER


async def _settle(
    runtime: Runtime, statement_id: UUID, status: StatementStatus, *, note: str | None = None, ref: str | None = None
) -> StatementStatus:
    async with runtime.database.platform() as session:
        statement = await get_statement(session, statement_id, for_update=True)
        if statement.status == StatementStatus.INVOICING:
            statement.status, statement.note, statement.provider_ref = status, note, ref
        return StatementStatus(statement.status)


async def settle_by_hand(session: PlatformSession, statement_id: UUID, note: str) -> FeeStatement:
    """An operator has invoiced it elsewhere, or waives it; ``note`` says how. Raises :class:`StatementStateError`."""
    statement = await get_statement(session, statement_id, for_update=True)
    if statement.status != StatementStatus.TO_INVOICE:
        raise StatementStateError(status=statement.status)
    statement.status, statement.note = StatementStatus.SETTLED, note
    return statement


async def ask_to_invoice(session: PlatformSession, statement_id: UUID) -> FeeStatement:
    """Have the queue try to put it on an invoice (again). Raises :class:`StatementStateError`."""
    statement = await get_statement(session, statement_id, for_update=True)
    if statement.status != StatementStatus.TO_INVOICE:
        raise StatementStateError(status=statement.status)
    await publish(session, STATEMENT_CLOSE, {"statement_id": str(statement.id)})
    return statement


async def list_statements(
    session: PlatformSession,
    *,
    tenant_id: UUID | None = None,
    status: str | None = None,
    month: date | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[FeeStatement], str | None]:
    """A page of statements, newest first."""
    return await UsageRepository(session).page_of_statements(
        tenant_id=tenant_id, status=status, month=month, limit=limit, cursor=cursor
    )


async def statement_csv(session: PlatformSession, statement_id: UUID, *, tenant_id: UUID | None = None) -> str:
    """Its lines as CSV (RFC 4180), oldest first; amounts in minor units. Raises :class:`NotFoundError`.

    ``tenant_id``: only if it is this practice's.
    """
    statement = await get_statement(session, statement_id)
    if tenant_id is not None and statement.tenant_id != tenant_id:
        raise NotFoundError
    return _csv(await UsageRepository(session).entries_of_statement(statement.id))


def _csv(entries: Sequence[UsageEntry]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["occurred_at", "ledger_entry_id", "currency", "amount_minor"])
    for entry in entries:
        writer.writerow([entry.occurred_at.isoformat(), str(entry.source_id), entry.currency, entry.amount_minor])
    return out.getvalue()
