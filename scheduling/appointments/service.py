"""Booking, moving, cancelling and confirming appointments."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.exc import IntegrityError

from billing.payments.service import lock_payments_of_payable, request_abandon
from billing.refunds.service import RefundCause, request_refunds_for_payable
from scheduling.appointments.errors import AppointmentStateError, TooManyHoldsError
from scheduling.appointments.events import (
    APPOINTMENT_CANCELLED,
    APPOINTMENT_CONFIRMED,
    APPOINTMENT_HOLD_EXPIRY,
    APPOINTMENT_MOVED,
    APPOINTMENT_REMINDER,
    PAYABLE_KIND,
)
from scheduling.appointments.history import SYSTEM, Actor, ActorKind, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.placement import occupied_range, retire_expired_holds, take_time
from scheduling.appointments.repository import AppointmentFilter, AppointmentRepository, is_overlap
from scheduling.availability.service import Rules, is_still_free
from scheduling.catalogue.models import Service
from scheduling.catalogue.service import get_offered_service, get_service
from tenants.accounts.services.client_accounts import hold_client, is_erased
from tenants.accounts.services.dependants import hold_dependant
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import Payload, publish

_MOVABLE = (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED)
_KEPT = (AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW)


MAX_HOLDS = 10
"""How many unpaid times one client may hold at once."""


class ConfirmOutcome(StrEnum):
    """What became of money or a promise for an appointment.

    ``SLOT_TAKEN``: its hold ran out and the time can't be had any more. ``NOT_BOOKABLE``: it was cancelled.
    """

    CONFIRMED = "confirmed"
    ALREADY_CONFIRMED = "already_confirmed"
    SLOT_TAKEN = "slot_taken"
    NOT_BOOKABLE = "not_bookable"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancelled appointment; ``refund`` is what goes back (0: nothing), None if nothing had been paid."""

    appointment: Appointment
    refund: Money | None


def has_lapsed(appointment: Appointment) -> bool:
    """Whether it is held by a hold that has run out, noticed by a job or not."""
    expires_at = appointment.hold_expires_at
    return expires_at is not None and expires_at <= clock.now()


def effective_status(appointment: Appointment) -> AppointmentStatus:
    """The status as everybody sees it: a hold that has run out is expired at once."""
    return AppointmentStatus.EXPIRED if has_lapsed(appointment) else AppointmentStatus(appointment.status)


# ---- reading


async def get_appointment(
    session: TenantSession, appointment_id: UUID, *, client_id: UUID | None = None
) -> Appointment:
    """An appointment by id, of one client if ``client_id`` is given. Raises :class:`NotFoundError`."""
    return _of_client(await AppointmentRepository(session).find(appointment_id), client_id)


async def list_appointments(
    session: TenantSession, wanted: AppointmentFilter, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[Appointment], str | None]:
    """A page of appointments in order of time."""
    return await AppointmentRepository(session).page(wanted, limit=limit, cursor=cursor)


def clients_of_practitioner(practitioner_id: UUID) -> Select[tuple[UUID]]:
    """For other queries: the ids of the clients who have, or had, an appointment with a practitioner."""
    return AppointmentRepository.clients_of(practitioner_id)


def _of_client(appointment: Appointment | None, client_id: UUID | None) -> Appointment:
    if appointment is None or (client_id is not None and appointment.client_id != client_id):
        raise NotFoundError
    return appointment


# ---- booking


