"""Clients: registering, the address verified, the password reset, the profile, finding them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.exc import IntegrityError

from tenants.accounts.errors import EmailTakenError
from tenants.accounts.events import (
    CLIENT_PASSWORD_FORGOTTEN,
    CLIENT_REGISTERED,
    CLIENT_REGISTRATION_REPEATED,
    CLIENT_VERIFICATION_REQUESTED,
)
from tenants.accounts.models import AccountKind, Client
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services.email_changes import give_up_changes
from tenants.accounts.services.links import VERIFICATION, spend_link
from tenants.privacy.service import record_consent
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.security.passwords import hash_password
from todoenbalance.kit.security.strength import DEFAULT_RULES, check_strength
from todoenbalance.kit.settings import PasswordSettings


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


async def register_client(
    session: TenantSession, new: NewClient, *, reveal_taken: bool, rules: PasswordSettings = DEFAULT_RULES
) -> Client:
    """A new client, or, for an e-mail that is taken, the look of one.

    Where the practice does not reveal taken addresses the caller can't tell the two apart; the owner of
    the address gets a mail instead. Raises :class:`EmailTakenError` only with ``reveal_taken``, and
    ``WeakPasswordError``.
    """
    await give_connection_back(session)
    await check_strength(new.password, rules, (new.email, new.first_name, new.last_name))
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
        await record_consent(session, client.id, locale=client.locale)
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


async def get_client(session: TenantSession, client_id: UUID, *, among: Select[tuple[UUID]] | None = None) -> Client:
    """A client by id, if they are ``among`` those that the caller may know of. Raises :class:`NotFoundError`."""
    accounts = AccountRepository(session)
    if among is None:
        client = await accounts.find_client(client_id)
    else:
        client = await accounts.find_client_among(client_id, among)
    if client is None:
        raise NotFoundError
    return client


async def hold_client(session: TenantSession, client_id: UUID) -> Client:
    """A client by id, kept as they are until the transaction ends: nobody erases them meanwhile.

    Raises :class:`NotFoundError`, also for someone whose data were erased.
    """
    client = await AccountRepository(session).hold_client(client_id)
    if client is None or client.erased_at is not None:
        raise NotFoundError
    return client


async def lock_client(session: TenantSession, client_id: UUID) -> Client:
    """The same, kept from everybody else: what counts a client's things takes turns. Raises :class:`NotFoundError`."""
    client = await AccountRepository(session).lock_account(AccountKind.CLIENT, client_id)
    if not isinstance(client, Client) or client.erased_at is not None:
        raise NotFoundError
    return client


async def is_erased(session: TenantSession, client_id: UUID) -> bool:
    """Whether a client's data have been erased, as of this moment."""
    return await AccountRepository(session).is_erased(client_id)


async def find_clients(session: TenantSession, client_ids: Collection[UUID]) -> dict[UUID, Client]:
    """Clients by their ids, those that there are: the names of a list in one query."""
    return await AccountRepository(session).find_clients(client_ids)


async def list_clients(
    session: TenantSession,
    *,
    search: str | None = None,
    among: Select[tuple[UUID]] | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[Client], str | None]:
    """A page of clients, newest first; ``among`` those that the caller may know of."""
    return await AccountRepository(session).page_of_clients(search=search, among=among, limit=limit, cursor=cursor)


async def count_clients(session: TenantSession) -> int:
    """How many clients the practice has."""
    return await AccountRepository(session).count_clients()


async def update_client(session: TenantSession, client_id: UUID, changes: dict[str, Any]) -> Client:
    """Change a client's own profile fields. Raises :class:`NotFoundError`, also for someone erased meanwhile."""
    client = await AccountRepository(session).lock_account(AccountKind.CLIENT, client_id)
    if not isinstance(client, Client) or client.erased_at is not None:
        raise NotFoundError
    for name, value in changes.items():
        setattr(client, name, value)
    return client


async def request_verification(session: TenantSession, email: str) -> None:
    """Mail a verification link if the address is an unverified client's; says nothing either way."""
    client = await AccountRepository(session).find_client_by_email(email)
    if client is not None and client.is_active and not client.is_verified:
        await publish(session, CLIENT_VERIFICATION_REQUESTED, {"client_id": str(client.id)})


async def verify_client_email(session: TenantSession, token: str) -> Client:
    """Mark the address of the link's client as verified. Raises ``InvalidOneTimeTokenError``."""
    _row, client = await spend_link(session, AccountKind.CLIENT, token, VERIFICATION)
    assert isinstance(client, Client)  # noqa: S101 - of that kind
    if not client.is_verified:  # a change asked for before did without the word of this address
        await give_up_changes(session, client)
    client.is_verified = True
    await AccountRepository(session).void_one_time_tokens(client.id, VERIFICATION)
    return client


async def request_password_reset(session: TenantSession, email: str) -> None:
    """Mail a reset link if the address is a client's; says nothing either way."""
    client = await AccountRepository(session).find_client_by_email(email)
    if client is not None and client.is_active:
        await publish(session, CLIENT_PASSWORD_FORGOTTEN, {"client_id": str(client.id)})
