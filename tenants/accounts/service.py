"""Accounts of a practice: registration, invitation, sign-in, refresh, the links that are mailed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from tenants.accounts.errors import (
    EmailTakenError,
    InvalidCredentialsError,
    InvalidOneTimeTokenError,
    LastOwnerError,
)
from tenants.accounts.events import (
    CLIENT_PASSWORD_FORGOTTEN,
    CLIENT_REGISTERED,
    CLIENT_REGISTRATION_REPEATED,
    CLIENT_VERIFICATION_REQUESTED,
    STAFF_INVITED,
)
from tenants.accounts.models import (
    AccountKind,
    Client,
    OneTimeToken,
    RefreshToken,
    Staff,
    StaffAuditEntry,
    StaffRole,
)
from tenants.accounts.repository import AccountRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.security.passwords import hash_password, verify_password
from todoenbalance.kit.security.refresh import InvalidRefreshTokenError, RefreshTokens
from todoenbalance.kit.security.tokens import (
    InvalidTokenError,
    TokenSigner,
    hash_opaque_token,
    new_opaque_token,
)
from todoenbalance.kit.settings import AuthSettings
from todoenbalance.kit.tenancy import TenantContext

INVITATION = "invitation"
VERIFICATION = "verification"
PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a purpose
VERIFICATION_LIFETIME = timedelta(days=3)
RESET_LIFETIME = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in answers; ``expires_in`` in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    session_id: UUID


@dataclass(frozen=True, slots=True)
class NewClient:
    """What someone says of themselves when registering."""

    email: str
    password: str
    first_name: str
    last_name: str
    phone: str | None
    locale: str
    timezone: str


def audience(kind: AccountKind, tenant: TenantContext) -> str:
    """The audience of access tokens of one kind of account in one practice."""
    return f"{kind}:{tenant.key}"


async def register_client(session: TenantSession, new: NewClient, *, reveal_taken: bool) -> Client:
    """A new client, or, for an e-mail that is taken, the look of one.

    Where the practice does not reveal taken addresses the caller can't tell the two apart; the owner of
    the address gets a mail instead. Raises :class:`EmailTakenError` only with ``reveal_taken``.
    """
    await give_connection_back(session)
    hashed = await hash_password(new.password)
    accounts = AccountRepository(session)
    now = clock.now()
    client = Client(
        id=new_id(),
        email=new.email,
        hashed_password=hashed,
        is_active=True,
        is_verified=False,
        first_name=new.first_name,
        last_name=new.last_name,
        phone=new.phone,
        locale=new.locale,
        timezone=new.timezone,
        privacy_accepted_at=now,
        created_at=now,
    )
    existing = await accounts.find_client_by_email(new.email)
    if existing is None and await _insert(session, client):
        await publish(session, CLIENT_REGISTERED, {"client_id": str(client.id)})
        return client
    if reveal_taken:
        raise EmailTakenError
    existing = existing or await accounts.find_client_by_email(new.email)
    if existing is not None:
        await publish(session, CLIENT_REGISTRATION_REPEATED, {"client_id": str(existing.id)})
    return client


async def _insert(session: TenantSession, account: Client | Staff) -> bool:
    """Insert an account; False if its address was taken in the meantime, by a double click for instance."""
    try:
        async with session.begin_nested():
            AccountRepository(session).add(account)
    except IntegrityError:
        return False
    return True


async def authenticate_client(session: TenantSession, email: str, password: str) -> Client:
    """The client with this e-mail and password, locked. Raises :class:`InvalidCredentialsError`."""
    found = await AccountRepository(session).find_client_by_email(email)
    account = await _authenticate(session, AccountKind.CLIENT, found, password)
    if not isinstance(account, Client):
        raise InvalidCredentialsError
    return account


async def authenticate_staff(session: TenantSession, email: str, password: str) -> Staff:
    """The member of staff with this e-mail and password, locked. Raises :class:`InvalidCredentialsError`."""
    found = await AccountRepository(session).find_staff_by_email(email)
    account = await _authenticate(session, AccountKind.STAFF, found, password)
    if not isinstance(account, Staff):
        raise InvalidCredentialsError
    return account


async def _authenticate(
    session: TenantSession, kind: AccountKind, found: Client | Staff | None, password: str
) -> Client | Staff:
    """Check the password with no connection in hand, then make sure under the lock that it still counts."""
    hashed = found.hashed_password if found else None
    await give_connection_back(session)
    right, upgraded = await verify_password(password, hashed)
    account = await AccountRepository(session).lock_account(kind, found.id) if found and right else None
    if account is None or not account.is_active or account.hashed_password != hashed:
        raise InvalidCredentialsError
    if upgraded:
        account.hashed_password = upgraded
    return account


def _refresh_lifetime(kind: AccountKind, auth: AuthSettings) -> timedelta:
    if kind is AccountKind.CLIENT:
        return timedelta(days=auth.client_refresh_days)
    return timedelta(hours=auth.staff_refresh_hours)


async def start_session(
    session: TenantSession, signer: TokenSigner, auth: AuthSettings, kind: AccountKind, account_id: UUID
) -> TokenPair:
    """Sign an authenticated account in: an access token, and the first refresh token of a new family."""
    tokens = RefreshTokens(session, RefreshToken)
    made = tokens.start(_refresh_lifetime(kind, auth), account_kind=kind, account_id=account_id)
    return _pair(session.tenant, signer, auth, kind, account_id, made.row.family_id, made.token)


async def refresh_session(
    session: TenantSession, signer: TokenSigner, auth: AuthSettings, kind: AccountKind, refresh_token: str
) -> TokenPair:
    """The next pair for a refresh token of ``kind``, which is spent by it.

    Raises :class:`InvalidRefreshTokenError`, or ``TokenReusedError`` (and ends the sign-in) for a spent one.
    """
    tokens = RefreshTokens(session, RefreshToken)
    row = await _find_under_lock(session, tokens, kind, refresh_token)
    if row is None:
        raise InvalidRefreshTokenError
    await tokens.spend(row)
    if not await account_is_active(session, kind, row.account_id):
        raise InvalidRefreshTokenError
    made = tokens.start(
        _refresh_lifetime(kind, auth), family_id=row.family_id, account_kind=kind, account_id=row.account_id
    )
    return _pair(session.tenant, signer, auth, kind, row.account_id, row.family_id, made.token)


async def end_session(session: TenantSession, kind: AccountKind, refresh_token: str) -> None:
    """Sign out: the token's family dies. Unknown tokens are nothing to sign out of."""
    tokens = RefreshTokens(session, RefreshToken)
    row = await _find_under_lock(session, tokens, kind, refresh_token)
    if row is not None:
        await tokens.revoke_family(row.family_id)


