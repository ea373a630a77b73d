"""Appointments as something to be paid for: where the calendar and the money meet.

Billing knows a payable, the calendar knows an appointment; only this package knows both. A payment's row is
always locked before its appointment's.
"""

from uuid import UUID
from zoneinfo import ZoneInfo

from billing.checkout.errors import AppointmentNotPayableError, HoldExpiredError, RequestUnansweredError
from billing.payments.models import Payment
from billing.payments.payables import APPOINTMENT, APPOINTMENT_BALANCE, PaymentOutcome, register_payable_kind
from billing.payments.service import Payable, request_abandon
from billing.providers.offline import NAME as OFFLINE
from scheduling.appointments.errors import OfferOverError
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.balances import cost_minor, find_standing
from scheduling.appointments.services.confirming import ConfirmOutcome, confirm_offline, confirm_paid
from scheduling.appointments.services.means import is_paid_with_credit
from scheduling.appointments.services.offering import OfferState, accept_offer, accepted_until, state_of
from scheduling.appointments.services.reading import awaits_approval, effective_status, get_appointment
from scheduling.catalogue.service import get_service
from tenants.settings.service import get_practice_settings
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.settings import Settings


class AppointmentPayable:
    """What makes a booking stand."""

    async def claim(self, session: TenantSession, payable_id: UUID, *, client_id: UUID) -> Payable:
        """What is due for a client's appointment.

        Raises ``NotFoundError``, :class:`HoldExpiredError`, :class:`AppointmentNotPayableError`,
        :class:`RequestUnansweredError`.
        """
        appointment = await get_appointment(session, payable_id, client_id=client_id)
        _check_payable(appointment)
        if state_of(appointment) is OfferState.OPEN:
            await _check_needs_no_approval(session, appointment)
        return Payable(
            kind=APPOINTMENT,
            id=appointment.id,
            client_id=appointment.client_id,
            amount=Money(appointment.amount_due_minor, appointment.currency),
            description=await describe_appointment(session, appointment),
            expires_at=accepted_until(appointment, await get_practice_settings(session)),
        )

    async def opened(self, session: TenantSession, payment: Payment, *, settings: Settings) -> None:
        """To begin to pay for what the waiting list offered is to take it; at the desk it is paid for later.

        Raises :class:`HoldExpiredError`, :class:`AppointmentNotPayableError`.
        """
        del settings
        actor = Actor.client(payment.client_id)
        if payment.method != OFFLINE:
            appointment = await get_appointment(session, payment.payable_id)
            if state_of(appointment) is OfferState.OPEN:
                await _accept(session, appointment, actor)
            return
        outcome = await confirm_offline(session, payment.payable_id, actor=actor)
        if outcome is ConfirmOutcome.SLOT_TAKEN:
            raise HoldExpiredError
        if outcome is ConfirmOutcome.NOT_BOOKABLE:
            raise AppointmentNotPayableError

    async def apply(self, session: TenantSession, payment: Payment) -> PaymentOutcome:
        """In time, or late with the time still free: the appointment is confirmed. Else its money goes back.

        So it does where a session of a package, or its balance, was paid for it meanwhile.
        """
        outcome = _OUTCOMES[await confirm_paid(session, payment.payable_id)]
        if outcome is not PaymentOutcome.CONFIRMED:
            return outcome
        appointment = await get_appointment(session, payment.payable_id)
        paid = (await find_standing(session, appointment)).paid
        mine = payment.captured_minor - payment.refunded_minor - payment.refund_pending_minor
        if await is_paid_with_credit(session, appointment) or paid - mine >= max(cost_minor(appointment), 1):
            return PaymentOutcome.PAID_TWICE
        await request_abandon(session, APPOINTMENT_BALANCE, appointment.id)
        return outcome


_OUTCOMES = {
    ConfirmOutcome.CONFIRMED: PaymentOutcome.CONFIRMED,
    ConfirmOutcome.ALREADY_CONFIRMED: PaymentOutcome.CONFIRMED,
    ConfirmOutcome.SLOT_TAKEN: PaymentOutcome.SLOT_TAKEN,
    ConfirmOutcome.NOT_BOOKABLE: PaymentOutcome.CANCELLED,
}


def _check_payable(appointment: Appointment) -> None:
    """A held time, or a confirmed one that was to be paid at the visit."""
    status = effective_status(appointment)
    if status is AppointmentStatus.EXPIRED:
        raise HoldExpiredError
    if awaits_approval(appointment):
        raise RequestUnansweredError
    is_payable = status in (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED) and appointment.amount_due_minor > 0
    if not is_payable:
        raise AppointmentNotPayableError


async def _check_needs_no_approval(session: TenantSession, appointment: Appointment) -> None:
    """What the waiting list offers is paid for at once, unless the practice has to say yes to it first."""
    if (await get_service(session, appointment.service_id)).requires_approval:
        raise RequestUnansweredError


async def _accept(session: TenantSession, appointment: Appointment, actor: Actor) -> None:
    try:
        await accept_offer(session, appointment.id, actor=actor)
    except OfferOverError as error:
        raise HoldExpiredError from error


async def describe_appointment(session: TenantSession, appointment: Appointment) -> str:
    """What the client reads at the provider: the service and the time on the practice's clock.

    It is kept with the payment, and read in mails by people of either language: ``3/4/26`` would be March to the one
    and April to the other, so the day is written as in RFC 3339.
    """
    service = await get_service(session, appointment.service_id)
    starts_at = appointment.starts_at.astimezone(ZoneInfo(session.tenant.timezone))
    return f"{service.name}, {starts_at:%Y-%m-%d %H:%M}"


def register_payable_kinds() -> None:
    """Let what makes a booking stand be paid for. Safe to repeat."""
    register_payable_kind(APPOINTMENT, AppointmentPayable())
