"""Payments: what came in, receipts of money taken at the desk, refunds."""

import secrets
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, StaffPage
from admin_portal.payments import ReceiptRecord, RefundRequest
from billing.disputes.models import Dispute
from billing.disputes.service import list_disputes, list_undecided
from billing.documents import words as document_words
from billing.documents.models import DocumentKind
from billing.documents.services import profiles
from billing.documents.services.reading import list_of_payments
from billing.payments import service as payments
from billing.payments.models import Payment, PaymentStatus, RefundStatus
from billing.payments.receipts import ReceiptKind, record_offline_receipt
from billing.providers.offline import NAME as OFFLINE
from billing.providers.port import DisputeState
from billing.reconciliation.service import read_state
from billing.refunds import service as refunds
from notifications.formats import describe, language_of
from scheduling.idempotent import Once
from tenants.accounts.models import Client
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission
from tenants.accounts.services.client_accounts import find_clients
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/payments", include_in_schema=False)

_MOST = 50


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATUS_WORDS = {
    PaymentStatus.REQUIRES_ACTION: _("Open"),
    PaymentStatus.PROCESSING: _("On its way"),
    PaymentStatus.SUCCEEDED: _("Paid"),
    PaymentStatus.FAILED: _("Failed"),
    PaymentStatus.CANCELLED: _("Called off"),
    PaymentStatus.PARTIALLY_REFUNDED: _("Partly refunded"),
    PaymentStatus.REFUNDED: _("Refunded"),
    PaymentStatus.DISPUTED: _("Disputed"),
}
STATUS_TAGS = {
    PaymentStatus.REQUIRES_ACTION: "waiting",
    PaymentStatus.PROCESSING: "waiting",
    PaymentStatus.SUCCEEDED: "good",
    PaymentStatus.FAILED: "bad",
    PaymentStatus.DISPUTED: "bad",
}
METHOD_WORDS = {
    "offline": _("At the practice"),
    "sandbox": _("Test provider"),
    "stripe": _("Stripe"),
    "paypal": _("PayPal"),
}
KIND_WORDS = {
    ReceiptKind.CASH: _("Cash"),
    ReceiptKind.CARD: _("Card at the desk"),
    ReceiptKind.TRANSFER: _("Bank transfer"),
}
REFUND_WORDS = {
    RefundStatus.PENDING: _("On its way"),
    RefundStatus.SUCCEEDED: _("Given back"),
    RefundStatus.FAILED: _("Failed"),
}


DISPUTE_WORDS = {
    DisputeState.NEEDS_RESPONSE: _("Waiting for your answer"),
    DisputeState.UNDER_REVIEW: _("The bank or PayPal decides"),
    DisputeState.WON: _("Decided for you"),
    DisputeState.LOST: _("Decided for the client"),
}


def _words(page: StaffPage, payment: Payment) -> dict[str, str]:
    """A payment's state in words."""
    status = PaymentStatus(payment.status)
    return {
        "status": page.t(STATUS_WORDS[status]),
        "tag": STATUS_TAGS.get(status, ""),
        "method": page.t(METHOD_WORDS.get(payment.method, payment.method)),
        "day": describe(payment.created_at, page.tenant.timezone, page.locale).day,
    }


def _dispute_words(page: StaffPage, dispute: Dispute) -> tuple[str, str | None]:
    """How it stands, and the day by which the practice has to answer; a decided one has none."""
    state = DisputeState(dispute.status)
    due = dispute.evidence_due_by if state is DisputeState.NEEDS_RESPONSE else None
    day = describe(due, page.tenant.timezone, page.locale).day if due is not None else None
    return page.t(DISPUTE_WORDS[state]), day


def _name(page: StaffPage, client: Client | None) -> str | None:
    return name_of(client, page.locale) if client is not None else None


