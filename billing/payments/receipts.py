"""Money taken at the practice itself: staff record what they received, and undo what they recorded wrongly.

A correction is a counter-entry; no line of the books is ever changed.
"""

from enum import StrEnum
from uuid import UUID

from billing.payments.errors import (
    AlreadyPaidError,
    MoreThanOwedError,
    NoReceiptToUndoError,
    NotAnOfflinePaymentError,
    PaymentNotOpenError,
)
from billing.payments.events import PAYMENT_RECEIPT_UNDONE, PAYMENT_SETTLED
from billing.payments.models import LedgerEntry, Payment, PaymentStatus
from billing.payments.repository import PaymentRepository
from billing.payments.service import ADDS_UP, get_payment, is_money_kept, latest_attempt, ledger_line, refresh_status
from billing.providers.offline import NAME as OFFLINE
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import publish

RECEIPT_UNDONE = "receipt_undone"


class ReceiptKind(StrEnum):
    """How the money came."""

    CASH = "cash"
    TRANSFER = "transfer"
    CARD = "card"


async def record_offline_receipt(
    session: TenantSession, payment_id: UUID, kind: ReceiptKind, amount_minor: int | None = None
) -> Payment:
    """Write down money that staff received: all that is missing, or a part of it; never more, for it is invoiced.

    Who did it and why is the caller's to put into the audit trail, in this transaction. Raises
    :class:`NotFoundError`, :class:`NotAnOfflinePaymentError`, :class:`AlreadyPaidError` (also if the payable
    was paid in another way), :class:`PaymentNotOpenError`, :class:`MoreThanOwedError`.
    """
    payment = await get_payment(session, payment_id, for_update=True)
    payments = PaymentRepository(session)
    if payment.method != OFFLINE:
        raise NotAnOfflinePaymentError
    if is_money_kept(payment) and payment.captured_minor >= payment.amount_minor:
        raise AlreadyPaidError
    if payment.status != PaymentStatus.REQUIRES_ACTION:
        raise PaymentNotOpenError(status=payment.status)
    if payment.payable_kind not in ADDS_UP and await payments.has_other_kept_payment(payment):
        raise AlreadyPaidError
    missing = payment.amount_minor - payment.captured_minor
    received = amount_minor if amount_minor is not None else missing
    if not 0 < received <= missing:
        raise MoreThanOwedError(Money(missing, payment.currency).format(session.tenant.locale))
    attempt = await latest_attempt(session, payment.id)
    payment.captured_minor += received
    payments.add(ledger_line(payment, f"receipt_{kind}", received, provider_ref=attempt.provider_ref))
    await refresh_status(session, payment)
    await publish(session, PAYMENT_SETTLED, {"payment_id": str(payment.id)})
    return payment


async def undo_offline_receipt(session: TenantSession, payment_id: UUID) -> tuple[Payment, int]:
    """Take back the last receipt that still stands, by a counter-entry; answers its amount, too.

    Raises :class:`NotFoundError`, :class:`NotAnOfflinePaymentError`, or :class:`NoReceiptToUndoError` if
    there is none or part of its money was given back since.
    """
    payment = await get_payment(session, payment_id, for_update=True)
    payments = PaymentRepository(session)
    if payment.method != OFFLINE:
        raise NotAnOfflinePaymentError
    receipt = _last_standing_receipt(await payments.list_ledger(payment.id))
    if receipt is None or receipt.amount_minor > payment.unpromised_minor:
        raise NoReceiptToUndoError
    payment.captured_minor -= receipt.amount_minor
    payments.add(ledger_line(payment, RECEIPT_UNDONE, -receipt.amount_minor, provider_ref=str(receipt.id)))
    await refresh_status(session, payment)
    await publish(session, PAYMENT_RECEIPT_UNDONE, {"payment_id": str(payment.id)})
    return payment, receipt.amount_minor


def _last_standing_receipt(lines: list[LedgerEntry]) -> LedgerEntry | None:
    undone = {line.provider_ref for line in lines if line.kind == RECEIPT_UNDONE}
    receipts = (line for line in reversed(lines) if line.kind.startswith("receipt_") and line.kind != RECEIPT_UNDONE)
    return next((line for line in receipts if str(line.id) not in undone), None)
