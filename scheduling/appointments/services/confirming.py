"""Held appointments: they are confirmed, or their hold runs out."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from billing.payments.service import request_abandon
from scheduling.appointments.events import APPOINTMENT_CONFIRMED, PAYABLE_KIND
from scheduling.appointments.history import SYSTEM, Actor, ActorKind, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.placement import retire_expired_holds, tell_of_expiry
from scheduling.appointments.repository import AppointmentRepository, is_overlap
from scheduling.appointments.services.announcing import announce_appointment
from scheduling.appointments.services.locking import lock_with_practitioner
from scheduling.appointments.services.means import take_means_again
from scheduling.appointments.services.reading import KEPT, effective_status, has_lapsed
from scheduling.availability.rules import Rules, load_rules
from scheduling.availability.service import is_still_free
from scheduling.group_sessions.seats import has_room_for
from tenants.accounts.services.client_accounts import is_erased
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


class _MeansGoneError(Exception):
    """The session or the discount of a lapsed appointment is not to be had any more; rolls the savepoint back."""


class ConfirmOutcome(StrEnum):
    """What became of money or a promise for an appointment.

    ``SLOT_TAKEN``: its hold ran out and the time can't be had any more. ``NOT_BOOKABLE``: it was cancelled,
    or waits for the practice's yes, which only staff can say.
    """

    CONFIRMED = "confirmed"
    ALREADY_CONFIRMED = "already_confirmed"
    SLOT_TAKEN = "slot_taken"
    NOT_BOOKABLE = "not_bookable"


async def confirm_paid(session: TenantSession, appointment_id: UUID) -> ConfirmOutcome:
    """The money is here: confirm what is held, or what can be had again after its hold ran out.

    To be called with the payment's lock held or none at all. Raises :class:`NotFoundError`.
    """
    return await _confirm(session, appointment_id, "paid")


async def confirm_offline(session: TenantSession, appointment_id: UUID, *, actor: Actor = SYSTEM) -> ConfirmOutcome:
    """The client pays at the practice: the same rules; of an unanswered request, staff's yes as well.

    Raises :class:`NotFoundError`.
    """
    return await _confirm(session, appointment_id, "offline", actor)


async def confirm_with_credit(session: TenantSession, appointment_id: UUID, *, actor: Actor) -> ConfirmOutcome:
    """A session of a package was taken for it: the same rules. Raises :class:`NotFoundError`."""
    return await _confirm(session, appointment_id, "package", actor)


async def _confirm(session: TenantSession, appointment_id: UUID, how: str, actor: Actor = SYSTEM) -> ConfirmOutcome:
    appointment = await lock_with_practitioner(session, appointment_id)
    if appointment.status == AppointmentStatus.CANCELLED:
        return ConfirmOutcome.NOT_BOOKABLE
    if appointment.status in KEPT:
        return ConfirmOutcome.ALREADY_CONFIRMED
    is_request = appointment.hold_kind == HoldKind.APPROVAL
    if is_request and actor.kind is not ActorKind.STAFF:
        return ConfirmOutcome.NOT_BOOKABLE  # no money speaks for the practice
    if effective_status(appointment) is AppointmentStatus.EXPIRED and not await _retake(session, appointment):
        await _mark_expired(session, appointment)
        return ConfirmOutcome.SLOT_TAKEN
    appointment.status = AppointmentStatus.CONFIRMED
    appointment.hold_expires_at = None
    if appointment.hold_kind == HoldKind.OFFER:  # it is a booking now, and no offer any more
        appointment.hold_kind = None
    await AppointmentRepository(session).flush()
    if is_request:
        record_change(session, appointment.id, ChangeKind.APPROVED, actor)
    record_change(session, appointment.id, ChangeKind.CONFIRMED, actor, how=how)
    await announce_appointment(session, appointment, APPOINTMENT_CONFIRMED)
    return ConfirmOutcome.CONFIRMED


async def _retake(session: TenantSession, appointment: Appointment) -> bool:
    """Whether a lapsed appointment's time is still to be had; if so its row is confirmed here, under the constraint."""
    if appointment.starts_at <= clock.now() or await is_erased(session, appointment.client_id):
        return False
    if not await _can_be_had(session, appointment):
        return False
    try:
        async with session.begin_nested():
            if not await take_means_again(session, appointment):
                raise _MeansGoneError
            appointment.status = AppointmentStatus.CONFIRMED
            appointment.hold_expires_at = None
            await AppointmentRepository(session).flush()
    except (IntegrityError, _MeansGoneError) as error:
        if isinstance(error, IntegrityError) and not is_overlap(error):
            raise
        await AppointmentRepository(session).lock(appointment.id)
        return False
    return True


async def _can_be_had(session: TenantSession, appointment: Appointment) -> bool:
    if appointment.group_session_id is not None:
        return await has_room_for(session, appointment)
    rules = await _rules_as_booked(session, appointment)
    if not await is_still_free(session, rules, appointment.practitioner_id, appointment.starts_at, appointment.id):
        return False
    await retire_expired_holds(session, appointment.practitioner_id, appointment.occupied, appointment.id)
    return True


async def _rules_as_booked(session: TenantSession, appointment: Appointment) -> Rules:
    """Length and buffers of the row itself, whatever the service says today."""
    lower, upper = appointment.occupied.lower, appointment.occupied.upper
    assert lower is not None and upper is not None  # noqa: S101, PT018 - made by occupied_range
    rules = await load_rules(session, appointment.service_id, include_archived=True)
    return rules.as_booked(
        appointment.practitioner_id,
        appointment.ends_at - appointment.starts_at,
        appointment.starts_at - lower,
        upper - appointment.ends_at,
        appointment.location_kind,
    )


async def expire_hold(session: TenantSession, appointment_id: UUID) -> datetime | None:
    """Give the time of an unpaid or unanswered appointment free if its hold has run out.

    Answers when to look again if the hold goes on, else None. Unknown ids are nothing to do.
    """
    appointment = await AppointmentRepository(session).lock(appointment_id)
    if appointment is None or appointment.status != AppointmentStatus.HELD:
        return None
    if not has_lapsed(appointment):
        return appointment.hold_expires_at
    await _mark_expired(session, appointment)
    await request_abandon(session, PAYABLE_KIND, appointment.id)
    return None


async def _mark_expired(session: TenantSession, appointment: Appointment) -> None:
    if appointment.status == AppointmentStatus.HELD:
        appointment.status = AppointmentStatus.EXPIRED
        appointment.hold_expires_at = None
        await AppointmentRepository(session).flush()
        await tell_of_expiry(session, appointment)
