"""A client's ways in: sign-in links, the password, the address, the sign-ins that stand."""

from uuid import UUID

from fastapi import APIRouter, Depends

from tenants.accounts.auth import CurrentClientSignIn, FreshClientSignIn
from tenants.accounts.endpoints import to_answer
from tenants.accounts.errors import EmailTakenError, InvalidCredentialsError, InvalidOneTimeTokenError
from tenants.accounts.models import AccountKind
from tenants.accounts.schemas import (
    EmailChangeAnswer,
    MagicLinkRequest,
    NewEmail,
    PasswordChange,
    PasswordConfirmation,
    SessionList,
    SessionRead,
    TokenAnswer,
    TokenRequest,
)
from tenants.accounts.services import email_changes, magic_links, passwords, sign_ins
from tenants.accounts.services.links import EMAIL_CHANGE, MAGIC_LINK
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.pages.redirects import safe_next
from todoenbalance.kit.ratelimit import LINK, LOGIN, MAIL
from todoenbalance.kit.security.lockout import AccountLockedError
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError, SignInMethod
from todoenbalance.kit.security.strength import WeakPasswordError
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.limits import limit_account, limited
from todoenbalance.kit.web.problems import responses

auth_router = APIRouter(prefix="/auth", tags=["sign-in of clients"])
me_router = APIRouter(prefix="/users/me", tags=["own account"])


@auth_router.post("/magic-link/request", status_code=202, dependencies=[Depends(limited(MAIL))])
async def request_magic_link(
    body: MagicLinkRequest, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> dict[str, str]:
    """Mail a link that signs in, if there is an account; the answer is the same either way.

    It works once, for a quarter of an hour, and the newest one only.
    """
    await limit_account(runtime, context, MAIL, body.email, purpose=MAGIC_LINK)
    await magic_links.request_magic_link(session, body.email, return_to=safe_next(body.return_to, ""))
    return {"status": "accepted"}


@auth_router.post("/magic-link", responses=responses(InvalidOneTimeTokenError), dependencies=[Depends(limited(LINK))])
async def sign_in_by_magic_link(
    body: TokenRequest, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> TokenAnswer:
    """Sign in with a mailed link."""
    client = await magic_links.redeem_magic_link(session, runtime, body.token)
    pair = await sign_ins.start_session(
        session,
        runtime.signer,
        runtime.settings.auth,
        AccountKind.CLIENT,
        client.id,
        method=SignInMethod.MAGIC_LINK,
        device=context.device,
    )
    return to_answer(pair)


@auth_router.post(
    "/sudo",
    status_code=204,
    responses=responses(InvalidCredentialsError, AccountLockedError),
    dependencies=[Depends(limited(LOGIN))],
)
async def confirm_identity(
    body: PasswordConfirmation, found: CurrentClientSignIn, session: TenantSessionDep, runtime: RuntimeDep
) -> None:
    """Prove once more who one is, so that for a while what cannot be undone is allowed.

    Without a password: sign in anew, by a mailed link or a provider.
    """
    await sign_ins.check_password(session, runtime, found.account, body.password)
    await sign_ins.confirm_session(session, runtime.settings.auth, AccountKind.CLIENT, found.sign_in.id)


@me_router.post(
    "/password",
    status_code=204,
    responses=responses(InvalidCredentialsError, AccountLockedError, FreshSignInRequiredError, WeakPasswordError),
    dependencies=[Depends(limited(LOGIN))],
)
async def change_password(
    body: PasswordChange, found: CurrentClientSignIn, session: TenantSessionDep, runtime: RuntimeDep
) -> None:
    """Set a new password: this sign-in stays, the others end. Without a password so far: needs a fresh sign-in."""
    await passwords.change_password(session, runtime, found, body.current_password, body.new_password)


@me_router.post(
    "/email",
    status_code=202,
    responses=responses(FreshSignInRequiredError, InvalidInputError),
    dependencies=[Depends(limited(MAIL))],
)
async def request_email_change(
    body: NewEmail, found: FreshClientSignIn, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> dict[str, str]:
    """Ask for another address; it is changed when both have confirmed it by the links that they are mailed.

    Needs a fresh sign-in. The answer is the same whether or not the new address has an account.
    """
    await give_connection_back(session)
    for account in (str(found.account.id), body.new_email):
        await limit_account(runtime, context, MAIL, account, purpose=EMAIL_CHANGE)
    await email_changes.request_email_change(session, runtime, found, body.new_email)
    return {"status": "accepted"}


@auth_router.post(
    "/email/confirm",
    responses=responses(InvalidOneTimeTokenError, EmailTakenError),
    dependencies=[Depends(limited(LINK))],
)
async def confirm_email_change(body: TokenRequest, session: TenantSessionDep) -> EmailChangeAnswer:
    """Confirm a change of address from one of the two addresses; the second confirmation makes it."""
    state = await email_changes.confirm_email_change(session, AccountKind.CLIENT, body.token)
    return EmailChangeAnswer(status=state.value)


@auth_router.post(
    "/email/cancel",
    status_code=204,
    responses=responses(InvalidOneTimeTokenError),
    dependencies=[Depends(limited(LINK))],
)
async def cancel_email_change(body: TokenRequest, session: TenantSessionDep) -> None:
    """Say from the old address that one did not ask for the change: it is off, and every sign-in ends."""
    await email_changes.cancel_email_change(session, AccountKind.CLIENT, body.token)


@me_router.get("/sessions")
async def list_sessions(found: CurrentClientSignIn, session: TenantSessionDep, runtime: RuntimeDep) -> SessionList:
    """One's own sign-ins that stand: since when, from where, by what."""
    rows = await sign_ins.list_sessions(session, runtime.settings.auth, AccountKind.CLIENT, found.account.id)
    return SessionList(items=[SessionRead.of(row, found.sign_in.id) for row in rows])


@me_router.delete("/sessions/{session_id}", status_code=204, responses=responses(NotFoundError))
async def end_session(session_id: UUID, found: CurrentClientSignIn, session: TenantSessionDep) -> None:
    """End one of one's own sign-ins."""
    await sign_ins.revoke_session(session, AccountKind.CLIENT, found.account.id, session_id)


@me_router.post("/sessions/end-others", status_code=204)
async def end_other_sessions(found: CurrentClientSignIn, session: TenantSessionDep) -> None:
    """Sign out everywhere else."""
    await sign_ins.end_others(session, AccountKind.CLIENT, found.account.id, found.sign_in.id)
