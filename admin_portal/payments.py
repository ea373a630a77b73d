"""Payments, for staff: ``/admin/payments``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from billing.checkout.schemas import PaymentRead
from billing.payments import service as payments
from billing.payments.errors import (
    AlreadyPaidError,
    NoReceiptToUndoError,
    NotAnOfflinePaymentError,
    PaymentNotOpenError,
)
from billing.payments.models import Payment, PaymentAttempt, PaymentStatus, Refund, RefundStatus
from billing.payments.receipts import ReceiptKind, record_offline_receipt, undo_offline_receipt
from billing.providers.offline import NAME as OFFLINE
from billing.refunds import service as refunds
from billing.refunds.errors import PaymentNotRefundableError, RefundExceedsPaymentError
from scheduling.idempotent import Once
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, IdempotencyKeyHeader, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/payments", tags=["staff: payments"], responses=responses(ForbiddenError))

PaymentViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_PAYMENTS))]
PaymentRecorder = Annotated[Staff, Depends(staff_who_may(Permission.RECORD_PAYMENTS))]
# Recording is the front desk's daily work; taking a record back is what a thief at the till would do.
ReceiptUndoer = Annotated[Staff, Depends(staff_who_may(Permission.RECORD_PAYMENTS, fresh=True))]
Refunder = Annotated[Staff, Depends(staff_who_may(Permission.REFUND_PAYMENTS, fresh=True))]


class RefundRead(BaseModel):
    """One refund. `pending`: promised, the provider has not done it yet (or staff, of money that was taken at the
    desk); `failed`: the amount is free again."""

    id: UUID
    amount: MoneySchema
    status: RefundStatus
    cause: str
    reason: str | None
    failure_code: str | None
    requested_by: str
    retry_of: UUID | None = Field(default=None, description="The failed one that this tries again.")
    handed_over: str | None = Field(default=None, description="How money of the desk went back.")
    created_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, refund: Refund, currency: str) -> "RefundRead":
        """From our row."""
        return cls(
            id=refund.id,
            amount=MoneySchema.of(refund.amount_minor, currency),
            status=RefundStatus(refund.status),
            cause=refund.cause,
            reason=refund.reason,
            failure_code=refund.failure_code,
            requested_by=refund.requested_by_kind,
            retry_of=refund.retry_of_id,
            handed_over=refund.handed_over_kind,
            created_at=refund.created_at,
            settled_at=refund.settled_at,
        )


class StaffPaymentRead(PaymentRead):
    """A payment as staff see it: what came in, what is promised back, and what is not right with it.

    `reference` is what a client quotes on a transfer or at the desk.
    """

    client_id: UUID
    captured: MoneySchema
    refund_pending: MoneySchema
    reference: str | None
    review_reason: str | None
    refunds: list[RefundRead]
    disputed: MoneySchema

    @classmethod
    def with_refunds(cls, payment: Payment, attempt: PaymentAttempt, made: Sequence[Refund]) -> "StaffPaymentRead":
        """From our rows."""
        return cls(
            **PaymentRead.of(payment, attempt).model_dump(),
            client_id=payment.client_id,
            captured=MoneySchema.of(payment.captured_minor, payment.currency),
            refund_pending=MoneySchema.of(payment.refund_pending_minor, payment.currency),
            reference=attempt.provider_ref if payment.method == OFFLINE else None,
            review_reason=payment.review_reason,
            refunds=[RefundRead.of(refund, payment.currency) for refund in made],
            disputed=MoneySchema.of(payment.disputed_minor, payment.currency),
        )


class RefundRequest(BaseModel):
    """How much to give back, by default all that is left, and why (for the practice's own records)."""

    model_config = ConfigDict(extra="forbid")

    amount: MoneySchema | None = None
    reason: Annotated[str, Field(max_length=500)] | None = None


class ReceiptRecord(BaseModel):
    """Money that was received at the practice: by default all that is missing of the payment, and never more."""

    model_config = ConfigDict(extra="forbid")

    kind: ReceiptKind
    amount: MoneySchema | None = None
    note: Annotated[str, Field(max_length=500)] | None = None


class ReceiptUndo(BaseModel):
    """Why the last receipt was wrong."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=500)] | None = None


@router.get("")
async def list_payments(
    _staff: PaymentViewer,
    session: TenantSessionDep,
    status: Annotated[PaymentStatus | None, Query()] = None,
    client_id: Annotated[UUID | None, Query()] = None,
    appointment_id: Annotated[UUID | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StaffPaymentRead]:
    """Payments, newest first."""
    rows, next_cursor = await payments.list_payments(
        session, status=status, client_id=client_id, payable_id=appointment_id, limit=limit, cursor=cursor
    )
    return Page(items=await describe_payments(session, rows), next_cursor=next_cursor)


@router.get("/{payment_id}", responses=responses(NotFoundError))
async def read_payment(payment_id: UUID, _staff: PaymentViewer, session: TenantSessionDep) -> StaffPaymentRead:
    """One payment with its refunds."""
    return (await describe_payments(session, [await payments.get_payment(session, payment_id)]))[0]


@router.post(
    "/{payment_id}/refund",
    response_model=StaffPaymentRead,
    responses=responses(
        NotFoundError,
        PaymentNotRefundableError,
        RefundExceedsPaymentError,
        InvalidInputError,
        IdempotencyKeyReusedError,
    ),
)
async def refund_payment(
    payment_id: UUID,
    staff: Refunder,
    session: TenantSessionDep,
    context: ContextDep,
    body: RefundRequest | None = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> StaffPaymentRead | JSONResponse:
    """Give money back. The refund is promised at once and done in the background; `refunds` shows how it goes."""
    body = body or RefundRequest()
    once = await Once.claim(session, staff.id, idempotency_key, "payments.refund", body, payment_id)
    if once.replay is not None:
        return once.replay
    payment = await payments.get_payment(session, payment_id)
    refund = await refunds.request_refund(
        session, payment_id, _minor(body.amount, payment), body.reason, requested_by_id=staff.id
    )
    record_staff_action(
        session,
        staff.id,
        "payment.refund_requested",
        payment_id,
        request_id=context.request_id,
        refund_id=str(refund.id),
        amount_minor=refund.amount_minor,
        currency=payment.currency,
    )
    return await _answer(session, once, payment)


@router.post(
    "/{payment_id}/receipt",
    response_model=StaffPaymentRead,
    responses=responses(
        NotFoundError,
        AlreadyPaidError,
        NotAnOfflinePaymentError,
        PaymentNotOpenError,
        InvalidInputError,
        IdempotencyKeyReusedError,
    ),
)
async def record_receipt(
    payment_id: UUID,
    body: ReceiptRecord,
    staff: PaymentRecorder,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> StaffPaymentRead | JSONResponse:
    """Record that cash, a transfer or a card payment at the desk was received: at most what is missing."""
    once = await Once.claim(session, staff.id, idempotency_key, "payments.receipt", body, payment_id)
    if once.replay is not None:
        return once.replay
    payment = await payments.get_payment(session, payment_id)
    before = payment.captured_minor
    payment = await record_offline_receipt(session, payment_id, body.kind, _minor(body.amount, payment))
    record_staff_action(
        session,
        staff.id,
        "payment.receipt_recorded",
        payment_id,
        request_id=context.request_id,
        kind=body.kind,
        amount_minor=payment.captured_minor - before,
        currency=payment.currency,
        note=body.note,
    )
    return await _answer(session, once, payment)


@router.post(
    "/{payment_id}/receipt/undo",
    response_model=StaffPaymentRead,
    responses=responses(NotFoundError, NotAnOfflinePaymentError, NoReceiptToUndoError, IdempotencyKeyReusedError),
)
async def undo_receipt(
    payment_id: UUID,
    staff: ReceiptUndoer,
    session: TenantSessionDep,
    context: ContextDep,
    body: ReceiptUndo | None = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> StaffPaymentRead | JSONResponse:
    """Take back the last receipt, by a counter-entry."""
    body = body or ReceiptUndo()
    once = await Once.claim(session, staff.id, idempotency_key, "payments.receipt_undo", body, payment_id)
    if once.replay is not None:
        return once.replay
    payment, amount_minor = await undo_offline_receipt(session, payment_id)
    record_staff_action(
        session,
        staff.id,
        "payment.receipt_undone",
        payment_id,
        request_id=context.request_id,
        amount_minor=amount_minor,
        currency=payment.currency,
        note=body.note,
    )
    return await _answer(session, once, payment)


def _minor(amount: MoneySchema | None, payment: Payment) -> int | None:
    if amount is None:
        return None
    if amount.currency != payment.currency:
        raise InvalidInputError(["body", "amount", "currency"], f"the payment is in {payment.currency}", "currency")
    if amount.amount == 0:
        raise InvalidInputError(["body", "amount", "amount"], "must be more than nothing", "greater_than")
    return amount.amount


async def _answer(session: TenantSession, once: Once, payment: Payment) -> StaffPaymentRead:
    answer = (await describe_payments(session, [payment]))[0]
    await once.remember(session, 200, answer)
    return answer


async def describe_payments(session: TenantSession, rows: Sequence[Payment]) -> list[StaffPaymentRead]:
    """As staff see them."""
    await session.flush()  # what was just changed is part of what is read back
    attempts = await payments.latest_attempts(session, rows)
    made = await refunds.list_refunds(session, [row.id for row in rows])
    return [
        StaffPaymentRead.with_refunds(row, attempts[row.id], [refund for refund in made if refund.payment_id == row.id])
        for row in rows
    ]
