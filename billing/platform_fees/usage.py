"""What a practice uses, from its own books to the platform's: counted once, whatever order it is told in.

The books are the source: a handler reads the ledger of one payment in the practice's transaction and copies every line
that is not there yet in a transaction of the platform's. So an event that comes twice, late or before another one
adds nothing wrong, and one that is lost is made good by the next about the same payment.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.accounts.repository import AccountRepository
from billing.payments.models import LedgerEntry, Payment, PaymentAttempt
from billing.payments.repository import PaymentRepository
from billing.platform_fees.events import STATEMENT_CLOSE
from billing.platform_fees.models import StatementStatus, UsageEntry, UsageKind
from billing.platform_fees.service import is_taken_at_source
from billing.platform_fees.usage_repository import UsageRepository
from billing.refunds.service import RefundCause, list_refunds
from tenants.plans.fees import fee_share_minor
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to be counted, with the row that proves it."""

    kind: UsageKind
    source_id: UUID
    occurred_at: datetime
    currency: str
    amount_minor: int = 0
    quantity: int = 0


def month_of(instant: datetime, timezone: str) -> date:
    """The first day of the practice's month in which something happened."""
    return instant.astimezone(ZoneInfo(timezone)).date().replace(day=1)


def next_month(month: date) -> date:
    """The first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


async def count_booking(runtime: Runtime, tenant: TenantContext, appointment_id: UUID) -> None:
    """An appointment was confirmed. Confirming it again, or moving it, is no second booking."""
    fact = Fact(UsageKind.BOOKED, appointment_id, clock.now(), tenant.currency, quantity=1)
    async with runtime.database.platform() as session:
        await record_facts(session, tenant, [fact])


async def count_payment(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> None:
    """Copy what a payment's ledger says; nothing for one that is not there."""
    async with runtime.database.tenant(tenant) as practice:
        payments = PaymentRepository(practice)
        payment = await payments.find(payment_id)
        if payment is None:
            return
        lines = await payments.list_ledger(payment_id)
        refunds = await list_refunds(practice, [payment_id])
        account_id = _paid_by(await payments.list_attempts(payment_id), lines).account_id
        account = await AccountRepository(practice).find(account_id) if account_id is not None else None
    disputed = {refund.id for refund in refunds if refund.cause == RefundCause.DISPUTE}
    facts = list(facts_of(payment, lines, disputed, is_taken=is_taken_at_source(payment.method, account)))
    async with runtime.database.platform() as session:
        await record_facts(session, tenant, facts)


def _paid_by(attempts: Sequence[PaymentAttempt], lines: Sequence[LedgerEntry]) -> PaymentAttempt:
    """The attempt by which money came first, else the newest; so it is the same whenever it is asked for.

    Money may come late by an attempt at an account that the practice has replaced since, by one of another kind.
    """
    proof = next((line.provider_ref for line in lines if line.amount_minor > 0), None)
    captured = (one for one in attempts if proof is not None and proof in {one.provider_ref, one.charge_ref})
    return next(captured, attempts[-1])


def facts_of(
    payment: Payment, lines: Sequence[LedgerEntry], disputed: Container[UUID | None], *, is_taken: bool
) -> Iterator[Fact]:
    """What the lines of a payment's ledger, oldest first, mean for usage and fees.

    Lines are only ever added, under the payment's lock: what is computed from those before a line never changes.
    ``disputed``: the refunds that were none but lost disputes, with which no fee goes back. ``is_taken``: the provider
    handed the fee on, else it is accrued.
    """
    captured = refunded = 0
    for line in lines:
        amount = line.amount_minor
        if not line.kind.startswith(_REFUND):
            yield _fact(line, UsageKind.PAID, amount, 1 if amount > 0 else -1)
            share = fee_share_minor(payment.platform_fee_minor, payment.amount_minor, captured, amount)
            captured += amount
            if share:
                yield _fact(line, UsageKind.FEE_TAKEN if is_taken else UsageKind.FEE_ACCRUED, share)
        elif line.refund_id in disputed:
            yield _fact(line, UsageKind.DISPUTED, -amount)
        else:
            yield _fact(line, UsageKind.REFUNDED, -amount)
            share = fee_share_minor(payment.platform_fee_minor, captured, refunded, -amount)
            refunded -= amount
            if share:
                yield _fact(
                    line, UsageKind.FEE_RETURNED if is_taken else UsageKind.FEE_ACCRUED, share if is_taken else -share
                )


def _fact(line: LedgerEntry, kind: UsageKind, minor: int, quantity: int = 0) -> Fact:
    return Fact(kind, line.id, line.created_at, line.currency, minor, quantity)


async def record_facts(session: PlatformSession, tenant: TenantContext, facts: list[Fact]) -> int:
    """Write down those that were not; answers how many. An accrued fee goes on the statement of the current month.

    That is the month in which it became known: a statement that is closed is never changed.
    """
    usage = UsageRepository(session)
    written = 0
    for fact in facts:
        statement_id = None
        if fact.kind is UsageKind.FEE_ACCRUED:
            statement_id = await _statement_for(session, usage, tenant, fact.currency)
        written += await usage.add_once(
            UsageEntry(
                id=new_id(),
                tenant_id=tenant.id,
                kind=fact.kind,
                source_id=fact.source_id,
                month=month_of(fact.occurred_at, tenant.timezone),
                currency=fact.currency,
                amount_minor=fact.amount_minor,
                quantity=fact.quantity,
                statement_id=statement_id,
                occurred_at=fact.occurred_at,
            )
        )
    return written


async def _statement_for(
    session: PlatformSession, usage: UsageRepository, tenant: TenantContext, currency: str
) -> UUID:
    month = month_of(clock.now(), tenant.timezone)
    statement, is_new = await usage.open_statement(tenant.id, month, currency)
    while statement.status != StatementStatus.OPEN:  # the clocks of two machines differ around midnight
        month = next_month(month)
        statement, is_new = await usage.open_statement(tenant.id, month, currency)
    if is_new:
        await publish(session, STATEMENT_CLOSE, {"statement_id": str(statement.id)}, run_at=closes_at(statement.month))
    return statement.id


def closes_at(month: date) -> datetime:
    """When a month's statement is closed: when it is over everywhere on earth."""
    over = next_month(month)
    return datetime(over.year, over.month, over.day, 12, tzinfo=UTC)