@router.get("")
async def list_payments(page: SignedIn, cursor: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """Payments, newest first."""
    page.need(Permission.VIEW_PAYMENTS)
    rows, following = await payments.list_payments(page.session, limit=_MOST, cursor=cursor)
    clients = await find_clients(page.session, {row.client_id for row in rows})
    books = await read_state(page.session)
    compared_at = books.last.finished_at if books.last is not None else None
    open_disputes = await list_undecided(page.session)
    return page.render(
        "payments.html",
        disputes=[(one, *_dispute_words(page, one)) for one in open_disputes],
        disagreeing=books.disagreeing,
        disagreements=books.open,
        compared=describe(compared_at, page.tenant.timezone, page.locale) if compared_at is not None else None,
        unreadable=books.last.unreadable if books.last is not None else 0,
        payments=[(row, _words(page, row), _name(page, clients.get(row.client_id))) for row in rows],
        following=following,
    )


@router.get("/{payment_id}")
async def show_payment(page: SignedIn, payment_id: UUID) -> Response:
    """One payment with its refunds, and the forms to receive or give back money."""
    page.need(Permission.VIEW_PAYMENTS)
    return await _render(page, await payments.get_payment(page.session, payment_id))


async def _render(page: StaffPage, payment: Payment, problem: ProblemError | None = None, **refused: Form) -> Response:
    made = await refunds.list_refunds(page.session, [payment.id])
    clients = await find_clients(page.session, {payment.client_id})
    attempt = await payments.latest_attempt(page.session, payment.id)
    missing = payment.amount_minor - payment.captured_minor
    documents = await list_of_payments(page.session, [payment.id]) if page.may(Permission.VIEW_DOCUMENTS) else []
    has_issuer = await profiles.find_issuer(page.session) is not None
    forms = {
        "receipt": page.blank_form(key=secrets.token_urlsafe(16), kind=ReceiptKind.CASH),
        "refund": page.blank_form(key=secrets.token_urlsafe(16)),
    } | refused
    status = 200
    for form in refused.values():
        if problem is not None:
            status = form.refuse(problem, page.locale)
    return page.render(
        "payment.html",
        status=status,
        payment=payment,
        words=_words(page, payment),
        client=_name(page, clients.get(payment.client_id)),
        reference=attempt.provider_ref if payment.method == OFFLINE else None,
        refunds=[(one, page.t(REFUND_WORDS[RefundStatus(one.status)])) for one in made],
        disputes=[(one, *_dispute_words(page, one)) for one in await list_disputes(page.session, [payment.id])],
        retried={one.retry_of_id for one in made},
        documents=[
            (one, document_words.say(document_words.TITLES[one.kind], language_of(page.locale))) for one in documents
        ],
        can_issue=page.may(Permission.ISSUE_DOCUMENTS) and has_issuer and payments.is_money_kept(payment),
        has_invoice=any(one.kind != DocumentKind.RECEIPT for one in documents),
        missing_minor=missing,
        refundable_minor=refunds.refundable_minor(payment),
        kinds=[(kind.value, page.t(words)) for kind, words in KIND_WORDS.items()],
        can_record=page.may(Permission.RECORD_PAYMENTS)
        and payment.method == OFFLINE
        and payment.status == PaymentStatus.REQUIRES_ACTION
        and missing > 0,
        can_refund=page.may(Permission.REFUND_PAYMENTS) and refunds.refundable_minor(payment) > 0,
        forms=forms,
    )


def _amount(form: Form, payment: Payment) -> MoneySchema | None:
    """What was typed; None is all of it."""
    minor = form.money("amount", payment.currency)
    if minor == 0:
        form.add_error("amount", "greater_than")
    form.raise_errors()
    return None if minor is None else MoneySchema.of(minor, payment.currency)


@router.post("/{payment_id}/receipt")
async def record_receipt(page: SignedIn, payment_id: UUID) -> Response:
    """Write down money that was received, once however often the button is pressed."""
    form = await page.read_form()
    page.need(Permission.RECORD_PAYMENTS)
    payment = await payments.get_payment(page.session, payment_id)
    try:
        amount = _amount(form, payment)
        body = form.parse(ReceiptRecord, {"kind": form.get("kind"), "amount": amount, **form.optional("note")})
        async with page.session.begin_nested():
            await _record_once(page, payment, body, form.get("key"))
    except ProblemError as problem:
        return await _render(page, await payments.get_payment(page.session, payment_id), problem, receipt=form)
    return see_other(f"/admin/payments/{payment_id}")


async def _record_once(page: StaffPage, payment: Payment, body: ReceiptRecord, key: str) -> None:
    once = await Once.claim(page.session, page.staff.id, f"page:{key}", "pages.receipt", body, payment.id)
    if once.replay is not None:
        return
    before = payment.captured_minor
    minor = body.amount.amount if body.amount is not None else None
    after = await record_offline_receipt(page.session, payment.id, body.kind, minor)
    page.record(
        "payment.receipt_recorded",
        payment.id,
        kind=body.kind,
        amount_minor=after.captured_minor - before,
        currency=payment.currency,
        note=body.note,
    )
    await once.remember(page.session, 200, body)


@router.post("/{payment_id}/refund")
async def refund(page: SignedIn, payment_id: UUID) -> Response:
    """Give money back, once however often the button is pressed."""
    form = await page.read_form()
    page.need(Permission.REFUND_PAYMENTS)
    page.need_fresh(f"/admin/payments/{payment_id}")
    payment = await payments.get_payment(page.session, payment_id)
    try:
        amount = _amount(form, payment)
        body = form.parse(RefundRequest, {"amount": amount, **form.optional("reason")})
        async with page.session.begin_nested():
            await _refund_once(page, payment, body, form.get("key"))
    except ProblemError as problem:
        return await _render(page, await payments.get_payment(page.session, payment_id), problem, refund=form)
    return see_other(f"/admin/payments/{payment_id}")


async def _refund_once(page: StaffPage, payment: Payment, body: RefundRequest, key: str) -> None:
    once = await Once.claim(page.session, page.staff.id, f"page:{key}", "pages.refund", body, payment.id)
    if once.replay is not None:
        return
    minor = body.amount.amount if body.amount is not None else None
    made = await refunds.request_refund(page.session, payment.id, minor, body.reason, requested_by_id=page.staff.id)
    page.record(
        "payment.refund_requested",
        payment.id,
        refund_id=str(made.id),
        amount_minor=made.amount_minor,
        currency=payment.currency,
    )
    await once.remember(page.session, 200, body)
