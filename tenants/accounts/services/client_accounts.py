"""Clients: registering, the address verified, the password reset, the profile, finding them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from tenants.accounts.errors import EmailTakenError, InvalidOneTimeTokenError
from tenants.accounts.events import (
    CLIENT_PASSWORD_FORGOTTEN,
    CLIENT_REGISTERED,
    CLIENT_REGISTRATION_REPEATED,
    CLIENT_VERIFICATION_REQUESTED,
)
from tenants.accounts.models import AccountKind, Client
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services import sign_ins
from tenants.accounts.services.links import PASSWORD_RESET, VERIFICATION
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.security.passwords import hash_password
from todoenbalance.kit.security.sign_ins import EndReason


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


async def _insert(session: TenantSession, account: Client) -> bool:
    """Insert an account; False if its address was taken in the meantime, by a double click for instance."""
    try:
        async with session.begin_nested():
            AccountRepository(session).add(account)
    except IntegrityError:
        return False
    return True


async def get_client(session: TenantSession, client_id: UUID) -> Client:
    """A client by id. Raises :class:`NotFoundError`."""
    client = await AccountRepository(session).find_client(client_id)
    if client is None:
        raise NotFoundError
    return client


async def find_clients(session: TenantSession, client_ids: Collection[UUID]) -> dict[UUID, Client]:
    """Clients by their ids, those that there are: the names of a list in one query."""
    return await AccountRepository(session).find_clients(client_ids)


async def list_clients(
    session: TenantSession, *, search: str | None = None, limit: int = 50, cursor: str | None = None
) -> tuple[list[Client], str | None]:
    """A page of clients, newest first."""
    return await AccountRepository(session).page_of_clients(search=search, limit=limit, cursor=cursor)


async def count_clients(session: TenantSession) -> int:
    """How many clients the practice has."""
    return await AccountRepository(session).count_clients()


async def update_client(session: TenantSession, client_id: UUID, changes: dict[str, Any]) -> Client:
    """Change a client's own profile fields. Raises :class:`NotFoundError`."""
    client = await get_client(session, client_id)
    for name, value in changes.items():
        setattr(client, name, value)
    return client


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
    await sign_ins.end_all(session, AccountKind.CLIENT, client.id, EndReason.PASSWORD_CHANGED)
    return client
