"""The state machine of payments: pure functions over attempts and amounts.

Two rules carry it. An attempt only moves forward, and what the provider captured wins over everything.
A payment's status is never set by hand: it follows from its attempts and its amounts, and leaves
``failed`` and ``cancelled`` only when money arrived.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.payments.models import AttemptStatus, PaymentStatus
from billing.providers.port import ProviderState, Snapshot
from todoenbalance.kit.money import Money
from todoenbalance.kit.settings import PaymentMode

_PROGRESS: dict[AttemptStatus, int] = {
    AttemptStatus.CREATED: 0,
    AttemptStatus.UNKNOWN: 1,
    AttemptStatus.AWAITING_CUSTOMER: 2,
    AttemptStatus.PROCESSING: 3,
    AttemptStatus.DECLINED: 4,
    AttemptStatus.EXPIRED: 4,
    AttemptStatus.CANCELLED: 4,
    AttemptStatus.CAPTURED: 5,
}

OPEN_ATTEMPTS = frozenset(status for status, progress in _PROGRESS.items() if progress < 4)
"""Attempts that may still be paid in the ordinary way."""

UNSENT_ATTEMPTS = frozenset({AttemptStatus.CREATED, AttemptStatus.UNKNOWN})
"""Attempts whose provider has not answered yet; the call is repeated with the same key."""

WITHOUT_MONEY = frozenset(
    {PaymentStatus.REQUIRES_ACTION, PaymentStatus.PROCESSING, PaymentStatus.FAILED, PaymentStatus.CANCELLED}
)
"""Statuses that say that nothing (or, offline, not everything) was received."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a payment's status follows from: its attempts' statuses, oldest first, and its amounts."""

    attempts: Sequence[AttemptStatus]
    amount_minor: int
    captured_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0


def advance_attempt(current: AttemptStatus, observed: ProviderState | AttemptStatus) -> AttemptStatus:
    """Where an attempt is after the provider was seen in ``observed``: forward, or where it was.

    A closed attempt leaves its state only for ``captured``: money that came late is still money.
    """
    seen = AttemptStatus(observed)
    return seen if _PROGRESS[seen] > _PROGRESS[current] else current


def derive_status(current: PaymentStatus, facts: Facts) -> PaymentStatus:
    """The payment's status. ``current`` matters only while no money came: it does not move back then."""
    if facts.captured_minor > 0:
        return _with_money(facts)
    if current in (PaymentStatus.FAILED, PaymentStatus.CANCELLED):
        return current
    if any(status in OPEN_ATTEMPTS for status in facts.attempts) or not facts.attempts:
        slow = AttemptStatus.PROCESSING in facts.attempts or current is PaymentStatus.PROCESSING
        return PaymentStatus.PROCESSING if slow else PaymentStatus.REQUIRES_ACTION
    last = facts.attempts[-1]
    if last is AttemptStatus.CAPTURED:
        return PaymentStatus.REQUIRES_ACTION  # captured, yet without money: a contradiction, nothing to celebrate
    return PaymentStatus.FAILED if last is AttemptStatus.DECLINED else PaymentStatus.CANCELLED


def _with_money(facts: Facts) -> PaymentStatus:
    if facts.disputed_minor > 0:
        return PaymentStatus.DISPUTED
    if facts.refunded_minor >= facts.captured_minor:
        return PaymentStatus.REFUNDED
    if facts.refunded_minor > 0:
        return PaymentStatus.PARTIALLY_REFUNDED
    if facts.captured_minor < facts.amount_minor:
        return PaymentStatus.REQUIRES_ACTION  # only staff take part of an amount, at the desk
    return PaymentStatus.SUCCEEDED


def find_mismatch(attempt_id: UUID, amount: Money, snapshot: Snapshot, *, mode: str | None = None) -> str | None:
    """What in the provider's echo contradicts our row, as a review reason; None if all agrees.

    With any contradiction nothing is settled: it may be another order's money, or no real money. ``mode``: of the
    account that the attempt was made with.
    """
    if mode is not None and snapshot.is_live is not None and snapshot.is_live != (mode == PaymentMode.LIVE):
        return "mode_mismatch"
    if snapshot.attempt_id != attempt_id:
        return "attempt_mismatch"
    if snapshot.amount.currency != amount.currency:
        return "currency_mismatch"
    if snapshot.amount.amount != amount.amount:
        return "amount_mismatch"
    expected = amount.amount if snapshot.state is ProviderState.CAPTURED else 0
    if snapshot.captured_minor != expected:
        return "captured_amount_mismatch"
    return None
