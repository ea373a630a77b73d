"""Packages of sessions, for staff: ``/admin/packages`` (on sale) and ``/admin/package-purchases`` (sold).

What is on sale is the catalogue's; selling at the desk is the front desk's; sessions for nothing, taken away or given
back are decisions about money, and audited with their reason.
"""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from admin_portal.calendar_access import CalendarViewer, CatalogueKeeper
from billing.packages.errors import PackageNotRefundableError, TooFewCreditsError
from billing.packages.ledger import Balance, By
from billing.packages.models import CreditEntry, PackagePurchase, PurchaseStatus
from billing.packages.schemas import (
    PackageAdminRead,
    PackageCreate,
    PackagePatch,
    PurchaseRead,
    ReasonText,
    StaffEntryRead,
)
from billing.packages.services import giving_back, products, purchases, selling
from billing.payments.receipts import ReceiptKind
from scheduling.idempotent import Once
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from tenants.plans.errors import NotInPlanError, PracticePastDueError
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, IdempotencyKeyHeader, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

products_router = APIRouter(
    prefix="/packages", tags=["staff: packages"], responses=responses(NotAuthenticatedError, ForbiddenError)
)
purchases_router = APIRouter(
    prefix="/package-purchases", tags=["staff: packages"], responses=responses(NotAuthenticatedError, ForbiddenError)
)

PurchaseViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_PAYMENTS))]
Seller = Annotated[Staff, Depends(staff_who_may(Permission.RECORD_PAYMENTS))]
MoneyKeeper = Annotated[Staff, Depends(staff_who_may(Permission.REFUND_PAYMENTS, fresh=True))]


@products_router.get("")
async def list_packages(
    _staff: CalendarViewer,
    session: TenantSessionDep,
    archived: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PackageAdminRead]:
    """Packages in the order of making; `archived` narrows them."""
    rows, following = await products.list_products(session, archived=archived, limit=limit, cursor=cursor)
    return Page(items=[PackageAdminRead.of(row) for row in rows], next_cursor=following)


@products_router.post("", status_code=201, responses=responses(InvalidInputError, PracticePastDueError, NotInPlanError))
async def create_package(
    body: PackageCreate, staff: CatalogueKeeper, session: TenantSessionDep, context: ContextDep
) -> PackageAdminRead:
    """A new package."""
    product = await products.create_product(session, body)
    record_staff_action(session, staff.id, "package.created", product.id, request_id=context.request_id)
    return PackageAdminRead.of(product)


@products_router.get("/{package_id}", responses=responses(NotFoundError))
async def read_package(package_id: UUID, _staff: CalendarViewer, session: TenantSessionDep) -> PackageAdminRead:
    """One package."""
    return PackageAdminRead.of(await products.get_product(session, package_id))


@products_router.patch("/{package_id}", responses=responses(NotFoundError, InvalidInputError))
async def change_package(
    package_id: UUID, body: PackagePatch, staff: CatalogueKeeper, session: TenantSessionDep, context: ContextDep
) -> PackageAdminRead:
    """Change a package; who bought it keeps what they bought."""
    product = await products.change_product(session, package_id, body)
    fields = ",".join(sorted(body.model_fields_set))
    record_staff_action(session, staff.id, "package.changed", package_id, request_id=context.request_id, fields=fields)
    return PackageAdminRead.of(product)


class StaffPurchaseRead(PurchaseRead):
    """A client's package, for staff. `refund_quote`: what giving it back now would give back."""

    client_id: UUID
    refund_quote: MoneySchema | None = None
    entries: list[StaffEntryRead] = Field(default=[], description="Its ledger; left out in lists.")


class SaleRequest(BaseModel):
    """A package for a client, sold at the desk. `receipt`: how the money came; null: it is still to come."""

    model_config = ConfigDict(extra="forbid")

    client_id: UUID
    package_id: UUID
    receipt: ReceiptKind | None = None


class GiftRequest(BaseModel):
    """A package for nothing, and why."""

    model_config = ConfigDict(extra="forbid")

    client_id: UUID
    package_id: UUID
    reason: ReasonText


class AdjustRequest(BaseModel):
    """How many sessions more (or, negative, fewer), and why."""

    model_config = ConfigDict(extra="forbid")

    change: int = Field(ge=-500, le=500)
    reason: ReasonText


class GiveBackRequest(BaseModel):
    """Why, for the practice's own records."""

    model_config = ConfigDict(extra="forbid")

    reason: ReasonText | None = None


@purchases_router.get("")
async def list_purchases(
    _staff: PurchaseViewer,
    session: TenantSessionDep,
    client_id: UUID | None = None,
    status: PurchaseStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StaffPurchaseRead]:
    """Clients' packages, newest first."""
    rows, following = await purchases.list_purchases(
        session, client_id=client_id, status=status, limit=limit, cursor=cursor
    )
    balances = await purchases.balances_of(session, [row.id for row in rows])
    return Page(items=[_read(row, balances.get(row.id)) for row in rows], next_cursor=following)


@purchases_router.get("/{purchase_id}", responses=responses(NotFoundError))
async def read_purchase(purchase_id: UUID, _staff: PurchaseViewer, session: TenantSessionDep) -> StaffPurchaseRead:
    """One of them, with its ledger."""
    return await describe_purchase(session, purchase_id)


