"""Refunds that wait for staff: those to hand over, and those that failed and are tried again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from admin_portal.payments import PaymentViewer, Refunder, RefundRead, StaffPaymentRead, describe_payments
from billing.payments import service as payments
from billing.payments.models import Payment, Refund
from billing.refunds import by_hand
from billing.refunds import service as refunds
from billing.refunds.errors import (
    PaymentNotRefundableError,
    RefundExceedsPaymentError,
    RefundNotFailedError,
    RefundNotToHandOverError,
)
from scheduling.fields import Note
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(tags=["staff: payments"], responses=responses(NotAuthenticatedError, ForbiddenError))

HandingOver = Annotated[Staff, Depends(staff_who_may(Permission.RECORD_PAYMENTS, fresh=True))]


class HandoverRecord(BaseModel):
    """How the money went back, and a note about it."""

    model_config = ConfigDict(extra="forbid")

    kind: by_hand.HandoverKind
    note: Note | None = None


class WithdrawalRecord(BaseModel):
    """Why the money stays after all."""

    model_config = ConfigDict(extra="forbid")

    note: Note | None = None


class RefundToHandOver(RefundRead):
    """Money that somebody at the practice has to give back."""

    payment_id: UUID
    client_id: UUID
    description: str


@router.get("/refunds/to-hand-over")
async def list_refunds_to_hand_over(
    _staff: PaymentViewer, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[RefundToHandOver]:
    """Refunds of money that was taken at the desk and has not gone back yet, oldest first."""
    rows, following = await by_hand.list_to_hand_over(session, limit=limit, cursor=cursor)
    return Page(items=[await _describe(session, row) for row in rows], next_cursor=following)


@router.post(
    "/payments/{payment_id}/refunds/{refund_id}/handed-over",
    responses=responses(NotFoundError, RefundNotToHandOverError),
)
async def record_handover(
    payment_id: UUID,
    refund_id: UUID,
    body: HandoverRecord,
    staff: HandingOver,
    session: TenantSessionDep,
    context: ContextDep,
) -> StaffPaymentRead:
    """Record that the money of a refund was handed over, and how. Safe to repeat; audited."""
    return await hand_over(session, staff, payment_id, refund_id, body, request_id=context.request_id)


async def hand_over(
    session: TenantSession,
    staff: Staff,
    payment_id: UUID,
    refund_id: UUID,
    body: HandoverRecord,
    *,
    request_id: str | None,
) -> StaffPaymentRead:
    """For its page, too. Raises :class:`NotFoundError`, :class:`RefundNotToHandOverError`."""
    payment = await _payment_of(session, payment_id, refund_id)
    refund = await by_hand.record_handover(session, refund_id, body.kind, staff_id=staff.id, note=body.note)
    _audit(session, staff, "payment.refund_handed_over", payment, refund, request_id, kind=body.kind, note=body.note)
    return (await describe_payments(session, [payment]))[0]


@router.post(
    "/payments/{payment_id}/refunds/{refund_id}/withdraw",
    responses=responses(NotFoundError, RefundNotToHandOverError),
)
async def withdraw_refund(
    payment_id: UUID,
    refund_id: UUID,
    staff: Refunder,
    session: TenantSessionDep,
    context: ContextDep,
    body: WithdrawalRecord | None = None,
) -> StaffPaymentRead:
    """The money of a refund that was to be handed over stays after all. Safe to repeat; audited."""
    payment = await _payment_of(session, payment_id, refund_id)
    refund = await by_hand.withdraw_refund(session, refund_id)
    note = body.note if body else None
    _audit(session, staff, "payment.refund_withdrawn", payment, refund, context.request_id, note=note)
    return (await describe_payments(session, [payment]))[0]


@router.post(
    "/payments/{payment_id}/refunds/{refund_id}/retry",
    responses=responses(NotFoundError, RefundNotFailedError, PaymentNotRefundableError, RefundExceedsPaymentError),
)
async def retry_refund(
    payment_id: UUID, refund_id: UUID, staff: Refunder, session: TenantSessionDep, context: ContextDep
) -> StaffPaymentRead:
    """Try a refund that failed again: a new refund with a key of its own. Repeated, it makes no second one."""
    return await retry(session, staff, payment_id, refund_id, request_id=context.request_id)


async def retry(
    session: TenantSession, staff: Staff, payment_id: UUID, refund_id: UUID, *, request_id: str | None
) -> StaffPaymentRead:
    """For its page, too. Raises as :func:`~billing.refunds.service.retry_refund`."""
    payment = await _payment_of(session, payment_id, refund_id)
    refund = await refunds.retry_refund(session, refund_id, staff_id=staff.id)
    _audit(session, staff, "payment.refund_retried", payment, refund, request_id, retry_of=str(refund_id))
    return (await describe_payments(session, [payment]))[0]


async def _payment_of(session: TenantSession, payment_id: UUID, refund_id: UUID) -> Payment:
    payment = await payments.get_payment(session, payment_id)
    if (await refunds.get_refund(session, refund_id)).payment_id != payment.id:
        raise NotFoundError
    return payment


def _audit(
    session: TenantSession,
    staff: Staff,
    action: str,
    payment: Payment,
    refund: Refund,
    request_id: str | None,
    **detail: str | None,
) -> None:
    record_staff_action(
        session,
        staff.id,
        action,
        payment.id,
        request_id=request_id,
        refund_id=str(refund.id),
        amount_minor=refund.amount_minor,
        currency=payment.currency,
        **detail,
    )


async def _describe(session: TenantSession, refund: Refund) -> RefundToHandOver:
    payment = await payments.get_payment(session, refund.payment_id)
    return RefundToHandOver(
        **RefundRead.of(refund, payment.currency).model_dump(),
        payment_id=payment.id,
        client_id=payment.client_id,
        description=payment.description,
    )
