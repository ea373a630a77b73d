"""Who may call the operators' API."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from tenants.accounts.auth import bearer_token
from todoenbalance.kit.security.tokens import InvalidTokenError
from todoenbalance.kit.web.dependencies import PlatformSessionDep, RuntimeDep
from todoenbalance.operators import service
from todoenbalance.operators.models import Operator

operator_bearer = OAuth2PasswordBearer("/api/v1/platform/auth/login", scheme_name="operator", auto_error=False)


async def current_operator(
    request: Request,
    runtime: RuntimeDep,
    session: PlatformSessionDep,
    _declared: Annotated[str | None, Depends(operator_bearer)],
) -> Operator:
    """The operator who is calling."""
    claims = runtime.signer.verify(bearer_token(request), service.AUDIENCE)
    if claims.session_id is None or not await service.session_is_live(session, claims.session_id):
        raise InvalidTokenError
    return await service.get_signed_in(session, claims.subject)


CurrentOperator = Annotated[Operator, Depends(current_operator)]
