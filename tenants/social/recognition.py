"""Whom a known identity signs in."""

from dataclasses import dataclass

from tenants.accounts.models import Client
from tenants.accounts.services.vouched_clients import lock_client
from tenants.social.errors import SignInRefusedError
from tenants.social.models import SocialProvider
from tenants.social.repository import SocialRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.security.sign_ins import SignInMethod


@dataclass(frozen=True, slots=True)
class Recognised:
    """A client, locked: sign them in by ``method``."""

    client: Client
    method: SignInMethod


async def recognise(
    session: TenantSession, provider: SocialProvider, subject: str, email: str | None
) -> Recognised | None:
    """The client whose identity this is, whatever its address has become; None if it is nobody's.

    Raises :class:`SignInRefusedError` for a closed account.
    """
    social = SocialRepository(session)
    known = await social.find_identity(provider, subject)
    if known is None:
        return None
    client = await lock_client(session, known.client_id)
    identity = await social.find_identity(provider, subject)  # may have been taken away before we had the lock
    if client is None or identity is None or identity.client_id != client.id:
        return None
    if not client.is_active:
        raise SignInRefusedError
    identity.last_used_at, identity.email = clock.now(), email
    return Recognised(client, SignInMethod(provider))
