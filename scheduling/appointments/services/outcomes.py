"""What staff says of an appointment: how the visit went, where it takes place, what they note for themselves."""

from datetime import timedelta
from uuid import UUID

from billing.payments.service import lock_payments_of_payable, request_abandon
from billing.refunds.service import Paid
from scheduling.appointments.errors import AppointmentStateError
from scheduling.appointments.events import APPOINTMENT_FEE_OWED, APPOINTMENT_MISSED, FEE_KIND, MONEY_KINDS
from scheduling.appointments.history import Actor, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.announcing import announce_place
from scheduling.appointments.services.means import is_paid_with_credit, spend_means
from scheduling.appointments.services.reading import KEPT, check_owner
from scheduling.appointments.terms import Terms
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.outbox.publish import Payload, publish

MIND_MAY_CHANGE = timedelta(hours=1)
"""How long after a client was said not to have come they hear of it, and are asked for the fee."""


async def record_outcome(
    session: TenantSession, appointment_id: UUID, status: AppointmentStatus, *, actor: Actor
) -> Appointment:
    """Say that the client came (``completed``) or did not (``no_show``), once the appointment has begun.

    Who did not come owes the fee of the terms, less what is here of what they paid; with a session of a package that
    session is gone, and stands for the fee. An hour later they are told. The one may be corrected to the other, and the
    fee with it. Raises :class:`NotFoundError`, :class:`AppointmentStateError`.
    """
    check_owner(await AppointmentRepository(session).find(appointment_id), None)
    paid = Paid.of(await lock_payments_of_payable(session, MONEY_KINDS, appointment_id))
    appointment = check_owner(await AppointmentRepository(session).lock(appointment_id), None)
    if appointment.status not in KEPT or appointment.starts_at > clock.now():
        raise AppointmentStateError
    if appointment.status == status:
        return appointment
    appointment.status = status
    if appointment.no_show_fee_minor:
        await request_abandon(session, FEE_KIND, appointment.id)
    appointment.no_show_fee_minor = None
    if status == AppointmentStatus.NO_SHOW:
        # Once waived or paid it stays so, however often the outcome is corrected.
        is_over = await _was_waived_or_paid(session, appointment_id)
        is_owed = not is_over and not await is_paid_with_credit(session, appointment)
        appointment.no_show_fee_minor = _fee_left(appointment, paid) if is_owed else None
        record_change(
            session, appointment.id, ChangeKind.NO_SHOW, actor, no_show_fee_minor=appointment.no_show_fee_minor
        )
        due_at = clock.now() + MIND_MAY_CHANGE
        payload: Payload = {
            "appointment_id": str(appointment.id),
            "version": appointment.version,
            "due_at": due_at.isoformat(),
        }
        topic = APPOINTMENT_FEE_OWED if appointment.no_show_fee_minor else APPOINTMENT_MISSED
        await publish(session, topic, payload, run_at=due_at)
    else:
        record_change(session, appointment.id, ChangeKind(status), actor)
    await spend_means(session, appointment, actor, status)
    return appointment


async def _was_waived_or_paid(session: TenantSession, appointment_id: UUID) -> bool:
    appointments = AppointmentRepository(session)
    return any(
        [await appointments.find_change(appointment_id, kind) for kind in (ChangeKind.FEE_WAIVED, ChangeKind.FEE_PAID)]
    )


def enter_paid_fee(session: TenantSession, appointment: Appointment, *, actor: Actor) -> None:
    """The fee of a locked appointment was paid: nothing more is owed."""
    fee, appointment.no_show_fee_minor = appointment.no_show_fee_minor, None
    record_change(session, appointment.id, ChangeKind.FEE_PAID, actor, no_show_fee_minor=fee)


def _fee_left(appointment: Appointment, paid: Paid) -> int | None:
    """What is still owed of the fee; None where there is none, or it is paid for."""
    fee = Terms.of(appointment).no_show_fee_minor or 0
    return max(fee - paid.held, 0) or None


async def waive_no_show_fee(session: TenantSession, appointment_id: UUID, reason: str, *, actor: Actor) -> int | None:
    """Let a client who did not come off the fee; answers what it was (minor units), None if it was waived before.

    Raises :class:`NotFoundError`, :class:`AppointmentStateError` where no fee is owed.
    """
    appointment = check_owner(await AppointmentRepository(session).lock(appointment_id), None)
    if appointment.status != AppointmentStatus.NO_SHOW:
        raise AppointmentStateError
    fee = appointment.no_show_fee_minor
    if fee is None:
        if await AppointmentRepository(session).find_change(appointment_id, ChangeKind.FEE_WAIVED) is None:
            raise AppointmentStateError
        return None
    appointment.no_show_fee_minor = None
    await request_abandon(session, FEE_KIND, appointment.id)
    record_change(session, appointment.id, ChangeKind.FEE_WAIVED, actor, no_show_fee_minor=fee, reason=reason)
    return fee


async def set_meeting_url(
    session: TenantSession, appointment_id: UUID, url: str | None, *, actor: Actor | None = None
) -> Appointment:
    """Where an online appointment takes place; its client is told. Without an ``actor`` it is part of the booking, in
    the same transaction, whose mail says it.

    Raises :class:`NotFoundError`, and :class:`InvalidInputError` for a seat, whose address is its session's.
    """
    appointment = check_owner(await AppointmentRepository(session).lock(appointment_id), None)
    if appointment.group_session_id is not None and appointment.meeting_url != url:
        raise InvalidInputError(["body", "meeting_url"], "is its session's", "meeting_url_of_session")
    if appointment.meeting_url == url:
        return appointment
    appointment.meeting_url = url
    if actor is None:
        return appointment
    record_change(session, appointment.id, ChangeKind.MEETING, actor)
    if appointment.location_kind == "online":  # elsewhere nobody is shown a link
        await announce_place(session, appointment)
    return appointment


async def set_private_notes(session: TenantSession, appointment_id: UUID, notes: str | None, *, actor: Actor) -> bool:
    """What the staff notes about the visit, for themselves; whether that is new. Raises :class:`NotFoundError`."""
    appointment = check_owner(await AppointmentRepository(session).lock(appointment_id), None)
    if appointment.private_notes == (notes or None):
        return False
    appointment.private_notes = notes or None
    record_change(session, appointment.id, ChangeKind.NOTED, actor)
    return True
