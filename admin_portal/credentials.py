"""Staff's own passwords and addresses: ``/admin/auth``."""

from fastapi import APIRouter, Depends

from tenants.accounts.auth import CurrentStaffSignIn, FreshStaffSignIn
from tenants.accounts.errors import EmailTakenError, InvalidCredentialsError, InvalidOneTimeTokenError
from tenants.accounts.models import AccountKind
from tenants.accounts.schemas import (
    EmailChangeAnswer,
    EmailRequest,
    NewEmail,
    PasswordChange,
    PasswordReset,
    TokenRequest,
)
from tenants.accounts.services import email_changes, passwords
from tenants.accounts.services.links import EMAIL_CHANGE, PASSWORD_RESET
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.ratelimit import LINK, LOGIN, MAIL
from todoenbalance.kit.security.lockout import AccountLockedError
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError
from todoenbalance.kit.security.strength import WeakPasswordError
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.limits import limit_account, limited
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/auth", tags=["sign-in of staff"])


@router.post("/password/forgot", status_code=202, dependencies=[Depends(limited(MAIL))])
async def forgot_password(
    body: EmailRequest, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> dict[str, str]:
    """Mail a link to set a new password, if there is an account; the answer is the same either way."""
    await limit_account(runtime, context, MAIL, body.email, purpose=f"{AccountKind.STAFF}:{PASSWORD_RESET}")
    await passwords.request_staff_password_reset(session, body.email)
    return {"status": "accepted"}


@router.post(
    "/password/reset",
    status_code=204,
    responses=responses(InvalidOneTimeTokenError, WeakPasswordError),
    dependencies=[Depends(limited(LINK))],
)
async def reset_password(
    body: PasswordReset, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> None:
    """Set a new password with a mailed link; every sign-in ends. The second factor is asked for as ever."""
    await passwords.reset_staff_password(session, runtime, body.token, body.password, request_id=context.request_id)


@router.post(
    "/password",
    status_code=204,
    responses=responses(InvalidCredentialsError, AccountLockedError, WeakPasswordError),
    dependencies=[Depends(limited(LOGIN))],
)
async def change_password(
    body: PasswordChange,
    found: CurrentStaffSignIn,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> None:
    """Set a new password: this sign-in stays, the others end."""
    await passwords.change_password(
        session, runtime, found, body.current_password, body.new_password, request_id=context.request_id
    )


@router.post(
    "/email",
    status_code=202,
    responses=responses(FreshSignInRequiredError, InvalidInputError),
    dependencies=[Depends(limited(MAIL))],
)
async def request_email_change(
    body: NewEmail, found: FreshStaffSignIn, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> dict[str, str]:
    """Ask for another address; it is changed when both have confirmed it. Needs a fresh sign-in."""
    await give_connection_back(session)
    for account in (str(found.account.id), body.new_email):
        await limit_account(runtime, context, MAIL, account, purpose=f"{AccountKind.STAFF}:{EMAIL_CHANGE}")
    await email_changes.request_email_change(session, runtime, found, body.new_email)
    return {"status": "accepted"}


@router.post(
    "/email/confirm",
    responses=responses(InvalidOneTimeTokenError, EmailTakenError),
    dependencies=[Depends(limited(LINK))],
)
async def confirm_email_change(body: TokenRequest, session: TenantSessionDep) -> EmailChangeAnswer:
    """Confirm a change of address from one of the two addresses; the second confirmation makes it."""
    state = await email_changes.confirm_email_change(session, AccountKind.STAFF, body.token)
    return EmailChangeAnswer(status=state.value)


@router.post(
    "/email/cancel",
    status_code=204,
    responses=responses(InvalidOneTimeTokenError),
    dependencies=[Depends(limited(LINK))],
)
async def cancel_email_change(body: TokenRequest, session: TenantSessionDep) -> None:
    """Say from the old address that one did not ask for the change: it is off, and every sign-in ends."""
    await email_changes.cancel_email_change(session, AccountKind.STAFF, body.token)
