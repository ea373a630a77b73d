"""Signing clients in by a mailed link, without a password."""

from tenants.accounts.events import CLIENT_MAGIC_LINK_REQUESTED
from tenants.accounts.models import AccountKind, Client
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services.address_proof import prove_address
from tenants.accounts.services.links import MAGIC_LINK, MAGIC_LINK_LIFETIME, renew_one_time_token, spend_link
from tenants.accounts.services.lockouts import lift_lock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime


async def request_magic_link(session: TenantSession, email: str, *, return_to: str = "") -> None:
    """Mail a link if the address is a client's; says nothing either way. ``return_to``: a path of this host."""
    client = await AccountRepository(session).find_client_by_email(email)
    if client is not None and client.is_active:
        payload = {"client_id": str(client.id), "return_to": return_to}
        await publish(session, CLIENT_MAGIC_LINK_REQUESTED, payload)


async def renew_magic_link(session: TenantSession, client: Client) -> str:
    """The token of a link that is about to be mailed; earlier ones are void, so only the newest mail works."""
    await AccountRepository(session).void_one_time_tokens(client.id, MAGIC_LINK)
    return await renew_one_time_token(session, MAGIC_LINK, AccountKind.CLIENT, client.id, MAGIC_LINK_LIFETIME)


async def redeem_magic_link(session: TenantSession, runtime: Runtime, token: str) -> Client:
    """The client of a link, which is spent by it, locked. Raises ``InvalidOneTimeTokenError``."""
    _row, client = await spend_link(session, AccountKind.CLIENT, token, MAGIC_LINK)
    assert isinstance(client, Client)  # noqa: S101 - of that kind
    await prove_address(session, client)
    await lift_lock(session, runtime, client)
    return client
