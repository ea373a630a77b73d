"""Sign-ins of clients and staff: the password checked, a session begun, refreshed, listed, ended."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from tenants.accounts.errors import InvalidCredentialsError
from tenants.accounts.events import NEW_DEVICE
from tenants.accounts.models import AccountKind, Client, RefreshToken, SignIn, Staff
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services.lockouts import announce_lock, lockout_of, password_subject
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.devices import UNKNOWN_DEVICE, Device, is_new
from todoenbalance.kit.security.passwords import verify_password
from todoenbalance.kit.security.sign_ins import (
    EndReason,
    InvalidRefreshTokenError,
    SessionLimits,
    SignInMethod,
    SignIns,
    Started,
    check_fresh,
)
from todoenbalance.kit.security.tokens import InvalidTokenError, TokenSigner
from todoenbalance.kit.settings import AuthSettings
from todoenbalance.kit.tenancy import TenantContext


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in answers; ``expires_in`` in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    session_id: UUID


@dataclass(frozen=True, slots=True)
class ClientSignIn:
    """A client and the sign-in by which they act."""

    account: Client
    sign_in: SignIn


@dataclass(frozen=True, slots=True)
class StaffSignIn:
    """A member of staff and the sign-in by which they act."""

    account: Staff
    sign_in: SignIn
    needs_second_factor: bool


def audience(kind: AccountKind, tenant: TenantContext) -> str:
    """The audience of access tokens of one kind of account in one practice."""
    return f"{kind}:{tenant.key}"


def session_limits(kind: AccountKind, auth: AuthSettings) -> SessionLimits:
    """How long a sign-in of that kind of account lasts."""
    if kind is AccountKind.CLIENT:
        return SessionLimits(timedelta(days=auth.client_idle_days), timedelta(days=auth.client_session_days))
    return SessionLimits(timedelta(minutes=auth.staff_idle_minutes), timedelta(hours=auth.staff_session_hours))


def _sign_ins(session: TenantSession, auth: AuthSettings, kind: AccountKind) -> SignIns[SignIn, RefreshToken]:
    return SignIns(session, SignIn, RefreshToken, session_limits(kind, auth))


async def authenticate_client(session: TenantSession, runtime: Runtime, email: str, password: str) -> Client:
    """The client with this e-mail and password, locked.

    Raises :class:`InvalidCredentialsError`, and ``AccountLockedError`` after too many failures in a row.
    """
    found = await AccountRepository(session).find_client_by_email(email)
    account = await _authenticate(session, runtime, Attempt(AccountKind.CLIENT, email, found), password)
    if not isinstance(account, Client):
        raise InvalidCredentialsError
    return account


async def authenticate_staff(session: TenantSession, runtime: Runtime, email: str, password: str) -> Staff:
    """The member of staff with this e-mail and password, locked.

    Raises :class:`InvalidCredentialsError`, and ``AccountLockedError`` after too many failures in a row.
    """
    found = await AccountRepository(session).find_staff_by_email(email)
    account = await _authenticate(session, runtime, Attempt(AccountKind.STAFF, email, found), password)
    if not isinstance(account, Staff):
        raise InvalidCredentialsError
    return account


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try to sign in: the address as it was typed, and whose it is, if anyone's."""

    kind: AccountKind
    email: str
    account: Client | Staff | None


async def _authenticate(session: TenantSession, runtime: Runtime, attempt: Attempt, password: str) -> Client | Staff:
    """Check the password with no connection in hand, then make sure under the lock that it still counts.

    An unknown address takes the same steps as a known one with a wrong password.
    """
    lockout, subject = lockout_of(session, runtime), password_subject(attempt.kind, attempt.email)
    await lockout.check(subject)
    found = attempt.account
    hashed = found.hashed_password if found else None
    await give_connection_back(session)
    right, upgraded = await verify_password(password, hashed)
    account = await AccountRepository(session).lock_account(attempt.kind, found.id) if found and right else None
    if account is None or not account.is_active or account.hashed_password != hashed:
        if await lockout.failed(subject):
            await announce_lock(session, found)
        raise InvalidCredentialsError
    await lockout.succeeded(subject)
    if upgraded:
        account.hashed_password = upgraded
    return account