async def book_appointment(
    session: TenantSession,
    *,
    client_id: UUID,
    service_id: UUID,
    starts_at: datetime,
    practitioner_id: UUID | None = None,
    location_kind: str | None = None,
    notes: str | None = None,
    dependant_id: UUID | None = None,
    actor: Actor | None = None,
) -> Appointment:
    """Take a free time for a client: ``held`` where something is to be paid first, else ``confirmed``.

    Without ``practitioner_id`` anyone who offers the service and is free. ``dependant_id``: for whom, None for
    the client themselves. ``actor`` is the client unless staff books. Raises :class:`NotFoundError` (service,
    client), :class:`InvalidInputError` (location, dependant),
    :class:`SlotTakenError`, :class:`SlotNotOfferedError`, :class:`TooManyHoldsError`; ``ValueError`` for a
    naive ``starts_at``.
    """
    if starts_at.tzinfo is None:
        raise ValueError("starts_at needs an offset")
    # The account's row comes first of all locks: an erasure waits for this booking, or this one finds it erased.
    await hold_client(session, client_id)
    if dependant_id is not None:
        await hold_dependant(session, client_id, dependant_id)
    service = await get_offered_service(session, service_id)
    place = _choose_location(service, location_kind)
    settings = await get_practice_settings(session)
    rules = Rules.of(service)
    due = service.price_minor if service.deposit_minor is None else service.deposit_minor
    by_client = actor is None or actor.kind is ActorKind.CLIENT
    if due and by_client and await AppointmentRepository(session).count_holds(client_id) >= MAX_HOLDS:
        raise TooManyHoldsError

    async def write(chosen: UUID) -> Appointment:
        now = clock.now()
        appointment = Appointment(
            id=new_id(),
            service_id=service.id,
            practitioner_id=chosen,
            client_id=client_id,
            dependant_id=dependant_id,
            status=AppointmentStatus.HELD if due else AppointmentStatus.CONFIRMED,
            starts_at=starts_at,
            ends_at=starts_at + rules.duration,
            occupied=occupied_range(rules, starts_at),
            currency=service.currency,
            price_minor=service.price_minor,
            amount_due_minor=due,
            hold_expires_at=now + timedelta(minutes=settings.hold_minutes) if due else None,
            location_kind=place,
            meeting_url=None,
            notes=notes or None,
            cancellation_notice_hours=settings.cancellation_notice_hours,
            refund_deadline=None,
            cancelled_by=None,
            cancelled_at=None,
            cancellation_reason=None,
            version=0,
            created_at=now,
        )
        await AppointmentRepository(session).add(appointment)
        return appointment

    appointment = await take_time(session, rules, starts_at, write, practitioner_id=practitioner_id)
    record_change(session, appointment.id, ChangeKind.BOOKED, actor or Actor.client(client_id))
    if due:
        payload = {"appointment_id": str(appointment.id)}
        await publish(session, APPOINTMENT_HOLD_EXPIRY, payload, run_at=appointment.hold_expires_at)
    else:
        await _announce(session, appointment, APPOINTMENT_CONFIRMED)
    return appointment


def _choose_location(service: Service, wished: str | None) -> str:
    if wished is None:
        return service.location_kinds[0]
    if wished not in service.location_kinds:
        kinds = ", ".join(service.location_kinds)
        raise InvalidInputError(["body", "location_kind"], f"one of {kinds}", "location_kind_not_offered")
    return str(wished)


async def _announce(session: TenantSession, appointment: Appointment, topic: str) -> None:
    """Tell of a confirmed time, and queue its reminder unless that would be in the past."""
    payload: Payload = {"appointment_id": str(appointment.id), "version": appointment.version}
    await publish(session, topic, payload)
    settings = await get_practice_settings(session)
    remind_at = appointment.starts_at - timedelta(hours=settings.reminder_hours)
    if remind_at > clock.now():
        await publish(session, APPOINTMENT_REMINDER, payload, run_at=remind_at)


# ---- moving


async def reschedule_appointment(
    session: TenantSession,
    appointment_id: UUID,
    starts_at: datetime,
    *,
    practitioner_id: UUID | None = None,
    client_id: UUID | None = None,
    actor: Actor | None = None,
) -> Appointment:
    """Move a held or confirmed appointment by its service's present rules; a failure leaves it where it is.

    Without ``practitioner_id`` the present one is tried first, then anyone who is free. Price, hold and
    terms stay as booked. ``client_id``: only if it is this client's, and only before it began. Raises
    :class:`NotFoundError`, :class:`AppointmentStateError`, :class:`SlotTakenError`,
    :class:`SlotNotOfferedError`; ``ValueError`` for a naive ``starts_at``.
    """
    if starts_at.tzinfo is None:
        raise ValueError("starts_at needs an offset")
    appointment = await get_appointment(session, appointment_id, client_id=client_id)
    _check_movable(appointment, by_client=client_id is not None)
    if appointment.starts_at == starts_at and practitioner_id in (None, appointment.practitioner_id):
        return appointment
    rules = Rules.of(await get_service(session, appointment.service_id))
    before = {"from": appointment.starts_at.isoformat(), "from_practitioner_id": str(appointment.practitioner_id)}

    async def write(chosen: UUID) -> Appointment:
        repository = AppointmentRepository(session)
        moved = _of_client(await repository.lock(appointment_id), client_id)
        _check_movable(moved, by_client=client_id is not None)
        before.update({"from": moved.starts_at.isoformat(), "from_practitioner_id": str(moved.practitioner_id)})
        moved.refund_deadline = _deadline_after_move(moved, by_client=client_id is not None)
        moved.practitioner_id = chosen
        moved.starts_at = starts_at
        moved.ends_at = starts_at + rules.duration
        moved.occupied = occupied_range(rules, starts_at)
        moved.version += 1
        await repository.flush()
        return moved

    moved = await take_time(
        session,
        rules,
        starts_at,
        write,
        practitioner_id=practitioner_id,
        preferred_id=appointment.practitioner_id,
        except_id=appointment_id,
    )
    by = actor or Actor.client(moved.client_id)
    after = {"to": starts_at.isoformat(), "to_practitioner_id": str(moved.practitioner_id)}
    record_change(session, moved.id, ChangeKind.MOVED, by, **before, **after)
    if moved.status == AppointmentStatus.CONFIRMED:
        await _announce(session, moved, APPOINTMENT_MOVED)
    return moved


