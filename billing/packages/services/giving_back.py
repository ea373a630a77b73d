"""Giving a package back: its unused sessions are revoked, and their worth goes back as money.

Locks: the purchase's payments, then the purchase.
"""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from billing.packages.errors import PackageNotRefundableError
from billing.packages.events import PAYABLE_KIND
from billing.packages.ledger import SYSTEM, By, balance_of, write_entry
from billing.packages.models import CreditKind, PackagePurchase, PurchaseStatus, RefundRule
from billing.packages.repository import PackageRepository
from billing.packages.services.credits import keep_valid
from billing.payments.service import lock_payments_of_payable
from billing.refunds.service import RefundCause, refundable_minor, request_refund
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.money import Money

GIVEN_BACK, MONEY_LEFT = "given_back", "money_left"
"""Causes of revoking: somebody gave the package back, or its money went in another way (a refund, a dispute)."""
RECEIPT_UNDONE, PAID_AGAIN = "receipt_undone", "paid_again"
"""Causes of revoking what turned out not to be paid, and of granting that again when it is paid after all."""


def worth_minor(price_minor: int, sessions: int, count: int) -> int:
    """What ``count`` of a package's sessions are worth: each the same, but for what does not divide evenly.

    Rounded down, so that the last session carries the remainder and all of them are worth the price exactly.
    """
    return price_minor * count // sessions


@dataclass(frozen=True, slots=True)
class _Sold:
    """What became of the sessions that were sold, as a locked purchase's ledger tells it.

    A credit does not say whether it was sold or given on top by staff, so what was used, booked or ran out counts as
    sold first. ``unused``: how many of those that are left were sold; ``returned``: revoked since money went back;
    ``withheld``: revoked since money was not here after all, and not granted again.
    """

    unused: int
    returned: int
    withheld: int

    @property
    def revoked(self) -> int:
        """How many are gone with their money."""
        return self.returned + self.withheld

    @classmethod
    async def of(cls, session: TenantSession, purchase: PackagePurchase) -> Self:
        """From the ledger."""
        moved = await PackageRepository(session).sums(purchase.id)
        spent = sum(count for (kind, _), count in moved.items() if kind in (CreditKind.USED, CreditKind.EXPIRED))
        returned = sum(moved.get((CreditKind.REVOKED, cause), 0) for cause in (GIVEN_BACK, MONEY_LEFT))
        undone, again = (CreditKind.REVOKED, RECEIPT_UNDONE), (CreditKind.GRANTED, PAID_AGAIN)
        withheld = moved.get(undone, 0) - moved.get(again, 0)
        reserved = (await balance_of(session, purchase.id)).reserved
        return cls(max(purchase.sessions - spent - reserved - returned - withheld, 0), returned, withheld)


async def quote_refund(session: TenantSession, purchase: PackagePurchase) -> tuple[int, Money]:
    """How many sessions would be revoked if it was given back now, and for how much; certain only under its lock.

    Sessions that staff gave on top are worth nothing: nobody paid for them.
    """
    available = (await balance_of(session, purchase.id)).available
    sold = await _Sold.of(session, purchase)
    before, paid = sold.revoked, min(available, sold.unused)
    amount = worth_minor(purchase.price_minor, purchase.sessions, before + paid) - worth_minor(
        purchase.price_minor, purchase.sessions, before
    )
    if purchase.refund_rule != RefundRule.PROPORTIONAL:
        amount = 0
    return available, Money(amount, purchase.currency)


async def give_back_package(
    session: TenantSession, purchase_id: UUID, by: By, *, reason: str | None = None
) -> tuple[PackagePurchase, Money]:
    """Revoke what is unused and promise its worth back, newest payment first; the queue does it after the commit.

    Sessions that are booked stay booked. Raises :class:`NotFoundError`, :class:`PackageNotRefundableError`.
    """
    payments = await lock_payments_of_payable(session, PAYABLE_KIND, purchase_id)
    purchase = await PackageRepository(session).find_purchase(purchase_id, for_update=True)
    if purchase is None:
        raise NotFoundError
    count, money = await quote_refund(session, purchase)
    left = money.amount
    if count == 0 or left == 0 or sum(refundable_minor(one) for one in payments) < left:
        raise PackageNotRefundableError
    await write_entry(session, purchase, CreditKind.REVOKED, by, cause=GIVEN_BACK, count=count, reason=reason)
    for payment in reversed(payments):
        part = min(left, refundable_minor(payment))
        if part:
            await request_refund(
                session,
                payment.id,
                part,
                reason,
                cause=RefundCause.STAFF if by.kind == "staff" else RefundCause.CANCELLATION,
                requested_by_kind=by.kind,
                requested_by_id=by.id,
            )
            left -= part
    await _close_if_empty(session, purchase)
    return purchase, money


async def follow_money(session: TenantSession, purchase_id: UUID, *, is_restored: bool = False) -> int:
    """Revoke the unused sessions whose money is gone again, or was not here after all. Harmless to repeat.

    For refunds of the payment itself and for lost disputes, which are refunds, too; and for receipts that were undone:
    what was revoked for those is granted again when the money is here. What is booked stays booked, and is looked at
    when it comes back (``is_restored``): then sessions that staff gave on top since are left alone.

    Answers how many sessions nobody pays for that can't be revoked, since they are booked or were used.
    """
    payments = await lock_payments_of_payable(session, PAYABLE_KIND, purchase_id)
    purchase = await PackageRepository(session).find_purchase(purchase_id, for_update=True)
    if purchase is None or purchase.granted_at is None or purchase.price_minor == 0:
        return 0
    missing = max(purchase.price_minor - sum(one.captured_minor for one in payments), 0)
    gone = max(purchase.price_minor - sum(one.captured_minor - one.refunded_minor for one in payments), 0)
    sold = await _Sold.of(session, purchase)
    # Both parts of what is gone are rounded together: to round each of them would leave a session out.
    returned = max(_covered(purchase, gone - missing), sold.returned)
    withheld = max(_covered(purchase, gone) - returned, 0)
    if withheld < sold.withheld:
        again = sold.withheld - withheld
        await write_entry(session, purchase, CreditKind.GRANTED, SYSTEM, cause=PAID_AGAIN, count=again)
        await keep_valid(session, purchase)
        sold = await _Sold.of(session, purchase)
    left = (await balance_of(session, purchase.id)).available
    if is_restored:
        left = min(left, sold.unused)
    left -= await _revoke(session, purchase, MONEY_LEFT, min(left, returned - sold.returned))
    revoked = await _revoke(session, purchase, RECEIPT_UNDONE, min(left, withheld - sold.withheld))
    return withheld - sold.withheld - revoked


async def _revoke(session: TenantSession, purchase: PackagePurchase, cause: str, count: int) -> int:
    if count:
        await write_entry(session, purchase, CreditKind.REVOKED, SYSTEM, cause=cause, count=count)
        await _close_if_empty(session, purchase)
    return count


def _covered(purchase: PackagePurchase, amount_minor: int) -> int:
    """How many whole sessions an amount is the worth of."""
    return purchase.sessions * min(amount_minor, purchase.price_minor) // purchase.price_minor


async def _close_if_empty(session: TenantSession, purchase: PackagePurchase) -> None:
    balance = await balance_of(session, purchase.id)
    if balance.available == 0 and balance.reserved == 0:
        purchase.status = PurchaseStatus.REVOKED
    purchase.updated_at = clock.now()
    await PackageRepository(session).flush()
