"""Clients buy packages and see what is left of theirs: ``/packages`` and ``/package-purchases``."""

from uuid import UUID

from fastapi import APIRouter, Depends

from billing.discounts.errors import DiscountNotUsableError
from billing.packages.schemas import PackageRead, PurchaseDetail, PurchaseRead, PurchaseRequest
from billing.packages.services import products, purchases
from tenants.accounts.auth import CurrentClient, client_limited
from todoenbalance.kit.errors import NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.ratelimit import DISCOUNT
from todoenbalance.kit.web.dependencies import TenantSessionDep
from todoenbalance.kit.web.limits import limited
from todoenbalance.kit.web.problems import responses

products_router = APIRouter(prefix="/packages", tags=["packages"])
purchases_router = APIRouter(prefix="/package-purchases", tags=["packages"], responses=responses(NotAuthenticatedError))


@products_router.get("")
async def list_packages(session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None) -> Page[PackageRead]:
    """What is on sale."""
    rows, following = await products.list_products(session, limit=limit, cursor=cursor)
    return Page(items=[PackageRead.of(row) for row in rows], next_cursor=following)


@products_router.get("/{package_id}", responses=responses(NotFoundError))
async def read_package(package_id: UUID, session: TenantSessionDep) -> PackageRead:
    """One package on sale."""
    return PackageRead.of(await products.get_product(session, package_id, on_sale=True))


@products_router.post(
    "/{package_id}/buy",
    status_code=201,
    responses=responses(NotAuthenticatedError, NotFoundError, DiscountNotUsableError),
    dependencies=[Depends(limited(DISCOUNT)), Depends(client_limited(DISCOUNT))],
)
async def buy_package(
    package_id: UUID,
    client: CurrentClient,
    session: TenantSessionDep,
    body: PurchaseRequest | None = None,
) -> PurchaseRead:
    """Begin to buy a package; pay for it with `POST /payments`. Repeated, it answers the purchase that is begun."""
    code = body.discount_code if body else None
    purchase = await purchases.buy_package(session, client.id, package_id, code=code)
    balances = await purchases.balances_of(session, [purchase.id])
    return PurchaseRead.of(purchase, balances.get(purchase.id))


@purchases_router.get("")
async def list_purchases(
    client: CurrentClient, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[PurchaseRead]:
    """The caller's packages, newest first."""
    rows, following = await purchases.list_purchases(session, client_id=client.id, limit=limit, cursor=cursor)
    balances = await purchases.balances_of(session, [row.id for row in rows])
    return Page(items=[PurchaseRead.of(row, balances.get(row.id)) for row in rows], next_cursor=following)


@purchases_router.get("/{purchase_id}", responses=responses(NotFoundError))
async def read_purchase(purchase_id: UUID, client: CurrentClient, session: TenantSessionDep) -> PurchaseDetail:
    """One of the caller's packages, with what became of its sessions."""
    purchase = await purchases.get_purchase(session, purchase_id, client_id=client.id)
    balances = await purchases.balances_of(session, [purchase.id])
    entries = await purchases.list_entries(session, purchase.id)
    return PurchaseDetail.with_entries(purchase, balances.get(purchase.id), entries)
