"""Buying packages: a purchase waits for its money, and its sessions are granted once, when that is here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from billing.discounts.models import SubjectKind
from billing.discounts.service import (
    Subject,
    code_of,
    normalise,
    quote_discount,
    redeem,
    redeem_again,
    release,
)
from billing.packages.errors import TooFewCreditsError
from billing.packages.events import (
    PACKAGE_BOUGHT,
    PACKAGE_EXPIRING,
    PACKAGE_EXPIRY,
    PACKAGE_UNPAID,
    PAYABLE_KIND,
)
from billing.packages.ledger import SYSTEM, Balance, By, balance_of, write_entry
from billing.packages.models import CreditEntry, CreditKind, PackageProduct, PackagePurchase, PurchaseStatus
from billing.packages.repository import PackageRepository
from billing.packages.services.products import get_product
from billing.payments.service import request_abandon
from tenants.accounts.services.client_accounts import lock_client
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import publish

PAYS_WITHIN = timedelta(days=7)
"""How long a purchase waits for its money."""
WARNED_BEFORE = timedelta(days=14)
"""How long before a package runs out its client is told."""


async def quote_package(
    session: TenantSession, client_id: UUID, product: PackageProduct, code: str | None
) -> tuple[Money, Money]:
    """What a package would cost a client now, and by how much a code lowers that.

    Raises :class:`~billing.discounts.errors.DiscountNotUsableError`.
    """
    price = Money(product.price_minor, product.currency)
    lowered = await quote_discount(session, code, _subject(client_id, price)) if code else 0
    return Money(product.price_minor - lowered, product.currency), Money(lowered, product.currency)


def _subject(client_id: UUID, price: Money) -> Subject:
    return Subject(kind=SubjectKind.PACKAGE, client_id=client_id, price=price)


async def buy_package(
    session: TenantSession, client_id: UUID, package_id: UUID, *, code: str | None = None
) -> PackagePurchase:
    """Begin to buy a package; the one that a client began to buy and has not paid for is answered again.

    With a code that makes it cost nothing its sessions are there at once. Raises :class:`NotFoundError`,
    :class:`~billing.discounts.errors.DiscountNotUsableError`.
    """
    await lock_client(session, client_id)
    product = await get_product(session, package_id, on_sale=True)
    packages = PackageRepository(session)
    code = normalise(code) if code else None
    for pending in await packages.find_pending(client_id, package_id, clock.now()):
        is_same_price = pending.price_minor + pending.discount_minor == product.price_minor
        if is_same_price and await code_of(session, SubjectKind.PACKAGE, pending.id) == code:
            return pending
    purchase = _new_purchase(product, client_id)
    await packages.add(purchase)
    if code is not None:
        subject = _subject(client_id, Money(product.price_minor, product.currency))
        purchase.discount_minor = await redeem(session, code, subject, purchase.id)
        purchase.price_minor -= purchase.discount_minor
        await packages.flush()
    if purchase.price_minor == 0:
        await grant(session, purchase, By("client", client_id), cause="discount")
        return purchase
    await publish(session, PACKAGE_UNPAID, {"purchase_id": str(purchase.id)}, run_at=purchase.pays_until)
    return purchase


async def give_package(
    session: TenantSession, client_id: UUID, package_id: UUID, by: By, *, reason: str
) -> PackagePurchase:
    """Give a client a package for nothing; an archived one, too. Raises :class:`NotFoundError`."""
    await lock_client(session, client_id)
    purchase = _new_purchase(await get_product(session, package_id), client_id)
    purchase.price_minor = 0
    await PackageRepository(session).add(purchase)
    await grant(session, purchase, by, cause="gift", reason=reason)
    return purchase


def _new_purchase(product: PackageProduct, client_id: UUID) -> PackagePurchase:
    now = clock.now()
    return PackagePurchase(
        id=new_id(),
        package_id=product.id,
        client_id=client_id,
        name=product.name,
        service_ids=product.service_ids,
        sessions=product.sessions,
        currency=product.currency,
        price_minor=product.price_minor,
        discount_minor=0,
        validity_days=product.validity_days,
        refund_rule=product.refund_rule,
        tax_treatment=product.tax_treatment,
        status=PurchaseStatus.PENDING,
        pays_until=now + PAYS_WITHIN,
        granted_at=None,
        expires_at=None,
        created_at=now,
        updated_at=now,
    )


async def grant(
    session: TenantSession, purchase: PackagePurchase, by: By, *, cause: str, reason: str | None = None
) -> None:
    """Give a locked (or just made) purchase its sessions, once; it is valid from now on."""
    if purchase.granted_at is not None:
        return
    now = clock.now()
    purchase.status, purchase.granted_at, purchase.pays_until = PurchaseStatus.ACTIVE, now, None
    purchase.expires_at = None if purchase.validity_days is None else now + timedelta(days=purchase.validity_days)
    purchase.updated_at = now
    await write_entry(session, purchase, CreditKind.GRANTED, by, cause=cause, count=purchase.sessions, reason=reason)
    payload = {"purchase_id": str(purchase.id)}
    await publish(session, PACKAGE_BOUGHT, payload)
    if purchase.expires_at is not None:
        await publish(session, PACKAGE_EXPIRY, payload, run_at=purchase.expires_at)
        if purchase.expires_at - WARNED_BEFORE > now:
            await publish(session, PACKAGE_EXPIRING, payload, run_at=purchase.expires_at - WARNED_BEFORE)


async def accept_money(session: TenantSession, purchase_id: UUID) -> bool:
    """Its money is here: grant the sessions; whether the money is wanted.

    Late money is wanted, too, unless the discount that it was counted on is somebody else's by now.
    Its payment is locked by the caller. Raises :class:`NotFoundError`.
    """
    purchase = await _locked(session, purchase_id)
    if purchase.granted_at is None and not await redeem_again(session, SubjectKind.PACKAGE, purchase.id):
        return False
    await grant(session, purchase, SYSTEM, cause="paid")
    return True


async def lapse_purchase(session: TenantSession, purchase_id: UUID) -> datetime | None:
    """Wait no longer for the money of a purchase; its code may be used by others. Answers when to look again."""
    purchase = await PackageRepository(session).find_purchase(purchase_id, for_update=True)
    if purchase is None or purchase.status != PurchaseStatus.PENDING or purchase.pays_until is None:
        return None
    if purchase.pays_until > clock.now():
        return purchase.pays_until
    purchase.status, purchase.updated_at = PurchaseStatus.LAPSED, clock.now()
    await PackageRepository(session).flush()
    await release(session, SubjectKind.PACKAGE, purchase.id)
    await request_abandon(session, PAYABLE_KIND, purchase.id)
    return None


async def adjust_credits(
    session: TenantSession, purchase_id: UUID, change: int, by: By, *, reason: str
) -> PackagePurchase:
    """Give so many sessions more, or (negative) take so many away, by the practice's decision.

    Who gives them puts it into the audit trail. Raises :class:`NotFoundError` (also for one that is not paid for),
    :class:`TooFewCreditsError`.
    """
    purchase = await _locked(session, purchase_id)
    if purchase.granted_at is None:
        raise NotFoundError
    available = (await balance_of(session, purchase.id)).available
    if available + change < 0:
        raise TooFewCreditsError(available=available)
    if change:
        kind = CreditKind.GRANTED if change > 0 else CreditKind.REVOKED
        await write_entry(session, purchase, kind, by, cause="staff", count=abs(change), reason=reason)
    if change > 0 and purchase.status != PurchaseStatus.ACTIVE:
        purchase.status = PurchaseStatus.ACTIVE
    if change > 0 and purchase.expires_at is not None and purchase.expires_at <= clock.now():
        await extend_purchase(session, purchase, clock.now() + timedelta(days=30))
    return purchase


async def extend_purchase(session: TenantSession, purchase: PackagePurchase, until: datetime) -> None:
    """Have a locked purchase run out later."""
    purchase.expires_at, purchase.updated_at = until, clock.now()
    await PackageRepository(session).flush()
    await publish(session, PACKAGE_EXPIRY, {"purchase_id": str(purchase.id)}, run_at=until)


# ---- reading


async def get_purchase(session: TenantSession, purchase_id: UUID, *, client_id: UUID | None = None) -> PackagePurchase:
    """A purchase by id, of one client if ``client_id`` is given. Raises :class:`NotFoundError`."""
    purchase = await PackageRepository(session).find_purchase(purchase_id)
    if purchase is None or (client_id is not None and purchase.client_id != client_id):
        raise NotFoundError
    return purchase


async def list_purchases(
    session: TenantSession,
    *,
    client_id: UUID | None = None,
    status: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[PackagePurchase], str | None]:
    """A page of purchases, newest first."""
    return await PackageRepository(session).page_purchases(
        client_id=client_id, status=status, limit=limit, cursor=cursor
    )


async def balances_of(session: TenantSession, purchase_ids: Sequence[UUID]) -> dict[UUID, Balance]:
    """The balances of purchases; those without any credit are left out."""
    last = await PackageRepository(session).last_entries(purchase_ids) if purchase_ids else {}
    return {key: Balance(row.available_after, row.reserved_after) for key, row in last.items()}


async def list_entries(session: TenantSession, purchase_id: UUID) -> Sequence[CreditEntry]:
    """The ledger of a purchase, oldest line first."""
    return await PackageRepository(session).list_entries(purchase_id)


async def _locked(session: TenantSession, purchase_id: UUID) -> PackagePurchase:
    purchase = await PackageRepository(session).find_purchase(purchase_id, for_update=True)
    if purchase is None:
        raise NotFoundError
    return purchase
