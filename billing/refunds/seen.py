"""Refunds as the provider lists them, entered into our books: our own whose answer was lost, and others' ."""

from collections.abc import Sequence

from billing.payments.models import Payment, Refund, RefundStatus
from billing.providers.port import RefundResult, RefundSeen, RefundState
from billing.refunds.repository import RefundRepository
from billing.refunds.service import RefundCause, settle_row
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger

_log = get_logger("billing.refunds")


async def apply_refunds_seen(session: TenantSession, payment: Payment, seen: Sequence[RefundSeen]) -> None:
    """Make a locked payment's refunds agree with those that the provider tells of.

    One that we know (by our own id, else by the provider's) is moved by what is said of it; one that was made at the
    provider's own site becomes a row of cause ``provider``. More than was received is never entered: the payment is
    marked for review instead.
    """
    if not seen:
        return
    ours = await RefundRepository(session).list_of_payment(payment.id)
    by_id = {refund.id: refund for refund in ours}
    by_ref = {refund.provider_ref: refund for refund in ours if refund.provider_ref is not None}
    for one in seen:
        refund = by_ref.get(one.provider_ref)
        if refund is None and one.refund_id is not None:
            refund = by_id.get(one.refund_id)
        if refund is not None and refund.amount_minor != one.amount_minor:
            _review(payment, "refund_amount_mismatch")
            continue
        if refund is None:
            refund = await _adopt(session, payment, one)
        if refund is not None:
            result = RefundResult(one.state, one.provider_ref, one.provider_status)
            await _settle(session, payment, refund, result)


async def _settle(session: TenantSession, payment: Payment, refund: Refund, result: RefundResult) -> None:
    """Move a row; what was failed here may have gone through there, if there is still so much to give back."""
    late = refund.status == RefundStatus.FAILED and result.state is RefundState.SUCCEEDED
    if late and refund.amount_minor > payment.unpromised_minor:
        _review(payment, "refund_exceeds_captured")
        return
    await settle_row(session, payment, refund, result)


async def _adopt(session: TenantSession, payment: Payment, one: RefundSeen) -> Refund | None:
    """A row for a refund that was not made here; None if it failed anyway, or is more than there was."""
    if one.state is RefundState.FAILED:
        return None
    if one.amount_minor > payment.unpromised_minor:
        _review(payment, "refund_exceeds_captured")
        return None
    refund = Refund(
        id=new_id(),
        payment_id=payment.id,
        amount_minor=one.amount_minor,
        status=RefundStatus.PENDING,
        cause=RefundCause.PROVIDER,
        provider_ref=one.provider_ref,
        requested_by_kind="provider",
        fee_returned_minor=0,
        created_at=clock.now(),
    )
    payment.refund_pending_minor += one.amount_minor
    refunds = RefundRepository(session)
    refunds.add(refund)
    await refunds.flush()
    return refund


def _review(payment: Payment, reason: str) -> None:
    payment.review_reason = reason
    _log.error("payment_mismatch", payment_id=str(payment.id), reason=reason)