async def _find_under_lock(
    session: TenantSession, tokens: RefreshTokens[RefreshToken], kind: AccountKind, refresh_token: str
) -> RefreshToken | None:
    """The token's row, read again under its account's lock; None for another kind's or an unknown one."""
    row = await tokens.find(refresh_token)
    if row is None or row.account_kind != kind:
        return None
    await AccountRepository(session).lock_account(kind, row.account_id)
    return await tokens.find(refresh_token)


async def end_session_by_id(session: TenantSession, session_id: UUID) -> None:
    """Sign out the sign-in with this id (the pages' way)."""
    await RefreshTokens(session, RefreshToken).revoke_family(session_id)


async def session_is_live(session: TenantSession, session_id: UUID) -> bool:
    """Whether a sign-in still stands; the pages ask this for each request."""
    return await RefreshTokens(session, RefreshToken).family_is_live(session_id)


async def account_is_active(session: TenantSession, kind: AccountKind, account_id: UUID) -> bool:
    """Whether the account exists and may act."""
    accounts = AccountRepository(session)
    account: Client | Staff | None = (
        await accounts.find_client(account_id) if kind is AccountKind.CLIENT else await accounts.find_staff(account_id)
    )
    return account is not None and account.is_active


async def get_signed_in_client(session: TenantSession, client_id: UUID) -> Client:
    """The client of a verified token. Raises :class:`InvalidTokenError` if the account is gone or closed."""
    client = await AccountRepository(session).find_client(client_id)
    if client is None or not client.is_active:
        raise InvalidTokenError
    return client


async def get_signed_in_staff(session: TenantSession, staff_id: UUID) -> Staff:
    """The member of staff of a verified token. Raises :class:`InvalidTokenError` if gone or deactivated."""
    staff = await AccountRepository(session).find_staff(staff_id)
    if staff is None or not staff.is_active:
        raise InvalidTokenError
    return staff


async def get_client(session: TenantSession, client_id: UUID) -> Client:
    """A client by id. Raises :class:`NotFoundError`."""
    client = await AccountRepository(session).find_client(client_id)
    if client is None:
        raise NotFoundError
    return client


