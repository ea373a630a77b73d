"""Plans, usage, subscriptions and statements in the operators' API."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from billing.platform_fees.adapters import told_to_people
from billing.platform_fees.errors import (
    AlreadySubscribedError,
    ChargingNotSetUpError,
    ChargingRefusedError,
    StatementStateError,
)
from billing.platform_fees.models import StatementStatus
from billing.platform_fees.overview import read_standing
from billing.platform_fees.schemas import (
    Elsewhere,
    PlanAdminRead,
    PlanCode,
    PlanCreate,
    PlanPatch,
    StandingRead,
    StatementRead,
    UsageRead,
)
from billing.platform_fees.statements import list_statements, statement_csv
from billing.platform_fees.subscriptions import refresh_subscription
from billing.platform_fees.usage_repository import UsageRepository
from tenants.plans import service as known_plans
from tenants.plans.errors import PlanCodeTakenError, PlanInUseError
from tenants.registry.service import get_tenant
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import InvalidInputError, NotFoundError, ServiceUnavailableError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, PlatformSessionDep, RuntimeDep
from todoenbalance.kit.web.problems import responses
from todoenbalance.operators import plans
from todoenbalance.operators.auth import CurrentOperator, FreshOperatorSignIn
from todoenbalance.operators.plan_schemas import CheckoutWish, Month, PlanList, Settlement

router = APIRouter(tags=["plans"])

MonthFilter = Annotated[Month | None, Query(description="`2026-11`")]
TenantFilter = Annotated[UUID | None, Query()]


@router.get("/plans")
async def list_plans(_operator: CurrentOperator, session: PlatformSessionDep) -> PlanList:
    """All plans, archived ones too."""
    rows = await known_plans.list_plans(session, with_archived=True)
    return PlanList(items=[PlanAdminRead.of(row) for row in rows])


@router.post("/plans", status_code=201, responses=responses(PlanCodeTakenError, InvalidInputError))
async def create_plan(
    body: PlanCreate, operator: FreshOperatorSignIn, session: PlatformSessionDep, context: ContextDep
) -> PlanAdminRead:
    """A new plan. The code stays for ever."""
    return PlanAdminRead.of(await plans.create_plan(session, operator.account.id, body.columns(), context.request_id))


@router.get("/plans/{code}", responses=responses(NotFoundError))
async def read_plan(code: PlanCode, _operator: CurrentOperator, session: PlatformSessionDep) -> PlanAdminRead:
    """One plan."""
    return PlanAdminRead.of(await known_plans.get_plan(session, code))


@router.patch("/plans/{code}", responses=responses(NotFoundError, InvalidInputError, PlanInUseError))
async def change_plan(
    code: PlanCode, body: PlanPatch, operator: FreshOperatorSignIn, session: PlatformSessionDep, context: ContextDep
) -> PlanAdminRead:
    """Change a plan, for everybody on it, from the next payment on; `archived` keeps it from new ones.

    With another `price` the one at Stripe is made anew; who pays the old one goes on paying it.
    """
    return PlanAdminRead.of(
        await plans.change_plan(session, operator.account.id, code, body.columns(), context.request_id)
    )


@router.get("/usage", responses=responses(InvalidInputError))
async def list_usage(
    _operator: CurrentOperator,
    session: PlatformSessionDep,
    month: MonthFilter = None,
    tenant: TenantFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UsageRead]:
    """What practices used, by month and currency, newest month first."""
    rows, following = await UsageRepository(session).list_months(
        tenant_id=tenant, month=plans.first_day(month), limit=limit, cursor=cursor
    )
    return Page(items=[UsageRead.of(row) for row in rows], next_cursor=following)


@router.get("/tenants/{tenant_id}/subscription", responses=responses(NotFoundError))
async def read_subscription(
    tenant_id: UUID, _operator: CurrentOperator, session: PlatformSessionDep, runtime: RuntimeDep
) -> StandingRead:
    """How a practice stands with the platform."""
    return StandingRead.of(await read_standing(session, runtime, tenant_id))


@router.post(
    "/tenants/{tenant_id}/subscription/refresh",
    responses=responses(NotFoundError, ChargingNotSetUpError, ChargingRefusedError, ServiceUnavailableError),
)
async def refresh(
    tenant_id: UUID, _operator: CurrentOperator, session: PlatformSessionDep, runtime: RuntimeDep
) -> StandingRead:
    """Read it from the provider now."""
    await get_tenant(session, tenant_id)
    await give_connection_back(session)
    with told_to_people():
        await refresh_subscription(runtime, tenant_id)
    return StandingRead.of(await read_standing(session, runtime, tenant_id))


@router.post(
    "/tenants/{tenant_id}/subscription/checkout",
    responses=responses(
        NotFoundError,
        InvalidInputError,
        AlreadySubscribedError,
        ChargingNotSetUpError,
        ChargingRefusedError,
        ServiceUnavailableError,
    ),
)
async def begin_checkout(
    tenant_id: UUID,
    body: CheckoutWish,
    operator: FreshOperatorSignIn,
    session: PlatformSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> Elsewhere:
    """An address to send to the owner, who subscribes there; good for a day."""
    url = await plans.begin_checkout(session, runtime, operator.account.id, tenant_id, body.plan, context.request_id)
    return Elsewhere(url=url)


@router.get("/fee-statements", responses=responses(InvalidInputError))
async def list_fee_statements(
    _operator: CurrentOperator,
    session: PlatformSessionDep,
    tenant: TenantFilter = None,
    status: Annotated[StatementStatus | None, Query()] = None,
    month: MonthFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StatementRead]:
    """Accrued fees by practice and month, newest first; `to_invoice` are the ones that wait for somebody."""
    rows, following = await list_statements(
        session, tenant_id=tenant, status=status, month=plans.first_day(month), limit=limit, cursor=cursor
    )
    return Page(items=[StatementRead.of(row) for row in rows], next_cursor=following)


@router.get("/fee-statements/{statement_id}/lines.csv", response_class=Response, responses=responses(NotFoundError))
async def read_lines(statement_id: UUID, _operator: CurrentOperator, session: PlatformSessionDep) -> Response:
    """The lines of a statement as CSV."""
    content = await statement_csv(session, statement_id)
    headers = {"Content-Disposition": f'attachment; filename="fees-{statement_id}.csv"', "Cache-Control": "no-store"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/fee-statements/{statement_id}/settle", responses=responses(NotFoundError, StatementStateError))
async def settle(
    statement_id: UUID,
    body: Settlement,
    operator: FreshOperatorSignIn,
    session: PlatformSessionDep,
    context: ContextDep,
) -> StatementRead:
    """It was invoiced by other means, or is waived."""
    return StatementRead.of(
        await plans.settle_statement(session, operator.account.id, statement_id, body.note, context.request_id)
    )


@router.post(
    "/fee-statements/{statement_id}/invoice", status_code=202, responses=responses(NotFoundError, StatementStateError)
)
async def invoice(
    statement_id: UUID, operator: FreshOperatorSignIn, session: PlatformSessionDep, context: ContextDep
) -> StatementRead:
    """Have it put on the practice's next invoice; it waits on if there is no subscription in its currency."""
    return StatementRead.of(
        await plans.invoice_statement(session, operator.account.id, statement_id, context.request_id)
    )
