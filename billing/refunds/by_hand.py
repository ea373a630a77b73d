"""Refunds of money that was taken at the practice: staff hand it over, and say how.

Until then such a refund is pending and stands in a list of what is to be handed over.
"""

from enum import StrEnum
from uuid import UUID

from billing.payments.models import Payment, Refund, RefundStatus
from billing.payments.service import get_payment
from billing.providers.offline import NAME as OFFLINE
from billing.providers.port import RefundResult, RefundState
from billing.refunds.errors import RefundNotToHandOverError
from billing.refunds.repository import RefundRepository
from billing.refunds.service import get_refund, settle_row
from todoenbalance.kit.database import TenantSession

WITHDRAWN = "withdrawn"


class HandoverKind(StrEnum):
    """How the money went back."""

    CASH = "cash"
    TRANSFER = "transfer"
    CARD = "card"


async def record_handover(
    session: TenantSession, refund_id: UUID, kind: HandoverKind, *, staff_id: UUID, note: str | None = None
) -> Refund:
    """Write down that the money was handed over; the same again is the same. Who did it is for the audit trail, too.

    Raises :class:`NotFoundError`, :class:`RefundNotToHandOverError`.
    """
    payment, refund = await _lock(session, refund_id)
    if refund.status == RefundStatus.SUCCEEDED and refund.handed_over_kind == kind:
        return refund
    _check_open(payment, refund)
    refund.handed_over_kind, refund.handed_over_note, refund.handed_over_by_id = kind, note or None, staff_id
    await settle_row(session, payment, refund, RefundResult(RefundState.SUCCEEDED, None, "handed_over"))
    return refund


async def withdraw_refund(session: TenantSession, refund_id: UUID) -> Refund:
    """The money stays after all (the client renounced, it was a mistake): its amount is free again.

    Raises :class:`NotFoundError`, :class:`RefundNotToHandOverError`.
    """
    payment, refund = await _lock(session, refund_id)
    if refund.status == RefundStatus.FAILED and refund.failure_code == WITHDRAWN:
        return refund
    _check_open(payment, refund)
    result = RefundResult(RefundState.FAILED, None, WITHDRAWN, failure_code=WITHDRAWN)
    await settle_row(session, payment, refund, result)
    return refund


async def list_to_hand_over(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[Refund], str | None]:
    """A page of what is to be handed over, oldest first."""
    return await RefundRepository(session).page_to_hand_over(OFFLINE, limit=limit, cursor=cursor)


async def _lock(session: TenantSession, refund_id: UUID) -> tuple[Payment, Refund]:
    payment = await get_payment(session, (await get_refund(session, refund_id)).payment_id, for_update=True)
    return payment, await get_refund(session, refund_id, for_update=True)


def _check_open(payment: Payment, refund: Refund) -> None:
    if payment.method != OFFLINE or refund.status != RefundStatus.PENDING:
        raise RefundNotToHandOverError
