"""Sign-in and profile of clients: ``/auth`` and ``/users/me``."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm

from tenants.accounts.auth import CurrentClient
from tenants.accounts.errors import EmailTakenError, InvalidCredentialsError, InvalidOneTimeTokenError
from tenants.accounts.models import AccountKind, Client
from tenants.accounts.schemas import (
    EmailRequest,
    PasswordReset,
    RefreshRequest,
    Registration,
    TokenAnswer,
    TokenRequest,
    User,
    UserPatch,
)
from tenants.accounts.services import client_accounts, passwords, sign_ins
from tenants.accounts.services.links import PASSWORD_RESET, VERIFICATION
from tenants.settings.service import get_practice_settings
from todoenbalance.kit.ratelimit import LINK, LOGIN, MAIL, REGISTER
from todoenbalance.kit.security.lockout import AccountLockedError
from todoenbalance.kit.security.sign_ins import InvalidRefreshTokenError, TokenReusedError
from todoenbalance.kit.security.strength import WeakPasswordError
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.limits import limit_account, limited
from todoenbalance.kit.web.problems import responses

auth_router = APIRouter(prefix="/auth", tags=["sign-in of clients"])
users_router = APIRouter(prefix="/users", tags=["own account"])


def to_answer(pair: sign_ins.TokenPair) -> TokenAnswer:
    """A token pair in the API's form."""
    return TokenAnswer(access_token=pair.access_token, expires_in=pair.expires_in, refresh_token=pair.refresh_token)


@auth_router.post(
    "/register",
    status_code=201,
    response_model=User,
    responses=responses(EmailTakenError, WeakPasswordError),
    dependencies=[Depends(limited(REGISTER))],
)
async def register(
    body: Registration, session: TenantSessionDep, tenant: TenantDep, runtime: RuntimeDep, context: ContextDep
) -> Client:
    """Make a client's account.

    For a taken address the answer looks the same and its owner gets a mail, unless the practice chose to
    reveal taken addresses.
    """
    await limit_account(runtime, context, REGISTER, body.email)
    settings = await get_practice_settings(session)
    new = client_accounts.NewClient(
        email=body.email,
        password=body.password,
        first_name=body.first_name,
        last_name=body.last_name,
        phone=body.phone,
        locale=body.locale or context.locale,
        timezone=body.timezone or tenant.timezone,
    )
    return await client_accounts.register_client(
        session, new, reveal_taken=settings.reveal_taken_email, rules=runtime.settings.auth.passwords
    )


@auth_router.post(
    "/login",
    responses=responses(InvalidCredentialsError, AccountLockedError),
    dependencies=[Depends(limited(LOGIN))],
)
async def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> TokenAnswer:
    """Sign a client in (OAuth 2 password form, so that the docs page can)."""
    await limit_account(runtime, context, LOGIN, form.username)
    client = await sign_ins.authenticate_client(session, runtime, form.username, form.password)
    pair = await sign_ins.start_session(
        session, runtime.signer, runtime.settings.auth, AccountKind.CLIENT, client.id, device=context.device
    )
    return to_answer(pair)


@auth_router.post("/refresh", responses=responses(InvalidRefreshTokenError, TokenReusedError))
async def refresh(
    body: RefreshRequest, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> TokenAnswer:
    """A new pair; the old refresh token dies. A dead one that is used again ends the whole sign-in."""
    pair = await sign_ins.refresh_session(
        session, runtime.signer, runtime.settings.auth, AccountKind.CLIENT, body.refresh_token, device=context.device
    )
    return to_answer(pair)


@auth_router.post("/logout", status_code=204)
async def logout(body: RefreshRequest, session: TenantSessionDep, runtime: RuntimeDep) -> None:
    """End the sign-in of this refresh token."""
    await sign_ins.end_session(session, runtime.settings.auth, AccountKind.CLIENT, body.refresh_token)


@auth_router.post("/verify-email/request", status_code=202, dependencies=[Depends(limited(MAIL))])
async def request_verification(
    body: EmailRequest, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> dict[str, str]:
    """Mail a verification link, if there is something to verify; the answer is the same either way."""
    await limit_account(runtime, context, MAIL, body.email, purpose=VERIFICATION)
    await client_accounts.request_verification(session, body.email)
    return {"status": "accepted"}


@auth_router.post(
    "/verify-email",
    response_model=User,
    responses=responses(InvalidOneTimeTokenError),
    dependencies=[Depends(limited(LINK))],
)
async def verify_email(body: TokenRequest, session: TenantSessionDep) -> Client:
    """Verify the address that the link was mailed to."""
    return await client_accounts.verify_client_email(session, body.token)


@auth_router.post("/password/forgot", status_code=202, dependencies=[Depends(limited(MAIL))])
async def forgot_password(
    body: EmailRequest, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> dict[str, str]:
    """Mail a link to set a new password, if there is an account; the answer is the same either way."""
    await limit_account(runtime, context, MAIL, body.email, purpose=PASSWORD_RESET)
    await client_accounts.request_password_reset(session, body.email)
    return {"status": "accepted"}


@auth_router.post(
    "/password/reset",
    status_code=204,
    responses=responses(InvalidOneTimeTokenError, WeakPasswordError),
    dependencies=[Depends(limited(LINK))],
)
async def reset_password(body: PasswordReset, session: TenantSessionDep, runtime: RuntimeDep) -> None:
    """Set a new password with a mailed link; every sign-in ends."""
    await passwords.reset_client_password(session, runtime, body.token, body.password)


@users_router.get("/me", response_model=User)
async def read_me(client: CurrentClient) -> Client:
    """One's own account."""
    return client


@users_router.patch("/me", response_model=User)
async def change_me(body: UserPatch, client: CurrentClient, session: TenantSessionDep) -> Client:
    """Change one's own profile."""
    sent = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in sent.items() if value is not None or name == "phone"}
    return await client_accounts.update_client(session, client.id, changes)
