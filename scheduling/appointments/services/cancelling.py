"""Cancelling appointments, and what that gives back."""

from dataclasses import dataclass
from uuid import UUID

from billing.payments.service import lock_payments_of_payable, request_abandon
from billing.refunds.service import Paid, RefundCause, request_refunds_for_payable
from scheduling.appointments.events import APPOINTMENT_CANCELLED, MONEY_KINDS
from scheduling.appointments.history import Actor, ActorKind, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.announcing import announce_freed, tell
from scheduling.appointments.services.means import give_means_back, is_paid_with_credit, spend_means
from scheduling.appointments.services.quoting import (
    RefundChoice,
    is_whole,
    refund_of,
    refusal_to_cancel,
    share_back,
)
from scheduling.appointments.services.reading import check_owner
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError
from todoenbalance.kit.money import Money


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancelled appointment; ``refund`` is what goes back (0: nothing), None if nothing had been paid.

    ``policy``: what the client's own cancelling would have given back, where staff cancelled. ``credit_back``:
    whether the session of a package came back, None where it was not booked with one.
    """

    appointment: Appointment
    refund: Money | None
    policy: Money | None = None
    credit_back: bool | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """How staff cancel: for the practice, or ``on_behalf_of_client`` who asked for it (rang up).

    Without ``refund`` the practice's own cancellation gives everything back, a client's what the terms say.
    Anything else is a decision about money: it takes a reason, and ``may_deviate``.
    """

    refund: RefundChoice | None = None
    on_behalf_of_client: bool = False
    may_deviate: bool = False

    @property
    def is_for_client(self) -> bool:
        """Whether the client asked for it; what the terms say is for nobody else."""
        return self.on_behalf_of_client or self.refund is RefundChoice.POLICY

    @property
    def expected(self) -> RefundChoice:
        """What the client may count on."""
        return RefundChoice.POLICY if self.is_for_client else RefundChoice.FULL

    @property
    def chosen(self) -> RefundChoice:
        """What is to be done."""
        return self.refund or self.expected


OF_THE_PRACTICE, OF_THE_CLIENT = Ruling(), Ruling(RefundChoice.POLICY)


async def cancel_appointment(
    session: TenantSession,
    appointment_id: UUID,
    *,
    actor: Actor,
    client_id: UUID | None = None,
    reason: str | None = None,
    ruling: Ruling | None = None,
    with_session: bool = False,
) -> Cancellation:
    """Cancel a held or confirmed appointment; cancelling it again answers the same and does nothing.

    A client gets back what the terms of the booking say, of staff's cancelling ``ruling`` decides. ``client_id``:
    only if it is this client's, and only with the notice that they agreed to. ``with_session``: its whole session
    is being cancelled, and the practice hears of that. Raises :class:`NotFoundError`,
    :class:`AppointmentStateError`, :class:`CancellationTooLateError`, and, for a ruling,
    :class:`InvalidInputError` without a reason and :class:`ForbiddenError`.
    """
    check_owner(await AppointmentRepository(session).find(appointment_id), client_id)
    # Payments are locked before what they pay for, as settling does.
    payments = await lock_payments_of_payable(session, MONEY_KINDS, appointment_id)
    appointment = check_owner(await AppointmentRepository(session).lock(appointment_id), client_id)
    if appointment.status == AppointmentStatus.CANCELLED:
        return await _as_decided(session, appointment)
    refusal = refusal_to_cancel(appointment, clock.now(), by_client=client_id is not None)
    if refusal is not None:
        raise refusal
    by_client = actor.kind is ActorKind.CLIENT
    ruling = OF_THE_CLIENT if by_client else ruling or OF_THE_PRACTICE
    refund, policy = await _give_back(session, appointment, Paid.of(payments), actor, ruling, reason)
    credit_back = await _settle_means(session, appointment, actor, ruling, reason)
    await end_appointment(session, appointment, "client" if ruling.is_for_client else actor.kind, reason)
    detail: dict[str, int | bool | None] = {"refund_minor": None if refund is None else refund.amount}
    if credit_back is not None:
        detail["credit_back"] = credit_back
    if not by_client and ruling.is_for_client:
        detail |= {"on_behalf_of_client": True, "policy_minor": None if policy is None else policy.amount}
    record_change(session, appointment.id, ChangeKind.CANCELLED, actor, **detail)
    await tell(session, appointment.id, appointment.version, APPOINTMENT_CANCELLED, with_session=with_session)
    if appointment.price_minor:
        for kind in MONEY_KINDS:
            await request_abandon(session, kind, appointment.id)
    return Cancellation(appointment, refund, policy, credit_back)


async def end_appointment(
    session: TenantSession, appointment: Appointment, cancelled_by: str, reason: str | None
) -> None:
    """Make a locked appointment a cancelled one, whose time others may have."""
    appointment.status = AppointmentStatus.CANCELLED
    appointment.hold_expires_at = None
    appointment.cancelled_by = cancelled_by
    appointment.cancelled_at = clock.now()
    appointment.cancellation_reason = reason or None
    appointment.version += 1
    await AppointmentRepository(session).flush()
    await announce_freed(session, appointment.practitioner_id, appointment.occupied)


async def _give_back(
    session: TenantSession, appointment: Appointment, paid: Paid, actor: Actor, ruling: Ruling, reason: str | None
) -> tuple[Money | None, Money | None]:
    """What goes back now, and what the terms alone would have given; None where nothing was paid."""
    if paid.captured == 0:
        return None, None
    now = clock.now()
    refund, expected, policy = (
        refund_of(paid, appointment, choice, now) for choice in (ruling.chosen, ruling.expected, RefundChoice.POLICY)
    )
    if refund != expected:
        _check_deviation(ruling, reason)
    percent = share_back(appointment, ruling.chosen, now)
    if percent:
        await request_refunds_for_payable(
            session,
            MONEY_KINDS,
            appointment.id,
            percent=percent,
            cause=RefundCause.CANCELLATION,
            requested_by_kind=actor.kind,
            requested_by_id=actor.id,
        )
    return refund, policy


def _check_deviation(ruling: Ruling, reason: str | None) -> None:
    if not ruling.may_deviate:
        raise ForbiddenError
    if not reason:
        raise InvalidInputError(["body", "reason"], "say why it is not what the terms give back", "reason_needed")


async def _settle_means(
    session: TenantSession, appointment: Appointment, actor: Actor, ruling: Ruling, reason: str | None
) -> bool | None:
    """Give session and code back where everything comes back, and spend them otherwise: neither can be parted.

    Answers whether a session came back; None where there was none.
    """
    now = clock.now()
    is_back = is_whole(appointment, ruling.chosen, now)
    has_credit = await is_paid_with_credit(session, appointment)
    if has_credit and is_back != is_whole(appointment, ruling.expected, now):
        _check_deviation(ruling, reason)
    if is_back:
        await give_means_back(session, appointment, actor, "cancelled")
    else:
        await spend_means(session, appointment, actor, "cancelled_late")
    return is_back if has_credit else None


async def _as_decided(session: TenantSession, appointment: Appointment) -> Cancellation:
    """What cancelling did when it was done."""
    change = await AppointmentRepository(session).find_change(appointment.id, ChangeKind.CANCELLED)
    detail = change.detail if change else {}
    amount = detail.get("refund_minor")
    refund = None if amount is None else Money(int(amount), appointment.currency)
    return Cancellation(appointment, refund, credit_back=detail.get("credit_back"))
