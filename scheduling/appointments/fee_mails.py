"""The mails to a client who did not come: the fee that they owe, with the way to pay; the fee that was charged."""

from billing.cards.service import find_card_charge
from notifications.service import ComposedMail, Notice, register_composer
from scheduling.appointments.events import FEE_KIND
from scheduling.appointments.mails import booking_values, find_booking
from scheduling.appointments.models import AppointmentStatus
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.runtime import Runtime

FEE_OWED = "no_show_fee_owed"
FEE_CHARGED = "no_show_fee_charged"


async def compose_fee_owed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """How much and where to pay; nothing once it is paid, waived, or was a mistake."""
    booking = await find_booking(session, notice, AppointmentStatus.NO_SHOW)
    if booking is None or not booking.appointment.no_show_fee_minor:
        return None
    fee = Money(booking.appointment.no_show_fee_minor, booking.appointment.currency)
    return ComposedMail(
        booking_values(session, runtime, notice, booking) | {"fee_owed": fee.format(notice.reader.locale)}
    )


async def compose_fee_charged(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """How much was charged to which card."""
    booking = await find_booking(session, notice, AppointmentStatus.NO_SHOW)
    charged = await find_card_charge(session, FEE_KIND, notice.subject_id)
    if booking is None or charged is None:
        return None
    payment, card = charged
    amount = Money(payment.amount_minor, payment.currency).format(notice.reader.locale)
    return ComposedMail(
        booking_values(session, runtime, notice, booking) | {"fee_owed": amount, "last_four": card.last_four}
    )


def register_fee_mails() -> None:
    """Register this module's composers; their templates are those of appointments."""
    register_composer(FEE_OWED, compose_fee_owed)
    register_composer(FEE_CHARGED, compose_fee_charged)
