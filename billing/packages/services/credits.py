"""Credits in use: reserved when something is booked, used when it took place, given back when it did not.

What is booked is known by its id only. A purchase's row is locked last of all (after payments, practitioners,
appointments), once, so that who comes second sees what the first one left. Each of these is harmless to repeat.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from billing.packages.errors import NoCreditLeftError, PackageExpiredError, PackageNotForServiceError
from billing.packages.events import PACKAGE_CREDIT_RESTORED, PACKAGE_EXPIRY
from billing.packages.ledger import By, balance_of, write_entry
from billing.packages.models import CreditKind, CreditUse, PackagePurchase, PurchaseStatus, UseStatus
from billing.packages.repository import PackageRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.outbox.publish import publish

GRACE = timedelta(days=30)
"""How long a credit that comes back after its package ran out can be used."""


def is_good_for(purchase: PackagePurchase, service_id: UUID) -> bool:
    """Whether the package was sold for that service."""
    return purchase.service_ids is None or service_id in purchase.service_ids


def is_valid(purchase: PackagePurchase, then: datetime) -> bool:
    """Whether something that takes place ``then`` can be booked with it now."""
    end = purchase.expires_at
    return purchase.status == PurchaseStatus.ACTIVE and (end is None or (end > clock.now() and end > then))


async def list_usable(
    session: TenantSession, client_id: UUID, service_id: UUID, then: datetime
) -> list[tuple[PackagePurchase, int]]:
    """With which purchases a client can book this now, and how many credits each has; what runs out first in front."""
    packages = PackageRepository(session)
    valid = await packages.list_valid(client_id, clock.now(), then)
    fitting = [one for one in valid if is_good_for(one, service_id)]
    last = await packages.last_entries([one.id for one in fitting]) if fitting else {}
    found = [(one, last[one.id].available_after) for one in fitting if one.id in last]
    return [(one, available) for one, available in found if available > 0]


async def find_usable(
    session: TenantSession, client_id: UUID, service_id: UUID, then: datetime, purchase_id: UUID | None
) -> tuple[PackagePurchase, int]:
    """The purchase that would be used: the one named, else the one that runs out first; and what it has left.

    Raises as :func:`reserve_credit`.
    """
    if purchase_id is None:
        usable = await list_usable(session, client_id, service_id, then)
        if not usable:
            raise NoCreditLeftError
        return usable[0]
    purchase = _of_client(await PackageRepository(session).find_purchase(purchase_id), client_id)
    return purchase, await _check(session, purchase, service_id, then)


async def reserve_credit(
    session: TenantSession,
    client_id: UUID,
    used_for_id: UUID,
    service_id: UUID,
    then: datetime,
    by: By,
    *,
    purchase_id: UUID | None = None,
    cause: str = "booked",
) -> PackagePurchase:
    """Take a credit of a client's for something that takes place ``then``; the same again if that was done.

    Without ``purchase_id`` of the package that runs out first. Raises :class:`NotFoundError` for a purchase that is
    not the client's, :class:`PackageNotForServiceError`, :class:`PackageExpiredError`, :class:`NoCreditLeftError`.
    """
    packages = PackageRepository(session)
    use = await packages.find_use(used_for_id)
    if use is not None and use.status != UseStatus.RESTORED:
        return _of_client(await packages.find_purchase(use.purchase_id), client_id)
    if purchase_id is not None:
        candidates = [purchase_id]
    else:
        candidates = [one.id for one, _ in await list_usable(session, client_id, service_id, then)]
    for candidate in candidates:
        purchase = _of_client(await packages.find_purchase(candidate, for_update=True), client_id)
        try:
            await _check(session, purchase, service_id, then)
        except (NoCreditLeftError, PackageExpiredError):
            if purchase_id is not None:
                raise
            continue  # somebody was faster; perhaps there is another
        await _reserve(session, purchase, used_for_id, by, cause)
        return purchase
    raise NoCreditLeftError


async def _check(session: TenantSession, purchase: PackagePurchase, service_id: UUID, then: datetime) -> int:
    if not is_good_for(purchase, service_id):
        raise PackageNotForServiceError
    if not is_valid(purchase, then):
        raise PackageExpiredError
    available = (await balance_of(session, purchase.id)).available
    if available < 1:
        raise NoCreditLeftError
    return available


async def _reserve(session: TenantSession, purchase: PackagePurchase, used_for_id: UUID, by: By, cause: str) -> None:
    await write_entry(session, purchase, CreditKind.RESERVED, by, cause=cause, used_for_id=used_for_id)
    use = await PackageRepository(session).find_use(used_for_id)
    if use is None:
        await PackageRepository(session).add(
            CreditUse(
                used_for_id=used_for_id,
                purchase_id=purchase.id,
                status=UseStatus.RESERVED,
                updated_at=clock.now(),
            )
        )
        return
    use.purchase_id, use.status, use.updated_at = purchase.id, UseStatus.RESERVED, clock.now()
    await PackageRepository(session).flush()


async def reserve_again(session: TenantSession, used_for_id: UUID, by: By) -> bool:
    """Take back a credit that was given back, for something that stands after all; whether it is (still) reserved.

    Nothing was ever booked with a credit: that is fine, too.
    """
    use, purchase = await _lock_use(session, used_for_id)
    if use is None or purchase is None or use.status != UseStatus.RESTORED:
        return True
    if not is_valid(purchase, clock.now()) or (await balance_of(session, purchase.id)).available < 1:
        return False
    await _reserve(session, purchase, used_for_id, by, "booked_again")
    return True


async def use_credit(session: TenantSession, used_for_id: UUID, by: By, *, cause: str) -> bool:
    """What was booked took place, or counts as if it had; whether that changed anything."""
    use, purchase = await _lock_use(session, used_for_id)
    if use is None or purchase is None or use.status != UseStatus.RESERVED:
        return False
    await write_entry(session, purchase, CreditKind.USED, by, cause=cause, used_for_id=used_for_id)
    await _note(session, use, UseStatus.USED)
    return True


async def restore_credit(session: TenantSession, used_for_id: UUID, by: By, *, cause: str) -> bool:
    """Give the credit of something that does not take place back; whether that changed anything.

    If its package ran out meanwhile it is valid for :data:`GRACE` again: the client had booked in time. If its money
    went back meanwhile the queue revokes it: payments are locked before purchases, so that can't be done here.
    """
    use, purchase = await _lock_use(session, used_for_id)
    if use is None or purchase is None or use.status != UseStatus.RESERVED:
        return False
    await write_entry(session, purchase, CreditKind.RESTORED, by, cause=cause, used_for_id=used_for_id)
    await _note(session, use, UseStatus.RESTORED)
    await keep_valid(session, purchase)
    await publish(session, PACKAGE_CREDIT_RESTORED, {"purchase_id": str(purchase.id)})
    return True


async def keep_valid(session: TenantSession, purchase: PackagePurchase) -> None:
    """A credit that is available can be used: its package is made valid for a while if it is not."""
    now = clock.now()
    if purchase.expires_at is not None and purchase.expires_at <= now:
        purchase.expires_at = now + GRACE
        await publish(session, PACKAGE_EXPIRY, {"purchase_id": str(purchase.id)}, run_at=purchase.expires_at)
    purchase.status, purchase.updated_at = PurchaseStatus.ACTIVE, now
    await PackageRepository(session).flush()


async def expire_credits(session: TenantSession, purchase_id: UUID) -> datetime | None:
    """Let what is left of a package that ran out go; answers when to look again if it is valid for longer.

    What is reserved stays so: it was booked in time.
    """
    purchase = await PackageRepository(session).find_purchase(purchase_id, for_update=True)
    if purchase is None or purchase.status != PurchaseStatus.ACTIVE or purchase.expires_at is None:
        return None
    if purchase.expires_at > clock.now():
        return purchase.expires_at
    available = (await balance_of(session, purchase.id)).available
    if available:
        await write_entry(session, purchase, CreditKind.EXPIRED, By("system"), cause="expired", count=available)
    purchase.status, purchase.updated_at = PurchaseStatus.EXPIRED, clock.now()
    await PackageRepository(session).flush()
    return None


async def uses_of(session: TenantSession, used_for_ids: Collection[UUID]) -> dict[UUID, CreditUse]:
    """With what these things are, or were, booked; those that are not are left out."""
    return await PackageRepository(session).list_uses(used_for_ids) if used_for_ids else {}


async def lock_purchases_of(session: TenantSession, used_for_ids: Collection[UUID]) -> None:
    """Lock the purchases with which these things are booked, in one order for everybody who locks several."""
    await PackageRepository(session).lock_purchases_of(used_for_ids)


async def has_live_credit(session: TenantSession, used_for_id: UUID) -> bool:
    """Whether a credit is, or was, spent on it."""
    use = await PackageRepository(session).find_use(used_for_id)
    return use is not None and use.status != UseStatus.RESTORED


async def _lock_use(session: TenantSession, used_for_id: UUID) -> tuple[CreditUse | None, PackagePurchase | None]:
    """The use, read anew under its purchase's lock."""
    packages = PackageRepository(session)
    seen = await packages.find_use(used_for_id)
    if seen is None:
        return None, None
    purchase = await packages.find_purchase(seen.purchase_id, for_update=True)
    return await packages.find_use(used_for_id), purchase


async def _note(session: TenantSession, use: CreditUse, status: UseStatus) -> None:
    use.status, use.updated_at = status, clock.now()
    await PackageRepository(session).flush()


def _of_client(purchase: PackagePurchase | None, client_id: UUID) -> PackagePurchase:
    if purchase is None or purchase.client_id != client_id:
        raise NotFoundError
    return purchase