async def check_password(
    session: TenantSession, runtime: Runtime, account: Client | Staff, password: str
) -> Client | Staff:
    """The account, locked, if ``password`` is its own: asked once more of someone who is signed in.

    Counts like a sign-in. Raises :class:`InvalidCredentialsError`, ``AccountLockedError``.
    """
    kind = AccountKind.CLIENT if isinstance(account, Client) else AccountKind.STAFF
    return await _authenticate(session, runtime, Attempt(kind, account.email, account), password)


def check_freshly_signed_in(found: ClientSignIn | StaffSignIn, auth: AuthSettings) -> None:
    """Raises ``FreshSignInRequiredError`` unless they have proved lately who they are."""
    check_fresh(found.sign_in, timedelta(minutes=auth.fresh_minutes))


async def check_still_signed_in(
    session: TenantSession, auth: AuthSettings, kind: AccountKind, session_id: UUID
) -> None:
    """Under the account's lock: that nobody has ended the sign-in meanwhile. Raises :class:`InvalidTokenError`."""
    if await _sign_ins(session, auth, kind).find_live(session_id) is None:
        raise InvalidTokenError


async def start_session(
    session: TenantSession,
    signer: TokenSigner,
    auth: AuthSettings,
    kind: AccountKind,
    account_id: UUID,
    *,
    method: SignInMethod = SignInMethod.PASSWORD,
    device: Device = UNKNOWN_DEVICE,
    has_second_factor: bool = False,
) -> TokenPair:
    """Sign an authenticated account in, under its row's lock: an access token and the first refresh token.

    With a browser that they have not used before, its owner is told.
    """
    known = await AccountRepository(session).list_user_agents(kind, account_id)
    started = await _sign_ins(session, auth, kind).start(
        method, device, has_second_factor=has_second_factor, account_kind=kind, account_id=account_id
    )
    if is_new(device, known):
        payload = {"account_kind": str(kind), "account_id": str(account_id), "session_id": str(started.sign_in.id)}
        await publish(session, NEW_DEVICE, payload)
    return _pair(session.tenant, signer, auth, kind, started)


async def refresh_session(
    session: TenantSession,
    signer: TokenSigner,
    auth: AuthSettings,
    kind: AccountKind,
    refresh_token: str,
    *,
    device: Device = UNKNOWN_DEVICE,
) -> TokenPair:
    """The next pair for a refresh token of ``kind``, which is spent by it.

    Raises :class:`InvalidRefreshTokenError`, or ``TokenReusedError`` (and ends the sign-in) for a spent one.
    """
    tokens = _sign_ins(session, auth, kind)
    row = await _find_under_lock(session, tokens, kind, refresh_token)
    if row is None:
        raise InvalidRefreshTokenError
    started = await tokens.rotate(row, device, account_kind=kind, account_id=row.account_id)
    if not await account_is_active(session, kind, row.account_id):
        raise InvalidRefreshTokenError
    return _pair(session.tenant, signer, auth, kind, started)


async def end_session(session: TenantSession, auth: AuthSettings, kind: AccountKind, refresh_token: str) -> None:
    """Sign out: the token's sign-in ends. Unknown tokens are nothing to sign out of."""
    tokens = _sign_ins(session, auth, kind)
    row = await _find_under_lock(session, tokens, kind, refresh_token)
    if row is not None:
        await tokens.end(row.family_id, EndReason.SIGNED_OUT)


async def _find_under_lock(
    session: TenantSession, tokens: SignIns[SignIn, RefreshToken], kind: AccountKind, refresh_token: str
) -> RefreshToken | None:
    """The token's row, read again under its account's lock; None for another kind's or an unknown one."""
    row = await tokens.find_token(refresh_token)
    if row is None or row.account_kind != kind:
        return None
    await AccountRepository(session).lock_account(kind, row.account_id)
    return await tokens.find_token(refresh_token)


async def find_sign_in(session: TenantSession, session_id: UUID) -> SignIn | None:
    """A sign-in, ended or not, or None where it is kept no longer."""
    return await session.get(SignIn, session_id)


async def end_session_by_id(session: TenantSession, session_id: UUID, reason: EndReason = EndReason.SIGNED_OUT) -> None:
    """End the sign-in with this id (the pages' way of signing out)."""
    await AccountRepository(session).end_sign_in(session_id, reason)


