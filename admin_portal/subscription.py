"""The practice's plan and what it owes for it, for owners: ``/admin/subscription``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from billing.platform_fees import checkout, statements
from billing.platform_fees.errors import (
    AlreadySubscribedError,
    ChargingNotSetUpError,
    ChargingRefusedError,
    NothingToPayError,
)
from billing.platform_fees.overview import choose_plan, read_standing
from billing.platform_fees.schemas import Elsewhere, PlanChoice, PlanChosen, StandingRead
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import InvalidInputError, NotFoundError, ServiceUnavailableError
from todoenbalance.kit.web.dependencies import LocaleDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/subscription", tags=["staff: plan"])
PlanViewer = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_PLAN))]
PlanKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_PLAN, fresh=True))]


@router.get("")
async def read_subscription(
    _staff: PlanViewer, session: TenantSessionDep, runtime: RuntimeDep, tenant: TenantDep
) -> StandingRead:
    """Plan, subscription, use of this month, next invoice, statements of accrued fees."""
    await give_connection_back(session)
    async with runtime.database.platform() as platform:
        return StandingRead.of(await read_standing(platform, runtime, tenant.id))


@router.post(
    "/plan",
    responses=responses(
        InvalidInputError, AlreadySubscribedError, ChargingNotSetUpError, ChargingRefusedError, ServiceUnavailableError
    ),
)
async def change_plan(
    body: PlanChoice, staff: PlanKeeper, session: TenantSessionDep, runtime: RuntimeDep, tenant: TenantDep
) -> PlanChosen:
    """Go to another plan, or subscribe to the present one. Its fee counts from the next payment on.

    With a subscription it charges for the new plan from now on (the difference is on the next invoice), or ends with
    its month if the new plan has no price. Without one, a plan with a price answers `checkout_url`.
    """
    await give_connection_back(session)
    url = await choose_plan(runtime, tenant, body.plan, staff.id)
    async with runtime.database.platform() as platform:
        standing = StandingRead.of(await read_standing(platform, runtime, tenant.id))
    return PlanChosen(checkout_url=url, subscription=standing)


@router.post(
    "/portal",
    responses=responses(NothingToPayError, ChargingNotSetUpError, ChargingRefusedError, ServiceUnavailableError),
)
async def open_portal(
    _staff: PlanKeeper, session: TenantSessionDep, runtime: RuntimeDep, tenant: TenantDep, locale: LocaleDep
) -> Elsewhere:
    """Where invoices are read and the means of payment is changed, at the provider."""
    await give_connection_back(session)
    return Elsewhere(url=await checkout.open_portal(runtime, tenant, locale))


@router.get("/statements/{statement_id}/lines.csv", response_class=Response, responses=responses(NotFoundError))
async def read_statement_lines(
    statement_id: UUID, _staff: PlanViewer, session: TenantSessionDep, runtime: RuntimeDep, tenant: TenantDep
) -> Response:
    """The lines of a statement as CSV: each names the line of the practice's own books that it comes from."""
    await give_connection_back(session)
    async with runtime.database.platform() as platform:
        content = await statements.statement_csv(platform, statement_id, tenant_id=tenant.id)
    return csv_response(content, f"fees-{statement_id}.csv")


def csv_response(content: str, filename: str) -> Response:
    """A file to save, in nobody's cache."""
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)