def _deadline_after_move(appointment: Appointment, *, by_client: bool) -> datetime | None:
    """A client who moves after the notice has run out keeps the lost deadline, or moving would buy it back."""
    if by_client and appointment.status == AppointmentStatus.CONFIRMED and clock.now() > appointment.refundable_until:
        return appointment.refundable_until
    return None


def _check_movable(appointment: Appointment, *, by_client: bool) -> None:
    if effective_status(appointment) not in _MOVABLE or (by_client and appointment.starts_at <= clock.now()):
        raise AppointmentStateError


# ---- cancelling


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
    _of_client(await AppointmentRepository(session).find(appointment_id), client_id)
    # Payments are locked before what they pay for, as settling does.
    payments = await lock_payments_of_payable(session, PAYABLE_KIND, appointment_id)
    appointment = _of_client(await AppointmentRepository(session).lock(appointment_id), client_id)
    if appointment.status == AppointmentStatus.CANCELLED:
        return Cancellation(appointment, await _refund_as_decided(session, appointment))
    # A hold that has run out may be given up too: money that is still on its way then comes back for certain.
    if appointment.status not in _MOVABLE or (client_id is not None and appointment.starts_at <= clock.now()):
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


def gives_money_back(appointment: Appointment, actor_kind: ActorKind) -> bool:
    """Whether everything that was paid goes back if someone of ``actor_kind`` cancels now."""
    # What was never confirmed was never had: its money goes back whatever the notice.
    was_never_had = appointment.status == AppointmentStatus.HELD
    return actor_kind is not ActorKind.CLIENT or was_never_had or clock.now() <= appointment.refundable_until


async def _give_back(session: TenantSession, appointment: Appointment, actor: Actor) -> Money:
    if not gives_money_back(appointment, actor.kind):
        return Money(0, appointment.currency)
    refunds = await request_refunds_for_payable(
        session,
        PAYABLE_KIND,
        appointment.id,
        cause=RefundCause.CANCELLATION,
        requested_by_kind=actor.kind,
        requested_by_id=actor.id,
    )
    return Money(sum(refund.amount_minor for refund in refunds), appointment.currency)


async def _refund_as_decided(session: TenantSession, appointment: Appointment) -> Money | None:
    change = await AppointmentRepository(session).find_change(appointment.id, ChangeKind.CANCELLED)
    amount = change.detail.get("refund_minor") if change else None
    return None if amount is None else Money(int(amount), appointment.currency)


# ---- confirming and expiring


async def confirm_paid(session: TenantSession, appointment_id: UUID) -> ConfirmOutcome:
    """The money is here: confirm what is held, or what can be had again after its hold ran out.

    To be called with the payment's lock held or none at all. Raises :class:`NotFoundError`.
    """
    return await _confirm(session, appointment_id, "paid")


async def confirm_offline(session: TenantSession, appointment_id: UUID, *, actor: Actor = SYSTEM) -> ConfirmOutcome:
    """The client pays at the practice: the same rules. Raises :class:`NotFoundError`."""
    return await _confirm(session, appointment_id, "offline", actor)


