"""What cancelling gives back, and what a client may still do: decided here, for the quote and for the act alike."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.refunds.service import Paid, paid_for_payable
from scheduling.appointments.errors import AppointmentStateError, CancellationTooLateError, MoveTooLateError
from scheduling.appointments.events import MONEY_KINDS
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.services.means import is_paid_with_credit
from scheduling.appointments.services.reading import MOVABLE, effective_status
from scheduling.appointments.terms import WHOLE, Terms, falls_at, percent_back
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import Money


class RefundChoice(StrEnum):
    """What is to come back: what the terms say, everything, nothing."""

    POLICY = "policy"
    FULL = "full"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What cancelling now would do. ``paid`` is what is still here of the money, ``kept`` what would stay of it.

    ``cancel_until`` and ``move_until`` are the client's last instants to do it themselves (None: it is over).
    ``changes_at``: the last instant at which this holds, None if it gets no worse before the beginning.
    ``credit_back``: whether the session of a package would come back, None where it was not booked with one.
    """

    can_cancel: bool
    can_move: bool
    cancel_until: datetime | None
    move_until: datetime | None
    paid: Money
    refund: Money
    percent: int
    kept: Money
    changes_at: datetime | None
    no_show_fee: Money | None
    terms: Terms
    credit_back: bool | None = None


async def quote_cancellation(session: TenantSession, appointment: Appointment, *, by_client: bool = True) -> Quote:
    """What the client's cancelling now would give back; ``by_client``: whether it is them who may, or staff."""
    now, terms = clock.now(), Terms.of(appointment)
    paid = await paid_for_payable(session, MONEY_KINDS, appointment.id)
    percent = share_back(appointment, RefundChoice.POLICY, now)
    refund, currency = paid.share(percent), appointment.currency
    can_cancel = refusal_to_cancel(appointment, now, by_client=by_client) is None
    is_open = appointment.status in MOVABLE
    fee = terms.no_show_fee_minor
    return Quote(
        can_cancel=can_cancel,
        can_move=refusal_to_move(appointment, now, by_client=by_client) is None,
        cancel_until=_until(appointment, terms.cancel_notice_hours) if is_open else None,
        move_until=_until(appointment, terms.move_notice_hours) if is_open else None,
        paid=Money(paid.held, currency),
        refund=Money(refund, currency),
        percent=percent,
        kept=Money(paid.held - refund, currency),
        changes_at=_changes_at(appointment, terms, now) if can_cancel else None,
        no_show_fee=None if fee is None else Money(fee, currency),
        terms=terms,
        credit_back=percent == WHOLE if await is_paid_with_credit(session, appointment) else None,
    )


def share_back(appointment: Appointment, choice: RefundChoice, now: datetime) -> int:
    """What percentage of what was paid goes back by that choice."""
    if choice is not RefundChoice.POLICY:
        return WHOLE if choice is RefundChoice.FULL else 0
    # What was never confirmed was never had: its money goes back whatever the notice.
    return WHOLE if appointment.status == AppointmentStatus.HELD else percent_back(appointment, now)


def is_whole(appointment: Appointment, choice: RefundChoice, now: datetime) -> bool:
    """Whether everything comes back by that choice, and with it a session or a code, which can't be parted."""
    return share_back(appointment, choice, now) == WHOLE


def refund_of(paid: Paid, appointment: Appointment, choice: RefundChoice, now: datetime) -> Money:
    """The same in money."""
    return Money(paid.share(share_back(appointment, choice, now)), appointment.currency)


def refusal_to_cancel(appointment: Appointment, now: datetime, *, by_client: bool) -> ProblemError | None:
    """Why it can't be cancelled now; None if it can. Notice binds clients, and only where a time was confirmed.

    A hold that has run out may be given up too: money that is still on its way then comes back for certain.
    """
    if appointment.status not in MOVABLE or (by_client and appointment.starts_at <= now):
        return AppointmentStateError()
    if by_client and now > _until(appointment, Terms.of(appointment).cancel_notice_hours):
        return CancellationTooLateError()
    return None


def refusal_to_move(appointment: Appointment, now: datetime, *, by_client: bool) -> ProblemError | None:
    """Why it can't be moved now; None if it can."""
    if effective_status(appointment) not in MOVABLE or (by_client and appointment.starts_at <= now):
        return AppointmentStateError()
    if appointment.status == AppointmentStatus.HELD and appointment.hold_kind == HoldKind.OFFER:
        return AppointmentStateError()  # this time is offered, no other; a yes to it comes first
    if by_client and now > _until(appointment, Terms.of(appointment).move_notice_hours):
        return MoveTooLateError()
    return None


def _until(appointment: Appointment, notice_hours: int) -> datetime:
    if appointment.status == AppointmentStatus.HELD:
        return appointment.starts_at
    return appointment.starts_at - timedelta(hours=notice_hours)


def _changes_at(appointment: Appointment, terms: Terms, now: datetime) -> datetime | None:
    """The last instant before less comes back, or before the client may not do it themselves any more."""
    if appointment.status == AppointmentStatus.HELD:
        return None
    ends = [falls_at(appointment, now), _until(appointment, terms.cancel_notice_hours)]
    to_come = [end for end in ends if end is not None and now <= end < appointment.starts_at]
    return min(to_come, default=None)
