"""The money of an appointment at the desk: its balance is recorded, or a session of a package pays for it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from admin_portal.appointments import read_as_staff
from admin_portal.calendar_access import Editor
from admin_portal.payments import StaffPaymentRead, describe_payments
from billing.checkout.errors import AppointmentNotPayableError
from billing.payments.errors import AlreadyPaidError
from billing.payments.models import Payment
from billing.payments.receipts import ReceiptKind
from scheduling.appointments.history import Actor
from scheduling.appointments.schemas import AppointmentAdminRead
from scheduling.appointments.services.reading import get_appointment
from scheduling.checkout.balance_payable import record_at_desk
from scheduling.checkout.credit import pay_with_credit
from scheduling.checkout.endpoints import CREDIT_REFUSALS, CreditPayment
from scheduling.fields import Note
from scheduling.idempotent import Once
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.web.dependencies import ContextDep, IdempotencyKeyHeader, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/appointments", tags=["staff: appointments"], responses=responses(NotAuthenticatedError, ForbiddenError)
)

Cashier = Annotated[Staff, Depends(staff_who_may(Permission.RECORD_PAYMENTS))]


class DeskReceipt(BaseModel):
    """Money that was received for an appointment; by default all that is owed."""

    model_config = ConfigDict(extra="forbid")

    kind: ReceiptKind
    amount: MoneySchema | None = None
    note: Note | None = None


class DeskReceipts(BaseModel):
    """The payments in which it was written down."""

    items: list[StaffPaymentRead]


@router.post(
    "/{appointment_id}/receipt",
    response_model=DeskReceipts,
    responses=responses(
        NotFoundError, AppointmentNotPayableError, AlreadyPaidError, InvalidInputError, IdempotencyKeyReusedError
    ),
)
async def record_receipt(
    appointment_id: UUID,
    body: DeskReceipt,
    staff: Cashier,
    runtime: RuntimeDep,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> DeskReceipts | JSONResponse:
    """Record money that was received for an appointment: what was promised for the visit first, then its balance."""
    once = await Once.claim(session, staff.id, idempotency_key, "appointments.receipt", body, appointment_id)
    if once.replay is not None:
        return once.replay
    paid = await receive_at_desk(session, runtime.settings, staff, appointment_id, body, request_id=context.request_id)
    answer = DeskReceipts(items=await describe_payments(session, paid))
    await once.remember(session, 200, answer)
    return answer


async def receive_at_desk(
    session: TenantSession,
    settings: Settings,
    staff: Staff,
    appointment_id: UUID,
    body: DeskReceipt,
    *,
    request_id: str | None,
) -> list[Payment]:
    """By the rules of the endpoint, for its page too, with a line in the audit trail for each payment."""
    appointment = await get_appointment(session, appointment_id)
    amount = body.amount
    if amount is not None and amount.currency != appointment.currency:
        raise InvalidInputError(["body", "amount", "currency"], f"it is in {appointment.currency}", "currency")
    received = await record_at_desk(session, settings, appointment_id, body.kind, amount.amount if amount else None)
    for payment, part in received:
        record_staff_action(
            session,
            staff.id,
            "payment.receipt_recorded",
            payment.id,
            request_id=request_id,
            kind=body.kind,
            amount_minor=part,
            currency=payment.currency,
            note=body.note,
        )
    return [payment for payment, _part in received]


@router.post("/{appointment_id}/use-package", responses=responses(*CREDIT_REFUSALS, InvalidInputError))
async def use_package(
    appointment_id: UUID,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    body: CreditPayment | None = None,
) -> AppointmentAdminRead:
    """Pay for a client's appointment with a session of their package. Safe to repeat; audited."""
    return await use_package_as_staff(
        session, editor, appointment_id, body or CreditPayment(), request_id=context.request_id
    )


async def use_package_as_staff(
    session: TenantSession, editor: Editor, appointment_id: UUID, body: CreditPayment, *, request_id: str | None
) -> AppointmentAdminRead:
    """For its page, too."""
    editor.check((await get_appointment(session, appointment_id)).practitioner_id)
    actor = Actor.staff(editor.staff.id)
    row = await pay_with_credit(session, appointment_id, actor=actor, purchase_id=body.package_purchase_id)
    record_staff_action(
        session,
        editor.staff.id,
        "appointment.package_used",
        appointment_id,
        request_id=request_id,
        package_purchase_id=str(row.package_purchase_id),
    )
    return await read_as_staff(session, editor, appointment_id)
