"""Giving money back: the intention is a row, the provider is asked later, and its answer settles the row.

What is asked for counts against the payment at once (``refund_pending_minor``), under the payment's lock,
so refunds that meet never exceed what was received. A refund that fails gives its amount back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

from billing.payments.models import Payment, PaymentAttempt, PaymentStatus, Refund, RefundStatus
from billing.payments.repository import Kinds, PaymentRepository
from billing.payments.service import get_payment, ledger_line, lock_payments_of_payable, refresh_status
from billing.providers.offline import NAME as OFFLINE
from billing.providers.port import (
    DeclinedError,
    ObjectNotFoundError,
    PaymentProvider,
    RefundOrder,
    RefundResult,
    RefundState,
)
from billing.providers.registry import provider_for, step_minor
from billing.refunds.errors import PaymentNotRefundableError, RefundExceedsPaymentError, RefundNotFailedError
from billing.refunds.events import REFUND_REQUESTED, REFUND_SETTLED
from billing.refunds.repository import RefundRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.refunds")


class RefundCause(StrEnum):
    """Why money goes back: it was cancelled by somebody's decision, could not be used, or staff gave it back.

    ``provider``: it was given back at the provider's own site. ``dispute``: a lost dispute took it.
    """

    CANCELLATION = "cancellation"
    LATE_SLOT_TAKEN = "late_slot_taken"
    APPOINTMENT_CANCELLED = "appointment_cancelled"
    PAID_TWICE = "paid_twice"
    STAFF = "staff"
    PROVIDER = "provider"
    DISPUTE = "dispute"


AUTOMATIC_CAUSES = (RefundCause.LATE_SLOT_TAKEN, RefundCause.APPOINTMENT_CANCELLED, RefundCause.PAID_TWICE)
"""Causes of refunds that nobody asked for: the whole payment could not be used."""


async def request_refund(
    session: TenantSession,
    payment_id: UUID,
    amount_minor: int | None = None,
    reason: str | None = None,
    *,
    cause: str = RefundCause.STAFF,
    requested_by_kind: str = "staff",
    requested_by_id: UUID | None = None,
) -> Refund:
    """Promise to give back ``amount_minor``, by default all that is left; the queue does it after the commit.

    Raises :class:`NotFoundError`, :class:`PaymentNotRefundableError`, :class:`RefundExceedsPaymentError`.
    """
    payment = await get_payment(session, payment_id, for_update=True)
    left = refundable_minor(payment)
    if left == 0:
        raise PaymentNotRefundableError(status=payment.status)
    if amount_minor is not None and amount_minor > left:
        available = Money(left, payment.currency).format(session.tenant.locale)
        raise RefundExceedsPaymentError(available=available)
    return await _promise(
        session,
        payment,
        amount_minor if amount_minor is not None else left,
        cause=cause,
        reason=reason,
        requested_by_kind=requested_by_kind,
        requested_by_id=requested_by_id,
    )


async def request_refunds_for_payable(
    session: TenantSession,
    payable_kind: Kinds,
    payable_id: UUID,
    *,
    cause: str,
    requested_by_kind: str,
    requested_by_id: UUID | None,
    reason: str | None = None,
    percent: int = 100,
) -> list[Refund]:
    """Promise to give back what is left of a payable's payments, or ``percent`` of it; none if nothing is.

    The share is of all of them together, and goes back from the newest payment first: what is kept is what was paid
    first, which is the deposit.

    Locks the payments: call it, or :func:`~billing.payments.service.lock_payments_of_payable`, before
    locking the payable's own row.
    """
    payments = await lock_payments_of_payable(session, payable_kind, payable_id)
    left = Paid.of(payments).share(percent)
    promised = []
    for payment in reversed(payments):
        part = min(left, refundable_minor(payment))
        if part:
            left -= part
            refund = await _promise(
                session,
                payment,
                part,
                cause=cause,
                reason=reason,
                requested_by_kind=requested_by_kind,
                requested_by_id=requested_by_id,
            )
            promised.append(refund)
    return promised


def share_minor(amount_minor: int, percent: int, step: int = 1) -> int:
    """``percent`` of an amount in minor units; half a step goes to whom it is given back."""
    return min((amount_minor * percent + 50 * step) // (100 * step) * step, amount_minor)


def refundable_minor(payment: Payment) -> int:
    """What may still be promised back; nothing while the payment is disputed."""
    if payment.status == PaymentStatus.DISPUTED:
        return 0
    return payment.unpromised_minor


@dataclass(frozen=True, slots=True)
class Paid:
    """The money of a payable, in minor units: what was received (``captured``), what is still here of that
    (``held``), and what may still be promised back (``refundable``). ``step``: in how large steps that goes back."""

    captured: int
    held: int
    refundable: int
    step: int = 1

    @classmethod
    def of(cls, payments: Sequence[Payment]) -> Self:
        """From a payable's payments."""
        return cls(
            sum(one.captured_minor for one in payments),
            sum(one.unpromised_minor for one in payments),
            sum(refundable_minor(one) for one in payments),
            max((step_minor(one.method, one.currency) for one in payments if refundable_minor(one)), default=1),
        )

    def share(self, percent: int) -> int:
        """What :func:`request_refunds_for_payable` would promise back of it."""
        return share_minor(self.refundable, percent, self.step)


