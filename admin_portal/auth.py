"""Sign-in of staff: ``/admin/auth``."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm

from admin_portal.second_factors import StaffSteps
from tenants.accounts.auth import CurrentStaff
from tenants.accounts.endpoints import to_answer
from tenants.accounts.errors import InvalidCredentialsError, InvalidOneTimeTokenError
from tenants.accounts.factor_schemas import MfaRequired
from tenants.accounts.models import AccountKind, Staff
from tenants.accounts.schemas import PasswordReset, RefreshRequest, StaffRead, TokenAnswer
from tenants.accounts.services import audit, sign_ins, staff_accounts
from todoenbalance.kit.ratelimit import LINK, LOGIN
from todoenbalance.kit.security.lockout import AccountLockedError
from todoenbalance.kit.security.sign_ins import InvalidRefreshTokenError, TokenReusedError
from todoenbalance.kit.security.strength import WeakPasswordError
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.limits import limit_account, limited
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/auth", tags=["sign-in of staff"])


@router.post(
    "/login",
    responses=responses(InvalidCredentialsError, AccountLockedError),
    dependencies=[Depends(limited(LOGIN))],
)
async def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    steps: StaffSteps,
) -> TokenAnswer | MfaRequired:
    """Sign a member of staff in; who has a second factor, or must have one, goes on with `mfa_token`."""
    await limit_account(runtime, context, LOGIN, form.username, purpose=AccountKind.STAFF)
    staff = await sign_ins.authenticate_staff(session, runtime, form.username, form.password)
    step = await steps.begin(staff)
    return MfaRequired.of(step) if step is not None else to_answer(await steps.start(staff))


@router.post("/refresh", responses=responses(InvalidRefreshTokenError, TokenReusedError))
async def refresh(
    body: RefreshRequest, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> TokenAnswer:
    """A new pair; the old refresh token dies. A dead one that is used again ends the whole sign-in."""
    pair = await sign_ins.refresh_session(
        session, runtime.signer, runtime.settings.auth, AccountKind.STAFF, body.refresh_token, device=context.device
    )
    return to_answer(pair)


@router.post("/logout", status_code=204)
async def logout(body: RefreshRequest, session: TenantSessionDep, runtime: RuntimeDep) -> None:
    """End the sign-in of this refresh token."""
    await sign_ins.end_session(session, runtime.settings.auth, AccountKind.STAFF, body.refresh_token)


@router.get("/me", response_model=StaffRead)
async def read_me(staff: CurrentStaff) -> Staff:
    """The member of staff who is signed in."""
    return staff


@router.post(
    "/accept-invitation",
    response_model=StaffRead,
    responses=responses(InvalidOneTimeTokenError, WeakPasswordError),
    dependencies=[Depends(limited(LINK))],
)
async def accept_invitation(
    body: PasswordReset, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> Staff:
    """Set the password of an invited account; the link works once."""
    staff = await staff_accounts.accept_invitation(
        session, body.token, body.password, rules=runtime.settings.auth.passwords
    )
    audit.record_staff_action(session, staff.id, "staff.invitation_accepted", staff.id, request_id=context.request_id)
    return staff
