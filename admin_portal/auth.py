"""Sign-in of staff: ``/admin/auth``."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm

from tenants.accounts.auth import CurrentStaff
from tenants.accounts.endpoints import to_answer
from tenants.accounts.errors import InvalidCredentialsError, InvalidOneTimeTokenError
from tenants.accounts.models import AccountKind, Staff
from tenants.accounts.schemas import PasswordReset, RefreshRequest, StaffRead, TokenAnswer
from tenants.accounts.services import audit, sign_ins, staff_accounts
from todoenbalance.kit.security.sign_ins import InvalidRefreshTokenError, TokenReusedError
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/auth", tags=["sign-in of staff"])


@router.post("/login", responses=responses(InvalidCredentialsError))
async def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> TokenAnswer:
    """Sign a member of staff in."""
    staff = await sign_ins.authenticate_staff(session, form.username, form.password)
    pair = await sign_ins.start_session(
        session, runtime.signer, runtime.settings.auth, AccountKind.STAFF, staff.id, device=context.device
    )
    return to_answer(pair)


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


@router.post("/accept-invitation", response_model=StaffRead, responses=responses(InvalidOneTimeTokenError))
async def accept_invitation(body: PasswordReset, session: TenantSessionDep, context: ContextDep) -> Staff:
    """Set the password of an invited account; the link works once."""
    staff = await staff_accounts.accept_invitation(session, body.token, body.password)
    audit.record_staff_action(session, staff.id, "staff.invitation_accepted", staff.id, request_id=context.request_id)
    return staff