async def paid_for_payable(session: TenantSession, payable_kind: Kinds, payable_id: UUID) -> Paid:
    """What was paid for a payable, as of now."""
    return Paid.of(await PaymentRepository(session).list_of_payable(payable_kind, payable_id))


async def paid_for_payables(
    session: TenantSession, payable_kind: Kinds, payable_ids: Collection[UUID]
) -> dict[UUID, Paid]:
    """The same for several at once; those for which nobody began to pay are left out."""
    found: dict[UUID, list[Payment]] = {}
    for payment in await PaymentRepository(session).list_of_payables(payable_kind, payable_ids):
        found.setdefault(payment.payable_id, []).append(payment)
    return {key: Paid.of(payments) for key, payments in found.items()}


async def _promise(
    session: TenantSession,
    payment: Payment,
    amount_minor: int,
    *,
    cause: str,
    reason: str | None,
    requested_by_kind: str,
    requested_by_id: UUID | None,
    retry_of_id: UUID | None = None,
) -> Refund:
    refund = Refund(
        id=new_id(),
        payment_id=payment.id,
        amount_minor=amount_minor,
        status=RefundStatus.PENDING,
        cause=cause,
        reason=reason,
        requested_by_kind=requested_by_kind,
        requested_by_id=requested_by_id,
        retry_of_id=retry_of_id,
        created_at=clock.now(),
    )
    payment.refund_pending_minor += amount_minor
    payment.updated_at = clock.now()
    refunds = RefundRepository(session)
    refunds.add(refund)
    await refunds.flush()
    if payment.method != OFFLINE:  # money of the desk is handed over by staff, who say so
        await publish(session, REFUND_REQUESTED, {"refund_id": str(refund.id)})
    return refund


async def execute_refund(runtime: Runtime, tenant: TenantContext, refund_id: UUID) -> Refund:
    """Ask the provider to give the money back and settle the row by its answer; nothing if that was done.

    Repeating it uses the same key, so the money goes back once. The refund comes back still pending if
    the provider has not decided. Raises :class:`NotFoundError`, ``MethodNotOfferedError`` and the port's errors but
    :class:`DeclinedError` and :class:`ObjectNotFoundError`, which are a failed refund.
    """
    async with runtime.database.tenant(tenant) as session:
        refund = await get_refund(session, refund_id)
        payment = await get_payment(session, refund.payment_id)
        attempt = await PaymentRepository(session).find_refundable_attempt(payment.id)
    if refund.status != RefundStatus.PENDING or payment.method == OFFLINE:
        return refund
    account_id = attempt.account_id if attempt is not None else None
    provider = await provider_for(runtime, tenant, payment.method, account_id)
    result = await _ask(provider, payment, attempt, refund)
    async with runtime.database.tenant(tenant) as session:
        payment = await get_payment(session, payment.id, for_update=True)
        refund = await get_refund(session, refund_id, for_update=True)
        await settle_row(session, payment, refund, result)
        return refund


async def _ask(
    provider: PaymentProvider, payment: Payment, attempt: PaymentAttempt | None, refund: Refund
) -> RefundResult:
    order_ref = str(attempt.provider_ref or "") if attempt is not None else ""
    order = RefundOrder(
        refund_id=refund.id,
        provider_ref=order_ref,
        charge_ref=attempt.charge_ref if attempt is not None else None,
        amount=Money(refund.amount_minor, payment.currency),
        cause=refund.cause,  # not the staff's own words: they may be about somebody's health
        idempotency_key=f"refund:{refund.id}",
        returns_fee=payment.fee_taken_minor > 0,
    )
    try:
        if refund.provider_ref is not None:
            return await provider.fetch_refund(order_ref, refund.provider_ref)
        return await provider.refund(order)
    except (DeclinedError, ObjectNotFoundError) as error:
        return RefundResult(RefundState.FAILED, refund.provider_ref, "declined", error.code)


