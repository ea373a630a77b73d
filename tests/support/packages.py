"""Packages and codes for tests, by the services that make them, and what is true of every ledger."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from billing.checkout import service as checkout
from billing.checkout.schemas import PaymentCreate, PaymentRead
from billing.discounts.codes import create_code
from billing.discounts.models import DiscountCode
from billing.discounts.schemas import DiscountCreate
from billing.packages.ledger import SYSTEM, Balance
from billing.packages.models import CreditEntry, CreditKind, CreditUse, PackageProduct, PackagePurchase, UseStatus
from billing.packages.schemas import PackageCreate
from billing.packages.services.products import create_product
from billing.packages.services.purchases import balances_of, buy_package, give_package
from tests.support.checkout import Desk
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def make_package(runtime: Runtime, practice: TenantContext, **fields: Any) -> PackageProduct:
    """Five sessions of anything for 200 in the practice's currency, unless said otherwise."""
    values: dict[str, Any] = {
        "name": "Bono de 5",
        "sessions": 5,
        "price": MoneySchema.of(20_000, practice.currency),
    }
    async with runtime.database.tenant(practice) as session:
        return await create_product(session, PackageCreate(**(values | fields)))


async def give(
    runtime: Runtime, practice: TenantContext, client_id: Any, package: PackageProduct | None = None, **fields: Any
) -> PackagePurchase:
    """A package that a client has, paid for by nobody."""
    package = package or await make_package(runtime, practice, **fields)
    async with runtime.database.tenant(practice) as session:
        return await give_package(session, client_id, package.id, SYSTEM, reason="para una prueba")


async def make_code(runtime: Runtime, practice: TenantContext, code: str = "OTOGNO26", **fields: Any) -> DiscountCode:
    """A code of ten percent, unless said otherwise."""
    values: dict[str, Any] = {"code": code, "kind": "percent", "percent": 10}
    if "amount" in fields:
        values |= {"kind": "amount", "percent": None}
    async with runtime.database.tenant(practice) as session:
        return await create_code(session, DiscountCreate(**(values | fields)))


async def balance(runtime: Runtime, practice: TenantContext, purchase_id: UUID) -> Balance:
    """What is left of a package."""
    async with runtime.database.tenant(practice) as session:
        return (await balances_of(session, [purchase_id])).get(purchase_id, Balance())


async def purchase_of(runtime: Runtime, practice: TenantContext, purchase_id: UUID) -> PackagePurchase:
    """The row as it is now."""
    async with runtime.database.tenant(practice) as session:
        return await session.get_one(PackagePurchase, purchase_id)


async def lines_of(runtime: Runtime, practice: TenantContext, purchase_id: UUID) -> list[tuple[str, int]]:
    """Kinds and counts of a ledger, oldest first."""
    async with runtime.database.tenant(practice) as session:
        statement = select(CreditEntry).where(CreditEntry.purchase_id == purchase_id).order_by(CreditEntry.number)
        return [(line.kind, line.credits) for line in await session.scalars(statement)]


async def check_ledger(session: TenantSession, purchase_id: UUID) -> Balance:
    """Whatever happened: nothing is lost, nothing is made, nothing below nothing. Answers the balance."""
    statement = select(CreditEntry).where(CreditEntry.purchase_id == purchase_id).order_by(CreditEntry.number)
    lines = list(await session.scalars(statement))
    total = {kind: sum(line.credits for line in lines if line.kind == kind) for kind in CreditKind}
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert all(line.available_after >= 0 and line.reserved_after >= 0 for line in lines)
    last = Balance(lines[-1].available_after, lines[-1].reserved_after) if lines else Balance()
    assert total[CreditKind.GRANTED] == (
        last.available + last.reserved + total[CreditKind.USED] + total[CreditKind.EXPIRED] + total[CreditKind.REVOKED]
    )
    assert last.reserved == total[CreditKind.RESERVED] - total[CreditKind.USED] - total[CreditKind.RESTORED]
    uses = await session.scalars(select(CreditUse).where(CreditUse.purchase_id == purchase_id))
    assert sum(use.status == UseStatus.RESERVED for use in uses) == last.reserved
    return last


async def buy(desk: Desk, code: str | None = None, **fields: Any) -> PackagePurchase:
    """The desk's client begins to buy a package."""
    package = await make_package(desk.runtime, desk.practice, **fields)
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await buy_package(session, desk.client.id, package.id, code=code)


async def start(desk: Desk, bought: PackagePurchase, client_id: UUID | None = None) -> PaymentRead:
    """Begin to pay for it."""
    wanted = PaymentCreate(package_purchase_id=bought.id, method="sandbox")
    return await checkout.start_checkout(desk.runtime, desk.practice, client_id or bought.client_id, wanted)


async def pay(desk: Desk, bought: PackagePurchase) -> PaymentRead:
    """And pay."""
    payment = await start(desk, bought)
    assert await desk.decide(payment) is None
    return await desk.confirm(payment)


async def left(desk: Desk, bought: PackagePurchase) -> Balance:
    """Its balance, after a look at its whole ledger."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await check_ledger(session, bought.id)
