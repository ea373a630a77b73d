"""The mails about requests: a booking waits for the practice's yes, gets it, or doesn't."""

from collections.abc import Sequence
from typing import Any

from notifications.formats import describe
from notifications.service import ComposedMail, Notice, register_composer
from scheduling.appointments.mails import Booking, announce_to_all, booking_values, find_booking
from scheduling.appointments.models import AppointmentStatus, HoldKind
from scheduling.appointments.services.reading import awaits_approval, has_lapsed
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

REQUESTED = "appointment_requested"
REQUESTED_PRACTICE = "appointment_requested_practice"
APPROVED = "appointment_approved"
DECLINED = "appointment_declined"
UNANSWERED = "appointment_unanswered"
KINDS: Sequence[str] = (REQUESTED, REQUESTED_PRACTICE, APPROVED, DECLINED, UNANSWERED)


async def compose_requested(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To client and practice, of a request that is still to be answered."""
    booking = await find_booking(session, notice, AppointmentStatus.HELD)
    if booking is None or not awaits_approval(booking.appointment):
        return None
    return ComposedMail(_with_hold(session, runtime, notice, booking))


async def compose_approved(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the client, of a request that was granted and is to be paid now."""
    booking = await find_booking(session, notice, AppointmentStatus.HELD)
    if booking is None or booking.appointment.hold_kind != HoldKind.PAYMENT or has_lapsed(booking.appointment):
        return None
    return ComposedMail(_with_hold(session, runtime, notice, booking))


async def compose_declined(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the client, of a request that was not granted. Why is the staff's own, and may be about health."""
    booking = await find_booking(session, notice, AppointmentStatus.CANCELLED)
    return ComposedMail(booking_values(session, runtime, notice, booking)) if booking else None


async def compose_unanswered(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the client, of a request that nobody answered in time."""
    booking = await find_booking(session, notice, AppointmentStatus.EXPIRED)
    return ComposedMail(booking_values(session, runtime, notice, booking)) if booking else None


def _with_hold(session: TenantSession, runtime: Runtime, notice: Notice, booking: Booking) -> dict[str, Any]:
    """``held_until``: until when the practice answers, or the client pays ``amount_due``."""
    appointment, reader = booking.appointment, notice.reader
    values = booking_values(session, runtime, notice, booking)
    until, due = appointment.hold_expires_at, appointment.amount_due_minor
    assert until is not None  # noqa: S101 - a held appointment has one, says the table
    return values | {
        "held_until": describe(until, reader.timezone, reader.locale),
        "amount_due": Money(due, appointment.currency).format(reader.locale) if due else None,
    }


def register_request_mails() -> None:
    """Register the composers of this module; called at start-up, with the other mails of appointments."""
    register_composer(REQUESTED, compose_requested)
    register_composer(REQUESTED_PRACTICE, compose_requested)
    register_composer(APPROVED, compose_approved)
    register_composer(DECLINED, compose_declined)
    register_composer(UNANSWERED, compose_unanswered)


async def on_appointment_requested(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the practice that a request waits for it, and the client that it does."""
    await announce_to_all(context, payload, REQUESTED, REQUESTED_PRACTICE)


async def on_appointment_approved(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the client to pay now."""
    await announce_to_all(context, payload, APPROVED, None)


async def on_appointment_declined(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the client that it will not be."""
    await announce_to_all(context, payload, DECLINED, None)


async def on_appointment_unanswered(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the client that nobody answered."""
    await announce_to_all(context, payload, UNANSWERED, None)
