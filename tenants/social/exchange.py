"""From a handoff to a sign-in: who somebody at a provider is in this practice.

The identity is (provider, subject), never the e-mail. An address only counts for somebody unknown, and only where
the provider vouches for it and the account with it has verified it (docs: ``social-sign-in.md``).
"""

import hmac
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from tenants.accounts.models import AccountKind
from tenants.accounts.services import vouched_clients
from tenants.accounts.services.sign_ins import ClientSignIn, check_still_signed_in
from tenants.social import service
from tenants.social.errors import (
    AccountUnconfirmedError,
    InvalidHandoffError,
    OAuthBrowserMismatchError,
    SignInRefusedError,
)
from tenants.social.events import SOCIAL_ACCOUNT_UNCONFIRMED
from tenants.social.models import SocialHandoff, SocialIdentity, SocialProvider
from tenants.social.recognition import Recognised, recognise
from tenants.social.repository import SocialRepository
from tenants.social.sign_ups import begin_sign_up
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotAuthenticatedError, ServiceUnavailableError
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.security.sign_ins import SignInMethod
from todoenbalance.kit.security.tokens import hash_opaque_token
from todoenbalance.kit.settings import AuthSettings

_ATTEMPTS = 3
"""Each one that fails was overtaken by another request for the same person: two clicks at once, not more."""


@dataclass(frozen=True, slots=True)
class AddressWanted:
    """Somebody new whose address nobody vouches for. ``suggested_email``: what the provider says it is."""

    signup_token: str
    suggested_email: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The identity was added to the account of the client who asked for it."""

    identity: SocialIdentity


Outcome = Recognised | AddressWanted | Connected


async def redeem_handoff(
    session: TenantSession,
    auth: AuthSettings,
    handoff: str,
    browser_secret: str | None,
    *,
    caller: ClientSignIn | None,
) -> Outcome:
    """Spend a handoff. ``caller``: the client who is signed in, if anyone; only connecting needs one.

    Raises :class:`InvalidHandoffError`, :class:`OAuthBrowserMismatchError`, :class:`SignInRefusedError`,
    :class:`AccountUnconfirmedError`, ``AlreadyConnectedError``; when connecting ``IdentityTakenError``,
    ``AddressUnconfirmedError``, and :class:`NotAuthenticatedError` unless it is the caller who began it.
    """
    row = await SocialRepository(session).spend_handoff(handoff)
    if row is None:
        raise InvalidHandoffError
    if not hmac.compare_digest(hash_opaque_token(browser_secret or "").encode(), row.browser_hash.encode()):
        raise OAuthBrowserMismatchError
    if row.link_client_id is not None:
        await _check_caller(session, auth, row.link_client_id, caller)
    for _ in range(_ATTEMPTS):
        try:
            outcome = await _resolve(session, row)
        except IntegrityError:  # of a savepoint: another request was faster, and is found now
            continue
        if outcome is not None:
            return outcome
    raise ServiceUnavailableError


async def _check_caller(
    session: TenantSession, auth: AuthSettings, client_id: UUID, caller: ClientSignIn | None
) -> None:
    """Whoever began to connect still is signed in, also once we hold the account's lock: a sign-in that somebody
    is ending right now must not leave a way back in."""
    if caller is None or caller.account.id != client_id:
        raise NotAuthenticatedError
    await vouched_clients.lock_client(session, client_id)
    await check_still_signed_in(session, auth, AccountKind.CLIENT, caller.sign_in.id)


async def _resolve(session: TenantSession, row: SocialHandoff) -> Outcome | None:
    """One attempt; None if what it rested on changed meanwhile."""
    provider = SocialProvider(row.provider)
    if row.link_client_id is not None:
        async with session.begin_nested():
            return Connected(
                await service.connect_identity(session, row.link_client_id, provider, row.subject, row.email)
            )
    known = await recognise(session, provider, row.subject, row.email)
    if known is not None:
        return known
    if row.email is None or not row.is_email_vouched:
        return AddressWanted(begin_sign_up(session, row), row.email)
    existing = await vouched_clients.find_by_email(session, row.email)
    if existing is not None:
        return await _join(session, existing.id, row, row.email)
    async with session.begin_nested():
        client = await vouched_clients.open_account(
            session, email=row.email, first_name=row.first_name, last_name=row.last_name, locale=row.locale
        )
        await service.add_identity(session, client.id, provider, row.subject, row.email)
    return Recognised(client, SignInMethod(provider))


async def _join(session: TenantSession, client_id: UUID, row: SocialHandoff, email: str) -> Recognised | None:
    """Join the identity to the account that has verified the same address; one that has not is not touched."""
    client = await vouched_clients.lock_client(session, client_id)
    if client is None or client.email.lower() != email:
        return None
    if not client.is_active:
        raise SignInRefusedError
    if not client.is_verified:
        await publish(session, SOCIAL_ACCOUNT_UNCONFIRMED, {"client_id": str(client.id)})
        raise AccountUnconfirmedError
    provider = SocialProvider(row.provider)
    async with session.begin_nested():
        await service.connect_identity(session, client.id, provider, row.subject, email)
    return Recognised(client, SignInMethod(provider))