async def _confirm(session: TenantSession, appointment_id: UUID, how: str, actor: Actor = SYSTEM) -> ConfirmOutcome:
    appointment = await _lock_with_practitioner(session, appointment_id)
    if appointment.status == AppointmentStatus.CANCELLED:
        return ConfirmOutcome.NOT_BOOKABLE
    if appointment.status in _KEPT:
        return ConfirmOutcome.ALREADY_CONFIRMED
    if effective_status(appointment) is AppointmentStatus.EXPIRED and not await _retake(session, appointment):
        await _mark_expired(session, appointment)
        return ConfirmOutcome.SLOT_TAKEN
    appointment.status = AppointmentStatus.CONFIRMED
    appointment.hold_expires_at = None
    await AppointmentRepository(session).flush()
    record_change(session, appointment.id, ChangeKind.CONFIRMED, actor, how=how)
    await _announce(session, appointment, APPOINTMENT_CONFIRMED)
    return ConfirmOutcome.CONFIRMED


async def _lock_with_practitioner(session: TenantSession, appointment_id: UUID) -> Appointment:
    """The appointment locked after its practitioner; tried anew if it moved to another one in between."""
    repository = AppointmentRepository(session)
    while True:
        seen = _of_client(await repository.find(appointment_id), None)
        practitioner_id = seen.practitioner_id
        savepoint = await session.begin_nested()
        await repository.lock_practitioner(practitioner_id)
        appointment = _of_client(await repository.lock(appointment_id), None)
        if appointment.practitioner_id == practitioner_id:
            await savepoint.commit()
            return appointment
        await savepoint.rollback()


async def _retake(session: TenantSession, appointment: Appointment) -> bool:
    """Whether a lapsed appointment's time is still to be had; if so its row is confirmed here, under the constraint."""
    if appointment.starts_at <= clock.now() or await is_erased(session, appointment.client_id):
        return False
    rules = _rules_as_booked(appointment)
    practitioner_id, starts_at = appointment.practitioner_id, appointment.starts_at
    if not await is_still_free(session, rules, practitioner_id, starts_at, appointment.id):
        return False
    await retire_expired_holds(session, practitioner_id, occupied_range(rules, starts_at), appointment.id)
    try:
        async with session.begin_nested():
            appointment.status = AppointmentStatus.CONFIRMED
            appointment.hold_expires_at = None
            await AppointmentRepository(session).flush()
    except IntegrityError as error:
        if not is_overlap(error):
            raise
        await AppointmentRepository(session).lock(appointment.id)
        return False
    return True


def _rules_as_booked(appointment: Appointment) -> Rules:
    """Length and buffers of the row itself, whatever the service says today."""
    lower, upper = appointment.occupied.lower, appointment.occupied.upper
    assert lower is not None and upper is not None  # noqa: S101, PT018 - made by occupied_range
    return Rules(
        service_id=appointment.service_id,
        duration=appointment.ends_at - appointment.starts_at,
        buffer_before=appointment.starts_at - lower,
        buffer_after=upper - appointment.ends_at,
        minimum_notice=timedelta(0),
        horizon=timedelta.max,
        grid_minutes=1,
    )


async def expire_hold(session: TenantSession, appointment_id: UUID) -> datetime | None:
    """Give the time of an unpaid appointment free if its hold has run out.

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
        record_change(session, appointment.id, ChangeKind.EXPIRED)


# ---- after the visit, for staff


async def record_outcome(
    session: TenantSession, appointment_id: UUID, status: AppointmentStatus, *, actor: Actor
) -> Appointment:
    """Say that the client came (``completed``) or did not (``no_show``), once the appointment has begun.

    Raises :class:`NotFoundError`, :class:`AppointmentStateError`.
    """
    appointment = _of_client(await AppointmentRepository(session).lock(appointment_id), None)
    if appointment.status not in _KEPT or appointment.starts_at > clock.now():
        raise AppointmentStateError
    if appointment.status != status:
        appointment.status = status
        record_change(session, appointment.id, ChangeKind(status), actor)
    return appointment


async def set_meeting_url(session: TenantSession, appointment_id: UUID, url: str | None) -> Appointment:
    """Where an online appointment takes place. Raises :class:`NotFoundError`."""
    appointment = _of_client(await AppointmentRepository(session).lock(appointment_id), None)
    appointment.meeting_url = url
    return appointment