async def settle_row(session: TenantSession, payment: Payment, refund: Refund, result: RefundResult) -> bool:
    """Let the provider's word move a refund; answers whether it did. Payment and refund are locked by the caller.

    What the provider says wins, also against what it said before: a refund that fails after it had succeeded (a
    closed card account) reverses its own line, one that we took for failed and that went through is entered.
    """
    refund.provider_ref = result.provider_ref or refund.provider_ref
    before, after = RefundStatus(refund.status), RefundStatus(result.state)
    if after is RefundStatus.PENDING or after is before:
        return False
    if before is RefundStatus.PENDING:
        payment.refund_pending_minor -= refund.amount_minor
    lines = RefundRepository(session)
    if after is RefundStatus.SUCCEEDED:
        _enter(lines, payment, refund, result)
    else:
        refund.failure_code = result.failure_code or "failed"
        if before is RefundStatus.SUCCEEDED:
            _reverse(lines, payment, refund)
        _log.warning("refund_failed", refund_id=str(refund.id), code=refund.failure_code)
    refund.status, refund.settled_at = after, clock.now()
    payment.updated_at = clock.now()
    await refresh_status(session, payment)
    await publish(session, REFUND_SETTLED, {"refund_id": str(refund.id)})
    return True


def _enter(lines: RefundRepository, payment: Payment, refund: Refund, result: RefundResult) -> None:
    payment.refunded_minor += refund.amount_minor
    refund.failure_code = None
    total = result.fee_returned_total_minor
    if total is not None and total > payment.fee_returned_minor:
        refund.fee_returned_minor = total - payment.fee_returned_minor
        payment.fee_returned_minor = total
    lines.add(
        ledger_line(payment, "refund", -refund.amount_minor, refund_id=refund.id, provider_ref=refund.provider_ref)
    )


def _reverse(lines: RefundRepository, payment: Payment, refund: Refund) -> None:
    payment.refunded_minor -= refund.amount_minor
    payment.fee_returned_minor -= refund.fee_returned_minor
    refund.fee_returned_minor = 0
    lines.add(
        ledger_line(
            payment, "refund_reversed", refund.amount_minor, refund_id=refund.id, provider_ref=refund.provider_ref
        )
    )


async def retry_refund(session: TenantSession, refund_id: UUID, *, staff_id: UUID) -> Refund:
    """Try a refund that failed again: a new row, and so a new key; the one that was made already if there is one.

    Raises :class:`NotFoundError`, :class:`RefundNotFailedError`, :class:`PaymentNotRefundableError`,
    :class:`RefundExceedsPaymentError` where its money went back in another way meanwhile.
    """
    payment = await get_payment(session, (await get_refund(session, refund_id)).payment_id, for_update=True)
    failed = await get_refund(session, refund_id, for_update=True)
    if failed.status != RefundStatus.FAILED:
        raise RefundNotFailedError
    retried = await RefundRepository(session).find_retry_of(refund_id)
    if retried is not None:
        return retried
    left = refundable_minor(payment)
    if left == 0:
        raise PaymentNotRefundableError(status=payment.status)
    if failed.amount_minor > left:
        raise RefundExceedsPaymentError(available=Money(left, payment.currency).format(session.tenant.locale))
    return await _promise(
        session,
        payment,
        failed.amount_minor,
        cause=failed.cause,
        reason=failed.reason,
        requested_by_kind="staff",
        requested_by_id=staff_id,
        retry_of_id=failed.id,
    )


async def get_refund(session: TenantSession, refund_id: UUID, *, for_update: bool = False) -> Refund:
    """A refund by id. Raises :class:`NotFoundError`."""
    refund = await RefundRepository(session).find(refund_id, for_update=for_update)
    if refund is None:
        raise NotFoundError
    return refund


async def list_refunds(session: TenantSession, payment_ids: Sequence[UUID]) -> list[Refund]:
    """The refunds of these payments, oldest first."""
    return await RefundRepository(session).list_of_payments(payment_ids)
