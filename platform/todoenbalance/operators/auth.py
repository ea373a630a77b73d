"""Who may call the operators' API."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from tenants.accounts.auth import bearer_token, fresh_within
from todoenbalance.kit.security.sign_ins import SecondFactorRequiredError, check_fresh
from todoenbalance.kit.web.dependencies import PlatformSessionDep, RuntimeDep
from todoenbalance.operators import service
from todoenbalance.operators.models import Operator
from todoenbalance.operators.service import SignedInOperator

operator_bearer = OAuth2PasswordBearer("/api/v1/platform/auth/login", scheme_name="operator", auto_error=False)


async def operator_sign_in(
    request: Request,
    runtime: RuntimeDep,
    session: PlatformSessionDep,
    _declared: Annotated[str | None, Depends(operator_bearer)],
) -> SignedInOperator:
    """The operator who is calling and their sign-in, also one that still owes its second factor."""
    claims = runtime.signer.verify(bearer_token(request), service.AUDIENCE)
    return await service.get_signed_in(session, runtime.settings, claims.subject, claims.session_id)


IncompleteOperatorSignIn = Annotated[SignedInOperator, Depends(operator_sign_in)]
"""For setting up the second factor that is owed, and nothing else."""


async def current_operator_sign_in(found: IncompleteOperatorSignIn) -> SignedInOperator:
    """The operator who is calling and their sign-in, second factor included where one is owed (else 403)."""
    if found.needs_second_factor:
        raise SecondFactorRequiredError
    return found


CurrentOperatorSignIn = Annotated[SignedInOperator, Depends(current_operator_sign_in)]


async def current_operator(found: CurrentOperatorSignIn) -> Operator:
    """The operator who is calling."""
    return found.account


async def fresh_operator_sign_in(found: CurrentOperatorSignIn, runtime: RuntimeDep) -> SignedInOperator:
    """The same, for sensitive acts (else 403 ``fresh_sign_in_required``)."""
    check_fresh(found.sign_in, fresh_within(runtime.settings.auth))
    return found


CurrentOperator = Annotated[Operator, Depends(current_operator)]
FreshOperatorSignIn = Annotated[SignedInOperator, Depends(fresh_operator_sign_in)]
