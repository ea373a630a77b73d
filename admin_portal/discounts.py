"""Discount codes, for staff: ``/admin/discounts``. They are the catalogue's."""

from uuid import UUID

from fastapi import APIRouter

from admin_portal.calendar_access import CatalogueKeeper
from billing.discounts import codes
from billing.discounts.errors import CodeTakenError
from billing.discounts.schemas import DiscountCreate, DiscountPatch, DiscountRead, RedemptionRead
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/discounts", tags=["staff: discounts"], responses=responses(NotAuthenticatedError, ForbiddenError)
)


@router.get("")
async def list_discounts(
    _staff: CatalogueKeeper,
    session: TenantSessionDep,
    active: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DiscountRead]:
    """Codes, newest first."""
    rows, following = await codes.list_codes(session, active=active, limit=limit, cursor=cursor)
    uses = await codes.count_uses(session, [row.id for row in rows])
    return Page(items=[DiscountRead.of(row, uses.get(row.id, 0)) for row in rows], next_cursor=following)


@router.post("", status_code=201, responses=responses(CodeTakenError, InvalidInputError))
async def create_discount(
    body: DiscountCreate, staff: CatalogueKeeper, session: TenantSessionDep, context: ContextDep
) -> DiscountRead:
    """A new code. Audited."""
    code = await codes.create_code(session, body)
    record_staff_action(session, staff.id, "discount.created", code.id, request_id=context.request_id, code=code.code)
    return DiscountRead.of(code, 0)


@router.get("/{code_id}", responses=responses(NotFoundError))
async def read_discount(code_id: UUID, _staff: CatalogueKeeper, session: TenantSessionDep) -> DiscountRead:
    """One code."""
    code = await codes.get_code(session, code_id)
    return DiscountRead.of(code, (await codes.count_uses(session, [code.id])).get(code.id, 0))


@router.patch("/{code_id}", responses=responses(NotFoundError, CodeTakenError, InvalidInputError))
async def change_discount(
    code_id: UUID, body: DiscountPatch, staff: CatalogueKeeper, session: TenantSessionDep, context: ContextDep
) -> DiscountRead:
    """Change a code; what was booked with it keeps its price. Audited."""
    code = await codes.change_code(session, code_id, body)
    fields = ",".join(sorted(body.model_fields_set))
    record_staff_action(session, staff.id, "discount.changed", code_id, request_id=context.request_id, fields=fields)
    return DiscountRead.of(code, (await codes.count_uses(session, [code.id])).get(code.id, 0))


@router.get("/{code_id}/redemptions", responses=responses(NotFoundError))
async def list_redemptions(
    code_id: UUID, _staff: CatalogueKeeper, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[RedemptionRead]:
    """Who used a code, newest first."""
    currency = (await codes.get_code(session, code_id)).currency
    rows, following = await codes.list_redemptions(session, code_id, limit=limit, cursor=cursor)
    return Page(items=[RedemptionRead.of(row, currency) for row in rows], next_cursor=following)
