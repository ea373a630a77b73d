"""What still depends on one of the practice's accounts at a provider: open orders, refunds and disputes under way."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, or_, select

from billing.disputes.models import Dispute
from billing.payments.models import Payment, PaymentAttempt, Refund, RefundStatus
from billing.payments.transitions import OPEN_ATTEMPTS
from todoenbalance.kit.database import TenantSession

_OPEN_DISPUTES = ("needs_response", "under_review")


async def list_open_payments(session: TenantSession, account_id: UUID) -> list[UUID]:
    """The payments whose orders in this account may still be paid, oldest first."""
    statement = (
        select(PaymentAttempt.payment_id)
        .where(PaymentAttempt.account_id == account_id, PaymentAttempt.status.in_(OPEN_ATTEMPTS))
        .distinct()
        .order_by(PaymentAttempt.payment_id)
    )
    return list((await session.scalars(statement)).all())


async def is_anything_open(session: TenantSession, account_id: UUID) -> bool:
    """Whether an order can still be paid, a refund is under way or a dispute undecided."""
    if await list_open_payments(session, account_id):
        return True
    refunds = select(Refund.id).where(
        Refund.payment_id.in_(_payments_of(account_id)), Refund.status == RefundStatus.PENDING
    )
    disputes = select(Dispute.id).where(
        Dispute.payment_id.in_(_payments_of(account_id)), Dispute.status.in_(_OPEN_DISPUTES)
    )
    return bool(await session.scalar(select(or_(refunds.exists(), disputes.exists()))))


async def last_refundable_at(session: TenantSession, account_id: UUID) -> datetime | None:
    """When the newest payment was made through it of which there is something left to give back, None without any."""
    statement = select(func.max(Payment.created_at)).where(
        Payment.id.in_(_payments_of(account_id)), Payment.captured_minor > Payment.refunded_minor
    )
    found: datetime | None = await session.scalar(statement)
    return found


def _payments_of(account_id: UUID) -> Select[tuple[UUID]]:
    return select(PaymentAttempt.payment_id).where(PaymentAttempt.account_id == account_id)
