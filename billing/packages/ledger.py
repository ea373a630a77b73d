"""Writing to the ledger of a purchase's credits: the one place where a balance changes.

The caller holds the purchase's lock. What each kind of line does to the two balances is :data:`_EFFECTS`; for any
purchase, at any time: granted = available + reserved + used + expired + revoked.
"""

from dataclasses import dataclass
from uuid import UUID

from billing.packages.models import CreditEntry, CreditKind, PackagePurchase
from billing.packages.repository import PackageRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class By:
    """Whose doing a line is: ``client``, ``staff`` or ``system`` (without an id)."""

    kind: str
    id: UUID | None = None


SYSTEM = By("system")

_EFFECTS = {
    CreditKind.GRANTED: (1, 0),
    CreditKind.RESERVED: (-1, 1),
    CreditKind.USED: (0, -1),
    CreditKind.RESTORED: (1, -1),
    CreditKind.EXPIRED: (-1, 0),
    CreditKind.REVOKED: (-1, 0),
}
"""What one credit of a kind does to what is available and to what is reserved."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What can be booked with, and what is booked and has not taken place."""

    available: int = 0
    reserved: int = 0

    def after(self, kind: CreditKind, count: int) -> "Balance":
        """With so many credits moved."""
        available, reserved = _EFFECTS[kind]
        return Balance(self.available + available * count, self.reserved + reserved * count)


async def balance_of(session: TenantSession, purchase_id: UUID) -> Balance:
    """A purchase's balance; certain only under its lock."""
    last = (await PackageRepository(session).last_entries([purchase_id])).get(purchase_id)
    return Balance() if last is None else Balance(last.available_after, last.reserved_after)


async def write_entry(
    session: TenantSession,
    purchase: PackagePurchase,
    kind: CreditKind,
    by: By,
    *,
    cause: str,
    count: int = 1,
    used_for_id: UUID | None = None,
    reason: str | None = None,
) -> Balance:
    """Add a line to a locked purchase's ledger; answers the balance after it.

    Raises ``IntegrityError`` where a balance would fall below nothing: who calls has looked before.
    """
    packages = PackageRepository(session)
    last = (await packages.last_entries([purchase.id])).get(purchase.id)
    before = Balance() if last is None else Balance(last.available_after, last.reserved_after)
    after = before.after(kind, count)
    await packages.add(
        CreditEntry(
            id=new_id(),
            purchase_id=purchase.id,
            number=1 if last is None else last.number + 1,
            kind=kind,
            credits=count,
            available_after=after.available,
            reserved_after=after.reserved,
            used_for_id=used_for_id,
            cause=cause,
            reason=reason,
            actor_kind=by.kind,
            actor_id=by.id,
            created_at=clock.now(),
        )
    )
    return after
