"""An operator's own password: ``/platform/auth/password``."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from tenants.accounts.errors import InvalidCredentialsError
from tenants.accounts.schemas import CurrentPassword, Password
from todoenbalance.kit.ratelimit import LOGIN
from todoenbalance.kit.security.lockout import AccountLockedError
from todoenbalance.kit.security.strength import WeakPasswordError
from todoenbalance.kit.web.dependencies import ContextDep, PlatformSessionDep, RuntimeDep
from todoenbalance.kit.web.limits import limited
from todoenbalance.kit.web.problems import responses
from todoenbalance.operators import passwords
from todoenbalance.operators.auth import CurrentOperatorSignIn

router = APIRouter(prefix="/auth", tags=["sign-in of operators"])


class OperatorPasswordChange(BaseModel):
    """The password so far and the one to be."""

    model_config = ConfigDict(extra="forbid")

    current_password: CurrentPassword
    new_password: Password


@router.post(
    "/password",
    status_code=204,
    responses=responses(InvalidCredentialsError, AccountLockedError, WeakPasswordError),
    dependencies=[Depends(limited(LOGIN))],
)
async def change_password(
    body: OperatorPasswordChange,
    found: CurrentOperatorSignIn,
    session: PlatformSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> None:
    """Set a new password: this sign-in stays, the others end."""
    await passwords.change_password(
        session, runtime, found, body.current_password, body.new_password, request_id=context.request_id
    )
