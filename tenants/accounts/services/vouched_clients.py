"""Clients whose address somebody else has vouched for (a provider, a mailed code), and who need no password."""

from uuid import UUID

from tenants.accounts.events import CLIENT_REGISTERED
from tenants.accounts.models import AccountKind, Client
from tenants.accounts.repository import AccountRepository
from tenants.privacy.service import record_consent
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish


async def find_by_email(session: TenantSession, email: str) -> Client | None:
    """The client with this address, verified or not, or None."""
    return await AccountRepository(session).find_client_by_email(email)


async def lock_client(session: TenantSession, client_id: UUID) -> Client | None:
    """The client's row, locked and fresh, or None: before a sign-in is made or a way in is added or taken away."""
    account = await AccountRepository(session).lock_account(AccountKind.CLIENT, client_id)
    return account if isinstance(account, Client) else None


async def open_account(session: TenantSession, *, email: str, first_name: str, last_name: str, locale: str) -> Client:
    """A new client without a password, whose address is verified and who agrees to the privacy policy.

    Without any name the part of the address before the ``@`` stands in for it. Raises
    ``sqlalchemy.exc.IntegrityError`` if the address was taken meanwhile: call it in a savepoint.
    """
    now = clock.now()
    client = Client(
        id=new_id(),
        email=email,
        hashed_password=None,
        is_active=True,
        is_verified=True,
        first_name=first_name or ("" if last_name else email.partition("@")[0][:100]),
        last_name=last_name,
        phone=None,
        locale=locale,
        timezone=session.tenant.timezone,
        privacy_accepted_at=now,
        created_at=now,
    )
    AccountRepository(session).add(client)
    await session.flush()  # the consent, the identity and the sign-in refer to it
    await record_consent(session, client.id, locale=locale)
    await publish(session, CLIENT_REGISTERED, {"client_id": str(client.id)})
    return client
