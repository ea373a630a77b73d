"""Operators' second factors, "sudo" and sign-ins, under ``/platform/auth``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from tenants.accounts.factor_endpoints import Guards, include_second_factors
from todoenbalance.kit.web.dependencies import ContextDep, PlatformSessionDep, RuntimeDep
from todoenbalance.operators.auth import current_operator_sign_in, operator_bearer, operator_sign_in
from todoenbalance.operators.second_factors import OperatorMultiFactor
from todoenbalance.operators.service import SignedInOperator


async def operator_steps(session: PlatformSessionDep, runtime: RuntimeDep, context: ContextDep) -> OperatorMultiFactor:
    """The rules of signing in, for this request."""
    return OperatorMultiFactor(session, runtime, context.device, context.request_id)


OperatorSteps = Annotated[OperatorMultiFactor, Depends(operator_steps)]


async def any_operator(
    request: Request,
    runtime: RuntimeDep,
    session: PlatformSessionDep,
    declared: Annotated[str | None, Depends(operator_bearer)],
) -> SignedInOperator | None:
    """Who is calling, also if they owe a second factor; None without a token, 401 for one that is not valid."""
    if "Authorization" not in request.headers:
        return None
    return await operator_sign_in(request, runtime, session, declared)


router = APIRouter(prefix="/auth", tags=["second factors of operators"])
include_second_factors(router, Guards(operator_steps, current_operator_sign_in, operator_sign_in, any_operator))