@purchases_router.post(
    "",
    status_code=201,
    response_model=StaffPurchaseRead,
    responses=responses(NotFoundError, InvalidInputError, IdempotencyKeyReusedError),
)
async def sell_package(
    body: SaleRequest,
    staff: Seller,
    runtime: RuntimeDep,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> StaffPurchaseRead | JSONResponse:
    """Sell a package at the desk: with a `receipt` its sessions are there at once, without they wait for the money."""
    once = await Once.claim(session, staff.id, idempotency_key, "packages.sell", body)
    if once.replay is not None:
        return once.replay
    purchase = await selling.sell_at_desk(session, runtime.settings, body.client_id, body.package_id, body.receipt)
    record_staff_action(
        session,
        staff.id,
        "package.sold",
        purchase.id,
        request_id=context.request_id,
        client_id=str(body.client_id),
        price_minor=purchase.price_minor,
        receipt=body.receipt,
    )
    return await _answer(session, once, purchase.id, 201)


@purchases_router.post(
    "/gift",
    status_code=201,
    response_model=StaffPurchaseRead,
    responses=responses(NotFoundError, InvalidInputError, IdempotencyKeyReusedError),
)
async def give_package(
    body: GiftRequest,
    staff: MoneyKeeper,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> StaffPurchaseRead | JSONResponse:
    """Give a client a package for nothing. Audited."""
    once = await Once.claim(session, staff.id, idempotency_key, "packages.give", body)
    if once.replay is not None:
        return once.replay
    by = By("staff", staff.id)
    purchase = await purchases.give_package(session, body.client_id, body.package_id, by, reason=body.reason)
    record_staff_action(
        session,
        staff.id,
        "package.given",
        purchase.id,
        request_id=context.request_id,
        client_id=str(body.client_id),
        sessions=purchase.sessions,
        reason=body.reason,
    )
    return await _answer(session, once, purchase.id, 201)


@purchases_router.post(
    "/{purchase_id}/adjust",
    response_model=StaffPurchaseRead,
    responses=responses(NotFoundError, TooFewCreditsError, InvalidInputError, IdempotencyKeyReusedError),
)
async def adjust_credits(
    purchase_id: UUID,
    body: AdjustRequest,
    staff: MoneyKeeper,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> StaffPurchaseRead | JSONResponse:
    """Give sessions, or take unused ones away. Audited."""
    once = await Once.claim(session, staff.id, idempotency_key, "packages.adjust", body, purchase_id)
    if once.replay is not None:
        return once.replay
    by = By("staff", staff.id)
    await purchases.adjust_credits(session, purchase_id, body.change, by, reason=body.reason)
    record_staff_action(
        session,
        staff.id,
        "package.adjusted",
        purchase_id,
        request_id=context.request_id,
        change=body.change,
        reason=body.reason,
    )
    return await _answer(session, once, purchase_id, 200)


@purchases_router.post(
    "/{purchase_id}/refund",
    response_model=StaffPurchaseRead,
    responses=responses(NotFoundError, PackageNotRefundableError, InvalidInputError, IdempotencyKeyReusedError),
)
async def give_package_back(
    purchase_id: UUID,
    staff: MoneyKeeper,
    session: TenantSessionDep,
    context: ContextDep,
    body: GiveBackRequest | None = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> StaffPurchaseRead | JSONResponse:
    """Revoke what is unused of a package and give its worth back. What is booked with it stays booked."""
    wish = body or GiveBackRequest()
    once = await Once.claim(session, staff.id, idempotency_key, "packages.refund", wish, purchase_id)
    if once.replay is not None:
        return once.replay
    by = By("staff", staff.id)
    _purchase, money = await giving_back.give_back_package(session, purchase_id, by, reason=wish.reason)
    record_staff_action(
        session,
        staff.id,
        "package.refunded",
        purchase_id,
        request_id=context.request_id,
        amount_minor=money.amount,
        currency=money.currency,
    )
    return await _answer(session, once, purchase_id, 200)


async def _answer(session: TenantSession, once: Once, purchase_id: UUID, status: int) -> StaffPurchaseRead:
    answer = await describe_purchase(session, purchase_id)
    await once.remember(session, status, answer)
    return answer


async def describe_purchase(session: TenantSession, purchase_id: UUID) -> StaffPurchaseRead:
    """With its ledger, and what giving it back would give. Raises :class:`NotFoundError`."""
    purchase = await purchases.get_purchase(session, purchase_id)
    balances = await purchases.balances_of(session, [purchase.id])
    _count, money = await giving_back.quote_refund(session, purchase)
    entries = await purchases.list_entries(session, purchase.id)
    return _read(purchase, balances.get(purchase.id), MoneySchema.of(money.amount, money.currency), entries)


def _read(
    purchase: PackagePurchase,
    balance: Balance | None,
    refund_quote: MoneySchema | None = None,
    entries: Sequence[CreditEntry] = (),
) -> StaffPurchaseRead:
    return StaffPurchaseRead(
        **PurchaseRead.of(purchase, balance).model_dump(),
        client_id=purchase.client_id,
        refund_quote=refund_quote,
        entries=[StaffEntryRead.of(entry) for entry in entries],
    )
