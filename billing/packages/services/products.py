"""What is on sale: making, changing and showing packages."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from billing.packages.models import PackageProduct
from billing.packages.repository import PackageRepository
from billing.packages.schemas import PackageCreate, PackagePatch
from tenants.plans.capabilities import Capability, need
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import MoneySchema


async def create_product(session: TenantSession, new: PackageCreate) -> PackageProduct:
    """A new package.

    Raises :class:`InvalidInputError` for money of another currency, and by the practice's plan
    ``PracticePastDueError`` or ``NotInPlanError`` (those that there are can be sold and changed in any case).
    """
    need(session.tenant, Capability.ADD_PACKAGES)
    fields = {name: getattr(new, name) for name in PackageCreate.model_fields}
    product = PackageProduct(
        id=new_id(), currency=session.tenant.currency, created_at=clock.now(), **_columns(session, fields)
    )
    await PackageRepository(session).add(product)
    return product


async def change_product(session: TenantSession, package_id: UUID, patch: PackagePatch) -> PackageProduct:
    """Change some fields; who bought it keeps what they bought. Raises :class:`NotFoundError`,
    :class:`InvalidInputError`."""
    product = await PackageRepository(session).find_product(package_id, for_update=True)
    if product is None:
        raise NotFoundError
    for name, value in _columns(session, patch.changes()).items():
        setattr(product, name, value)
    await PackageRepository(session).flush()
    return product


async def get_product(session: TenantSession, package_id: UUID, *, on_sale: bool = False) -> PackageProduct:
    """A package by id, ``on_sale``: only if it can be bought. Raises :class:`NotFoundError`."""
    product = await PackageRepository(session).find_product(package_id)
    if product is None or (on_sale and product.archived):
        raise NotFoundError
    return product


async def list_products(
    session: TenantSession, *, archived: bool | None = False, limit: int = 50, cursor: str | None = None
) -> tuple[list[PackageProduct], str | None]:
    """A page of packages in the order of making, by default those on sale."""
    return await PackageRepository(session).page_products(archived=archived, limit=limit, cursor=cursor)


def _columns(session: TenantSession, fields: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(fields)
    price: MoneySchema | None = columns.pop("price", None)
    if price is not None:
        if price.currency != session.tenant.currency:
            raise InvalidInputError(
                ["body", "price", "currency"], f"the practice's currency is {session.tenant.currency}", "currency"
            )
        if price.amount == 0:
            raise InvalidInputError(["body", "price", "amount"], "must be more than nothing", "greater_than")
        columns["price_minor"] = price.amount
    return columns
