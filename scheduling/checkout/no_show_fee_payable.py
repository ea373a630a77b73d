"""The fee of a client who did not come as something to be paid for."""

from uuid import UUID

from billing.checkout.errors import AppointmentNotPayableError
from billing.payments.models import Payment
from billing.payments.payables import NO_SHOW_FEE, PaymentOutcome, register_payable_kind
from billing.payments.service import Payable, request_abandon
from billing.providers.offline import NAME as OFFLINE
from scheduling.appointments.events import APPOINTMENT_FEE_CHARGED
from scheduling.appointments.history import SYSTEM, Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.outcomes import enter_paid_fee
from scheduling.appointments.services.reading import check_owner, get_appointment
from scheduling.checkout.appointment_payable import describe_appointment
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import Payload, publish
from todoenbalance.kit.settings import Settings


class NoShowFeePayable:
    """What a client who did not come still owes. It ends with being paid, waived, or an outcome that is corrected."""

    async def claim(self, session: TenantSession, payable_id: UUID, *, client_id: UUID) -> Payable:
        """What a client owes for an appointment. Raises ``NotFoundError``, :class:`AppointmentNotPayableError`."""
        appointment = await get_appointment(session, payable_id, client_id=client_id)
        owed = _owed(appointment)
        if not owed:
            raise AppointmentNotPayableError
        return Payable(
            kind=NO_SHOW_FEE,
            id=appointment.id,
            client_id=appointment.client_id,
            amount=Money(owed, appointment.currency),
            description=await describe_appointment(session, appointment),
        )

    async def opened(self, session: TenantSession, payment: Payment, *, settings: Settings) -> None:
        """At the desk it is paid by whoever stands there, not by a promise.

        Raises :class:`AppointmentNotPayableError` for a promise to pay at the practice.
        """
        if payment.method == OFFLINE:
            raise AppointmentNotPayableError

    async def apply(self, session: TenantSession, payment: Payment) -> PaymentOutcome:
        """The fee is paid. ``cancelled``: it is owed no more, and the money goes back."""
        appointment = check_owner(await AppointmentRepository(session).lock(payment.payable_id), None)
        if not _owed(appointment):
            return PaymentOutcome.CANCELLED
        is_kept_card = payment.saved_card_id is not None
        enter_paid_fee(session, appointment, actor=SYSTEM if is_kept_card else Actor.client(payment.client_id))
        if is_kept_card:
            payload: Payload = {"appointment_id": str(appointment.id), "version": appointment.version}
            await publish(session, APPOINTMENT_FEE_CHARGED, payload)
        await request_abandon(session, NO_SHOW_FEE, appointment.id)
        return PaymentOutcome.CONFIRMED


def _owed(appointment: Appointment) -> int:
    return (appointment.no_show_fee_minor or 0) if appointment.status == AppointmentStatus.NO_SHOW else 0


def register_no_show_fee_kind() -> None:
    """Let the fee for not coming be paid for. Safe to repeat."""
    register_payable_kind(NO_SHOW_FEE, NoShowFeePayable())
