"""The mail to a client who did not come and owes a fee for it, with the way to pay."""

from typing import Any

from notifications.service import ComposedMail, Notice, register_composer
from scheduling.appointments.mails import announce_to_all, booking_values, find_booking
from scheduling.appointments.models import AppointmentStatus
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

FEE_OWED = "no_show_fee_owed"


async def compose_fee_owed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """How much and where to pay; nothing once it is paid, waived, or was a mistake."""
    booking = await find_booking(session, notice, AppointmentStatus.NO_SHOW)
    if booking is None or not booking.appointment.no_show_fee_minor:
        return None
    fee = Money(booking.appointment.no_show_fee_minor, booking.appointment.currency)
    return ComposedMail(
        booking_values(session, runtime, notice, booking) | {"fee_owed": fee.format(notice.reader.locale)}
    )


def register_fee_mails() -> None:
    """Register this module's composer; its templates are those of appointments."""
    register_composer(FEE_OWED, compose_fee_owed)


async def on_fee_owed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.fee_owed``: tell the client."""
    await announce_to_all(context, payload, FEE_OWED, None)