async def get_staff(session: TenantSession, staff_id: UUID) -> Staff:
    """A member of staff by id. Raises :class:`NotFoundError`."""
    staff = await AccountRepository(session).find_staff(staff_id)
    if staff is None:
        raise NotFoundError
    return staff


async def find_clients(session: TenantSession, client_ids: Collection[UUID]) -> dict[UUID, Client]:
    """Clients by their ids, those that there are: the names of a list in one query."""
    return await AccountRepository(session).find_clients(client_ids)


async def list_clients(
    session: TenantSession, *, search: str | None = None, limit: int = 50, cursor: str | None = None
) -> tuple[list[Client], str | None]:
    """A page of clients, newest first."""
    return await AccountRepository(session).page_of_clients(search=search, limit=limit, cursor=cursor)


async def list_staff_actions(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[StaffAuditEntry], str | None]:
    """A page of the audit trail, newest first."""
    return await AccountRepository(session).page_of_actions(limit=limit, cursor=cursor)


async def count_clients(session: TenantSession) -> int:
    """How many clients the practice has."""
    return await AccountRepository(session).count_clients()


async def list_staff(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[Staff], str | None]:
    """A page of staff."""
    return await AccountRepository(session).page_of_staff(limit=limit, cursor=cursor)


async def list_owners(session: TenantSession) -> list[Staff]:
    """Active owners, who hear about what concerns the practice as a whole."""
    return await AccountRepository(session).list_owner_addresses()


def make_staff(email: str, first_name: str, last_name: str, role: StaffRole, locale: str) -> Staff:
    """A row for someone who is to be invited; without a password until they accept."""
    return Staff(
        id=new_id(),
        email=email,
        role=role,
        is_active=True,
        first_name=first_name,
        last_name=last_name,
        locale=locale,
        created_at=clock.now(),
    )


def make_one_time_token(
    purpose: str, kind: AccountKind, account_id: UUID, lifetime: timedelta
) -> tuple[OneTimeToken, str]:
    """The row to store (hashed) and the token to mail."""
    token, now = new_opaque_token(), clock.now()
    row = OneTimeToken(
        id=new_id(),
        purpose=purpose,
        account_kind=kind,
        account_id=account_id,
        token_hash=hash_opaque_token(token),
        created_at=now,
        expires_at=now + lifetime,
    )
    return row, token


async def invite_staff(
    session: TenantSession,
    auth: AuthSettings,
    *,
    email: str,
    first_name: str,
    last_name: str,
    role: StaffRole,
    locale: str,
) -> tuple[Staff, str]:
    """A new member of staff and the token of their invitation; the invitation is mailed as well.

    Raises :class:`EmailTakenError`.
    """
    accounts = AccountRepository(session)
    if await accounts.find_staff_by_email(email) is not None:
        raise EmailTakenError
    staff = make_staff(email, first_name, last_name, role, locale)
    row, token = make_one_time_token(INVITATION, AccountKind.STAFF, staff.id, timedelta(days=auth.invitation_days))
    if not await _insert(session, staff):
        raise EmailTakenError
    accounts.add(row)
    await publish(session, STAFF_INVITED, {"staff_id": str(staff.id)})
    return staff, token


async def renew_one_time_token(
    session: TenantSession, purpose: str, kind: AccountKind, account_id: UUID, lifetime: timedelta
) -> str:
    """A fresh token for a mail that is about to be sent.

    Tokens are stored hashed and never travel through the queue, so each mail makes its own.
    """
    row, token = make_one_time_token(purpose, kind, account_id, lifetime)
    AccountRepository(session).add(row)
    return token


async def accept_invitation(session: TenantSession, token: str, password: str) -> Staff:
    """Set the invited person's password; every other invitation of theirs is void then.

    Raises :class:`InvalidOneTimeTokenError`.
    """
    hashed = await hash_password(password)
    accounts = AccountRepository(session)
    row = await accounts.find_one_time_token(token, INVITATION)
    staff = await accounts.lock_account(AccountKind.STAFF, row.account_id) if row else None
    if row is None or not isinstance(staff, Staff) or not staff.is_active:
        raise InvalidOneTimeTokenError
    staff.hashed_password = hashed
    staff.accepted_at = clock.now()
    await accounts.void_one_time_tokens(staff.id, INVITATION)
    return staff


