"""The rest of an appointment's price as something to be paid for, online or at the desk, before or after the visit."""

from collections.abc import Sequence
from uuid import UUID

from billing.checkout.errors import AppointmentNotPayableError
from billing.payments.errors import AlreadyPaidError, MoreThanOwedError
from billing.payments.models import Payment, PaymentStatus
from billing.payments.payables import APPOINTMENT, APPOINTMENT_BALANCE, PaymentOutcome, register_payable_kind
from billing.payments.receipts import ReceiptKind, record_offline_receipt
from billing.payments.service import (
    Manner,
    Payable,
    is_money_kept,
    lock_opening,
    lock_payments_of_payable,
    open_payment,
    request_abandon,
)
from billing.providers.offline import NAME as OFFLINE
from billing.refunds.service import Paid, RefundCause, request_refund
from scheduling.appointments.events import MONEY_KINDS
from scheduling.appointments.models import Appointment
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.balances import PAYABLE, cost_minor, find_standing, standing_of
from scheduling.appointments.services.reading import check_owner, effective_status, get_appointment
from scheduling.checkout.appointment_payable import describe_appointment
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.settings import Settings


class BalancePayable:
    """What is left of the price. It may come in parts: what is left is reckoned anew each time."""

    async def claim(self, session: TenantSession, payable_id: UUID, *, client_id: UUID) -> Payable:
        """What is left of a client's appointment. Raises ``NotFoundError``, :class:`AppointmentNotPayableError`."""
        appointment = await get_appointment(session, payable_id, client_id=client_id)
        balance = (await find_standing(session, appointment)).balance
        if effective_status(appointment) not in PAYABLE or not balance:
            raise AppointmentNotPayableError
        return await _payable(session, appointment, balance)

    async def opened(self, session: TenantSession, payment: Payment, *, settings: Settings) -> None:
        """Nothing follows: the appointment stands already."""

    async def apply(self, session: TenantSession, payment: Payment) -> PaymentOutcome:
        """It counts, as far as something was left; what was paid too much goes back.

        ``paid_twice``: nothing was left. ``cancelled``: nothing is owed any more.
        """
        appointment = check_owner(await AppointmentRepository(session).lock(payment.payable_id), None)
        if effective_status(appointment) not in PAYABLE:
            return PaymentOutcome.CANCELLED
        money = await find_standing(session, appointment)
        others = money.paid - (payment.captured_minor - payment.refunded_minor - payment.refund_pending_minor)
        left = cost_minor(appointment) - others
        if left <= 0:
            return PaymentOutcome.PAID_TWICE
        excess = payment.captured_minor - left
        if excess > 0 and payment.method != OFFLINE:
            await request_refund(session, payment.id, excess, cause=RefundCause.PAID_TWICE, requested_by_kind="system")
        if excess >= 0:
            await request_abandon(session, APPOINTMENT, appointment.id)
            await request_abandon(session, APPOINTMENT_BALANCE, appointment.id)
        return PaymentOutcome.CONFIRMED


async def _payable(session: TenantSession, appointment: Appointment, balance_minor: int) -> Payable:
    return Payable(
        kind=APPOINTMENT_BALANCE,
        id=appointment.id,
        client_id=appointment.client_id,
        amount=Money(balance_minor, appointment.currency),
        description=await describe_appointment(session, appointment),
    )


async def record_at_desk(
    session: TenantSession,
    settings: Settings,
    appointment_id: UUID,
    kind: ReceiptKind,
    amount_minor: int | None = None,
) -> list[tuple[Payment, int]]:
    """Write down money that staff received for an appointment, by default all that is owed; answers the
    payments in which it was written down, with how much of it.

    What the client had promised to pay at the visit is filled first, the rest is a payment of the balance. Who did it
    is for the audit trail. Raises :class:`NotFoundError`, :class:`AppointmentNotPayableError`,
    :class:`AlreadyPaidError`, :class:`MoreThanOwedError`.
    """
    check_owner(await AppointmentRepository(session).find(appointment_id), None)
    await lock_opening(session, appointment_id)
    payments = await lock_payments_of_payable(session, MONEY_KINDS, appointment_id)
    appointment = check_owner(await AppointmentRepository(session).lock(appointment_id), None)
    if effective_status(appointment) not in PAYABLE:
        raise AppointmentNotPayableError
    balance = standing_of(appointment, Paid.of(payments)).balance
    if not balance:
        raise AlreadyPaidError
    left = balance if amount_minor is None else amount_minor
    if not 0 < left <= balance:
        raise MoreThanOwedError(Money(balance, appointment.currency).format(session.tenant.locale))
    filled = []
    for payment in payments:
        part = min(left, payment.amount_minor - payment.captured_minor)
        if part > 0 and _can_be_filled(payment, payments):
            filled.append((await record_offline_receipt(session, payment.id, kind, part), part))
            left -= part
    if left:
        payable = await _payable(session, appointment, left)
        payment = await open_payment(session, settings, payable, Manner(OFFLINE, "", ""))
        filled.append((await record_offline_receipt(session, payment.id, kind, left), left))
    return filled


def _can_be_filled(payment: Payment, payments: Sequence[Payment]) -> bool:
    """Whether it is what the client promised to pay at the visit, and was not paid in another way."""
    if payment.method != OFFLINE or payment.status != PaymentStatus.REQUIRES_ACTION:
        return False
    others = [one for one in payments if one.payable_kind == payment.payable_kind and one.id != payment.id]
    return payment.payable_kind == APPOINTMENT_BALANCE or not any(is_money_kept(one) for one in others)


def register_balance_kind() -> None:
    """Let the rest of an appointment's price be paid for. Safe to repeat."""
    register_payable_kind(APPOINTMENT_BALANCE, BalancePayable())
