"""Staff's second factors, "sudo" and sign-ins (under ``/admin/auth``), and resetting a colleague's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from tenants.accounts.auth import current_staff_sign_in, staff_bearer, staff_sign_in, staff_who_may
from tenants.accounts.factor_endpoints import Guards, include_second_factors
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.second_factors import StaffMultiFactor
from tenants.accounts.services.sign_ins import StaffSignIn
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.security.factor_errors import NoSecondFactorError
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses


async def staff_steps(session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep) -> StaffMultiFactor:
    """The rules of signing in, for this request."""
    return StaffMultiFactor(session, runtime, context.hostname, context.device, context.request_id)


StaffSteps = Annotated[StaffMultiFactor, Depends(staff_steps)]


async def any_staff(
    request: Request,
    runtime: RuntimeDep,
    tenant: TenantDep,
    session: TenantSessionDep,
    declared: Annotated[str | None, Depends(staff_bearer)],
) -> StaffSignIn | None:
    """Who is calling, also if they owe a second factor; None without a token, 401 for one that is not valid."""
    if "Authorization" not in request.headers:
        return None
    return await staff_sign_in(request, runtime, tenant, session, declared)


own_router = APIRouter(prefix="/auth", tags=["second factors of staff"])
include_second_factors(own_router, Guards(staff_steps, current_staff_sign_in, staff_sign_in, any_staff))

colleagues_router = APIRouter(prefix="/staff", tags=["staff: staff"])


@colleagues_router.delete(
    "/{staff_id}/second-factors", status_code=204, responses=responses(NotFoundError, NoSecondFactorError)
)
async def reset_second_factors(
    staff_id: UUID,
    staff: Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_STAFF, fresh=True))],
    steps: StaffSteps,
) -> None:
    """For someone who has lost telephone and recovery codes. Ends their sign-ins; they are told by mail."""
    await steps.reset_colleague(staff, staff_id)
