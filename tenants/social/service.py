"""A client's identities at providers: adding one, listing, taking away."""

from uuid import UUID

from tenants.accounts.models import Client
from tenants.accounts.services.vouched_clients import lock_client
from tenants.social.errors import (
    AddressUnconfirmedError,
    AlreadyConnectedError,
    IdentityTakenError,
    LastWayInError,
    SignInRefusedError,
)
from tenants.social.events import IDENTITY_CONNECTED
from tenants.social.models import SocialIdentity, SocialProvider
from tenants.social.repository import SocialRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish


async def list_identities(session: TenantSession, client_id: UUID) -> list[SocialIdentity]:
    """By whom a client may sign in, the oldest first."""
    return await SocialRepository(session).list_identities(client_id)


async def get_identity(session: TenantSession, identity_id: UUID) -> SocialIdentity:
    """One by id. Raises :class:`NotFoundError`."""
    identity = await SocialRepository(session).find_identity_by_id(identity_id)
    if identity is None:
        raise NotFoundError
    return identity


async def check_connectable(session: TenantSession, client: Client, provider: SocialProvider) -> None:
    """Whether the client may add an identity at ``provider``.

    Raises :class:`AddressUnconfirmedError` (an identity on an account that somebody else may own would be a
    back door into it), :class:`AlreadyConnectedError`.
    """
    if not client.is_verified:
        raise AddressUnconfirmedError
    if await SocialRepository(session).find_identity_of(client.id, provider) is not None:
        raise AlreadyConnectedError


async def connect_identity(
    session: TenantSession, client_id: UUID, provider: SocialProvider, subject: str, email: str | None
) -> SocialIdentity:
    """Let somebody at a provider sign the client in from now on; the client hears of it by mail. Safe to repeat.

    Raises :class:`IdentityTakenError`, what :func:`check_connectable` does, :class:`SignInRefusedError` for a
    closed account, and ``IntegrityError`` if another request was faster: call it in a savepoint.
    """
    client = await lock_client(session, client_id)
    if client is None or not client.is_active:
        raise SignInRefusedError
    known = await SocialRepository(session).find_identity(provider, subject)
    if known is not None:
        if known.client_id != client_id:
            raise IdentityTakenError
        return known
    await check_connectable(session, client, provider)
    identity = await add_identity(session, client_id, provider, subject, email)
    await publish(session, IDENTITY_CONNECTED, {"identity_id": str(identity.id), "client_id": str(client_id)})
    return identity


async def add_identity(
    session: TenantSession, client_id: UUID, provider: str, subject: str, email: str | None
) -> SocialIdentity:
    """The row of a new identity. Raises ``IntegrityError`` if there is one: call it in a savepoint."""
    now = clock.now()
    identity = SocialIdentity(
        id=new_id(),
        client_id=client_id,
        provider=provider,
        subject=subject,
        email=email,
        created_at=now,
        last_used_at=now,
    )
    SocialRepository(session).add(identity)
    await session.flush()  # the constraint must speak within the savepoint
    return identity


async def disconnect_identity(session: TenantSession, client_id: UUID, identity_id: UUID) -> None:
    """Take an identity away from its client, under the account's lock.

    Raises :class:`NotFoundError`, also for another client's, and :class:`LastWayInError`; a verified address is
    a way in of its own, by mailed links.
    """
    client = await lock_client(session, client_id)
    identities = await SocialRepository(session).list_identities(client_id)
    if client is None or identity_id not in [identity.id for identity in identities]:
        raise NotFoundError
    if len(identities) == 1 and client.hashed_password is None and not client.is_verified:
        raise LastWayInError
    await SocialRepository(session).delete_identity(identity_id)


async def forget_identities(session: TenantSession, client_id: UUID) -> None:
    """Take all of a client's identities away, and what is under way to add one.

    For an address that its owner confirms for the first time (whoever had the account before is out), and for
    an erasure. The caller holds the account's lock.
    """
    await SocialRepository(session).delete_identities(client_id)
