"""Cancelling appointments, and what that gives back."""

from dataclasses import dataclass
from uuid import UUID

from billing.payments.service import lock_payments_of_payable, request_abandon
from billing.refunds.service import RefundCause, request_refunds_for_payable
from scheduling.appointments.errors import AppointmentStateError
from scheduling.appointments.events import APPOINTMENT_CANCELLED, PAYABLE_KIND
from scheduling.appointments.history import Actor, ActorKind, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.reading import MOVABLE, check_owner
from scheduling.appointments.terms import WHOLE, percent_back
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import Payload, publish


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancelled appointment; ``refund`` is what goes back (0: nothing), None if nothing had been paid."""

    appointment: Appointment
    refund: Money | None


async def cancel_appointment(
    session: TenantSession,
    appointment_id: UUID,
    *,
    actor: Actor,
    client_id: UUID | None = None,
    reason: str | None = None,
) -> Cancellation:
    """Cancel a held or confirmed appointment; cancelling it again answers the same and does nothing.

    Everything that was paid goes back if staff cancels or the client does so in time, by the notice that was
    fixed when booking; else nothing. ``client_id``: only if it is this client's, and only before it began.
    Raises :class:`NotFoundError`, :class:`AppointmentStateError`.
    """
    check_owner(await AppointmentRepository(session).find(appointment_id), client_id)
    # Payments are locked before what they pay for, as settling does.
    payments = await lock_payments_of_payable(session, PAYABLE_KIND, appointment_id)
    appointment = check_owner(await AppointmentRepository(session).lock(appointment_id), client_id)
    if appointment.status == AppointmentStatus.CANCELLED:
        return Cancellation(appointment, await _refund_as_decided(session, appointment))
    # A hold that has run out may be given up too: money that is still on its way then comes back for certain.
    if appointment.status not in MOVABLE or (client_id is not None and appointment.starts_at <= clock.now()):
        raise AppointmentStateError
    refund = None
    if any(payment.captured_minor > 0 for payment in payments):
        refund = await _give_back(session, appointment, actor)
    appointment.status = AppointmentStatus.CANCELLED
    appointment.hold_expires_at = None
    appointment.cancelled_by = actor.kind
    appointment.cancelled_at = clock.now()
    appointment.cancellation_reason = reason or None
    appointment.version += 1
    await AppointmentRepository(session).flush()
    amount = None if refund is None else refund.amount
    record_change(session, appointment.id, ChangeKind.CANCELLED, actor, refund_minor=amount)
    payload: Payload = {"appointment_id": str(appointment.id), "version": appointment.version}
    await publish(session, APPOINTMENT_CANCELLED, payload)
    if appointment.amount_due_minor:
        await request_abandon(session, PAYABLE_KIND, appointment.id)
    return Cancellation(appointment, refund)


def share_back(appointment: Appointment, actor_kind: ActorKind) -> int:
    """What percentage of what was paid goes back if someone of ``actor_kind`` cancels now."""
    # What was never confirmed was never had: its money goes back whatever the notice.
    was_never_had = appointment.status == AppointmentStatus.HELD
    if actor_kind is not ActorKind.CLIENT or was_never_had:
        return WHOLE
    return percent_back(appointment, clock.now())


async def _give_back(session: TenantSession, appointment: Appointment, actor: Actor) -> Money:
    percent = share_back(appointment, actor.kind)
    if percent == 0:
        return Money(0, appointment.currency)
    refunds = await request_refunds_for_payable(
        session,
        PAYABLE_KIND,
        appointment.id,
        percent=percent,
        cause=RefundCause.CANCELLATION,
        requested_by_kind=actor.kind,
        requested_by_id=actor.id,
    )
    return Money(sum(refund.amount_minor for refund in refunds), appointment.currency)


async def _refund_as_decided(session: TenantSession, appointment: Appointment) -> Money | None:
    change = await AppointmentRepository(session).find_change(appointment.id, ChangeKind.CANCELLED)
    amount = change.detail.get("refund_minor") if change else None
    return None if amount is None else Money(int(amount), appointment.currency)