async def end_all(
    session: TenantSession, kind: AccountKind, account_id: UUID, reason: EndReason, *, besides: UUID | None = None
) -> None:
    """End every sign-in of an account (``besides`` the one that asks for it), under the account's row lock."""
    await AccountRepository(session).end_sign_ins(kind, account_id, reason, besides=besides)


async def list_sessions(
    session: TenantSession, auth: AuthSettings, kind: AccountKind, account_id: UUID
) -> list[SignIn]:
    """An account's sign-ins that stand, the one last used first."""
    mine = (SignIn.account_kind == kind, SignIn.account_id == account_id)
    return await _sign_ins(session, auth, kind).list_live(*mine)


async def revoke_session(session: TenantSession, kind: AccountKind, account_id: UUID, session_id: UUID) -> None:
    """End one of an account's own sign-ins. Raises :class:`NotFoundError` for anyone else's."""
    accounts = AccountRepository(session)
    await accounts.lock_account(kind, account_id)
    row = await session.get(SignIn, session_id)
    if row is None or row.account_kind != kind or row.account_id != account_id:
        raise NotFoundError
    await accounts.end_sign_in(session_id, EndReason.REVOKED)


async def end_others(session: TenantSession, kind: AccountKind, account_id: UUID, session_id: UUID) -> None:
    """Sign an account out everywhere but in the sign-in that asks for it."""
    await AccountRepository(session).lock_account(kind, account_id)
    await end_all(session, kind, account_id, EndReason.REVOKED, besides=session_id)


async def confirm_session(
    session: TenantSession, auth: AuthSettings, kind: AccountKind, session_id: UUID, *, has_second_factor: bool = False
) -> None:
    """Note that the sign-in's owner has just proved who they are: sensitive acts are allowed for a while."""
    await _sign_ins(session, auth, kind).confirm(session_id, with_second_factor=has_second_factor)


async def account_is_active(session: TenantSession, kind: AccountKind, account_id: UUID) -> bool:
    """Whether the account exists and may act."""
    accounts = AccountRepository(session)
    account: Client | Staff | None = (
        await accounts.find_client(account_id) if kind is AccountKind.CLIENT else await accounts.find_staff(account_id)
    )
    return account is not None and account.is_active


async def get_signed_in_client(
    session: TenantSession, auth: AuthSettings, client_id: UUID, session_id: UUID | None
) -> ClientSignIn:
    """The client of a verified token, by one query.

    Raises :class:`InvalidTokenError` if the account is gone or closed, or the sign-in has ended.
    """
    tokens = _sign_ins(session, auth, AccountKind.CLIENT)
    found = await AccountRepository(session).find_signed_in_client(client_id, session_id, tokens.idle)
    if found is None or not found[0].is_active:
        raise InvalidTokenError
    client, sign_in = found
    await tokens.touch(sign_in)
    return ClientSignIn(client, sign_in)


async def get_signed_in_staff(
    session: TenantSession, auth: AuthSettings, staff_id: UUID, session_id: UUID | None
) -> StaffSignIn:
    """The member of staff of a verified token, by one query.

    Raises :class:`InvalidTokenError` if gone or deactivated, or the sign-in has ended.
    """
    tokens = _sign_ins(session, auth, AccountKind.STAFF)
    found = await AccountRepository(session).find_signed_in_staff(staff_id, session_id, tokens.idle)
    if found is None or not found[0].is_active:
        raise InvalidTokenError
    staff, sign_in, is_required = found
    await tokens.touch(sign_in)
    return StaffSignIn(staff, sign_in, is_required and sign_in.second_factor_at is None)


def _pair(
    tenant: TenantContext, signer: TokenSigner, auth: AuthSettings, kind: AccountKind, started: Started[SignIn]
) -> TokenPair:
    lifetime = timedelta(minutes=auth.access_token_minutes)
    sign_in = started.sign_in
    access = signer.issue(sign_in.account_id, audience(kind, tenant), lifetime, session_id=sign_in.id)
    return TokenPair(access, started.refresh_token, int(lifetime.total_seconds()), sign_in.id)