async def change_staff(
    session: TenantSession,
    staff_id: UUID,
    *,
    role: StaffRole | None = None,
    is_active: bool | None = None,
    **names: str,
) -> Staff:
    """Change someone's role, names or whether they may sign in; deactivating ends their sign-ins.

    Raises :class:`NotFoundError`, :class:`LastOwnerError`.
    """
    accounts = AccountRepository(session)
    owners = await accounts.lock_owners()
    staff = await accounts.lock_account(AccountKind.STAFF, staff_id)
    if not isinstance(staff, Staff):
        raise NotFoundError
    loses_owner = (role not in (None, StaffRole.OWNER)) or is_active is False
    if [owner.id for owner in owners] == [staff.id] and loses_owner:
        raise LastOwnerError
    if role is not None:
        staff.role = role
    if is_active is not None:
        staff.is_active = is_active
        if not is_active:
            await accounts.revoke_sign_ins(AccountKind.STAFF, staff.id)
    for name, value in names.items():
        setattr(staff, name, value)
    return staff


async def request_verification(session: TenantSession, email: str) -> None:
    """Mail a verification link if the address is an unverified client's; says nothing either way."""
    client = await AccountRepository(session).find_client_by_email(email)
    if client is not None and client.is_active and not client.is_verified:
        await publish(session, CLIENT_VERIFICATION_REQUESTED, {"client_id": str(client.id)})


async def verify_client_email(session: TenantSession, token: str) -> Client:
    """Mark the address of the link's client as verified. Raises :class:`InvalidOneTimeTokenError`."""
    accounts = AccountRepository(session)
    row = await accounts.find_one_time_token(token, VERIFICATION)
    client = await accounts.find_client(row.account_id) if row else None
    if row is None or client is None or not client.is_active:
        raise InvalidOneTimeTokenError
    client.is_verified = True
    await accounts.void_one_time_tokens(client.id, VERIFICATION)
    return client


async def request_password_reset(session: TenantSession, email: str) -> None:
    """Mail a reset link if the address is a client's; says nothing either way."""
    client = await AccountRepository(session).find_client_by_email(email)
    if client is not None and client.is_active:
        await publish(session, CLIENT_PASSWORD_FORGOTTEN, {"client_id": str(client.id)})


async def reset_password(session: TenantSession, token: str, password: str) -> Client:
    """Set a new password and end every sign-in. Raises :class:`InvalidOneTimeTokenError`."""
    hashed = await hash_password(password)
    accounts = AccountRepository(session)
    row = await accounts.find_one_time_token(token, PASSWORD_RESET)
    client = await accounts.lock_account(AccountKind.CLIENT, row.account_id) if row else None
    if row is None or not isinstance(client, Client) or not client.is_active:
        raise InvalidOneTimeTokenError
    client.hashed_password = hashed
    client.is_verified = True  # the link reached the address
    await accounts.void_one_time_tokens(client.id, PASSWORD_RESET)
    await accounts.revoke_sign_ins(AccountKind.CLIENT, client.id)
    return client


async def update_client(session: TenantSession, client_id: UUID, changes: dict[str, Any]) -> Client:
    """Change a client's own profile fields. Raises :class:`NotFoundError`."""
    client = await get_client(session, client_id)
    for name, value in changes.items():
        setattr(client, name, value)
    return client


def record_staff_action(
    session: TenantSession,
    staff_id: UUID | None,
    action: str,
    subject_id: UUID | None = None,
    *,
    request_id: str | None = None,
    **detail: Any,
) -> None:
    """Add a line to the practice's audit trail, in the transaction of what it records."""
    AccountRepository(session).add(
        StaffAuditEntry(
            id=new_id(),
            staff_id=staff_id,
            action=action,
            subject_id=subject_id,
            detail=detail,
            request_id=request_id,
            created_at=clock.now(),
        )
    )


def _pair(
    tenant: TenantContext,
    signer: TokenSigner,
    auth: AuthSettings,
    kind: AccountKind,
    account_id: UUID,
    family_id: UUID,
    refresh_token: str,
) -> TokenPair:
    lifetime = timedelta(minutes=auth.access_token_minutes)
    access = signer.issue(account_id, audience(kind, tenant), lifetime, session_id=family_id)
    return TokenPair(access, refresh_token, int(lifetime.total_seconds()), family_id)


def page_cookie_expiry(kind: AccountKind, auth: AuthSettings) -> datetime:
    """When the cookie of a page sign-in ends."""
    return clock.now() + _refresh_lifetime(kind, auth)
