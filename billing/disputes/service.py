"""Disputes as the provider tells them, laid over a payment's own state.

Undecided, what was taken of the practice's balance counts as disputed and nothing can be refunded beside it. Won,
the payment is again what its amounts say; lost, the amount has gone back to the client.
"""

from collections.abc import Sequence
from uuid import UUID

from billing.disputes.events import DISPUTE_CLOSED, DISPUTE_OPENED
from billing.disputes.models import Dispute
from billing.disputes.repository import UNDECIDED, DisputeRepository
from billing.payments.models import Payment, Refund, RefundStatus
from billing.providers.port import DisputeSeen, DisputeState, RefundResult, RefundState
from billing.refunds.service import RefundCause, settle_row
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish

_log = get_logger("billing.disputes")


async def apply_disputes_seen(
    session: TenantSession, payment: Payment, provider: str, seen: Sequence[DisputeSeen]
) -> None:
    """Make a locked payment's disputes agree with those that the provider tells of. Safe to repeat."""
    if not seen:
        return
    disputes = DisputeRepository(session)
    known = {one.provider_ref: one for one in await disputes.list_of_payments([payment.id])}
    for one in seen:
        dispute = known.get(one.provider_ref)
        if dispute is None:
            dispute = known[one.provider_ref] = await _open(session, disputes, payment, provider, one)
        await _follow(session, disputes, payment, dispute, one)
    await disputes.flush()
    payment.disputed_minor = sum(
        one.amount_minor for one in known.values() if one.status in UNDECIDED and one.is_withdrawn
    )
    payment.updated_at = clock.now()


async def _open(
    session: TenantSession, disputes: DisputeRepository, payment: Payment, provider: str, one: DisputeSeen
) -> Dispute:
    dispute = Dispute(
        id=new_id(),
        payment_id=payment.id,
        provider=provider,
        provider_ref=one.provider_ref,
        status=DisputeState.NEEDS_RESPONSE,
        provider_status=one.provider_status[:60],
        reason=one.reason[:60],
        amount_minor=one.amount_minor,
        currency=one.currency,
        is_withdrawn=one.is_withdrawn,
        evidence_due_by=one.evidence_due_by,
        opened_at=one.opened_at,
        updated_at=clock.now(),
    )
    disputes.add(dispute)
    await disputes.flush()  # the queue's row and the books refer to it
    await publish(session, DISPUTE_OPENED, {"dispute_id": str(dispute.id)})
    _log.warning("dispute_opened", dispute_id=str(dispute.id), payment_id=str(payment.id))
    return dispute


async def _follow(
    session: TenantSession, disputes: DisputeRepository, payment: Payment, dispute: Dispute, one: DisputeSeen
) -> None:
    before = dispute.status
    dispute.status = one.state
    dispute.provider_status, dispute.evidence_due_by = one.provider_status[:60], one.evidence_due_by
    dispute.amount_minor, dispute.is_withdrawn = one.amount_minor, one.is_withdrawn
    dispute.updated_at = clock.now()
    # A loss is looked at again each time: a refund that was under way may have left nothing to book, and then failed.
    if DisputeState.LOST in (one.state, before):
        await _book_loss(session, disputes, payment, dispute, is_lost=one.state is DisputeState.LOST)
    if one.state == before:
        return
    is_closed = one.state not in UNDECIDED
    dispute.closed_at = clock.now() if is_closed else None
    if is_closed:
        await publish(session, DISPUTE_CLOSED, {"dispute_id": str(dispute.id)})


async def _book_loss(
    session: TenantSession, disputes: DisputeRepository, payment: Payment, dispute: Dispute, *, is_lost: bool
) -> None:
    """Enter what a lost dispute took and is not entered yet, or take it out again should the loss be reversed later."""
    payment.disputed_minor = 0  # decided; the caller sums the undecided ones up afterwards
    rows = await disputes.list_refunds(payment.id, dispute.provider_ref)
    if not is_lost:
        for row in rows:
            await _settle(session, payment, dispute, row, RefundState.FAILED)
        return
    for row in rows:
        if row.status == RefundStatus.FAILED and row.amount_minor <= payment.unpromised_minor:
            await _settle(session, payment, dispute, row, RefundState.SUCCEEDED)
    booked = sum(row.amount_minor for row in rows if row.status != RefundStatus.FAILED)
    missing = min(dispute.amount_minor - booked, payment.unpromised_minor)
    if missing <= 0:
        return
    part = Refund(
        id=new_id(),
        payment_id=payment.id,
        amount_minor=missing,
        status=RefundStatus.PENDING,
        cause=RefundCause.DISPUTE,
        provider_ref=f"{dispute.provider_ref}#{len(rows)}" if rows else dispute.provider_ref,
        requested_by_kind="provider",
        fee_returned_minor=0,
        created_at=clock.now(),
    )
    payment.refund_pending_minor += missing
    disputes.add(part)
    await disputes.flush()  # the line of the books refers to it
    await _settle(session, payment, dispute, part, RefundState.SUCCEEDED)


async def _settle(
    session: TenantSession, payment: Payment, dispute: Dispute, refund: Refund, state: RefundState
) -> None:
    result = RefundResult(state, str(refund.provider_ref), dispute.provider_status)
    await settle_row(session, payment, refund, result)


async def get_dispute(session: TenantSession, dispute_id: UUID) -> Dispute:
    """By id. Raises :class:`NotFoundError`."""
    dispute = await DisputeRepository(session).find(dispute_id)
    if dispute is None:
        raise NotFoundError
    return dispute


async def list_disputes(session: TenantSession, payment_ids: Sequence[UUID]) -> list[Dispute]:
    """The disputes of these payments, oldest first."""
    return await DisputeRepository(session).list_of_payments(payment_ids)


async def list_undecided(session: TenantSession, *, limit: int = 50) -> list[Dispute]:
    """Those that still need an answer or a decision, the nearest deadline first."""
    return await DisputeRepository(session).list_undecided(limit)
