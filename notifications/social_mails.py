"""The mails about signing in by Google or Facebook, and what makes them go out."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from notifications.account_mails import RESET_PATH, SIGN_IN_PATH
from notifications.recipients import Recipient
from notifications.service import ComposedMail, Notice, announce, register_composer
from tenants.accounts.models import AccountKind
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.links import PASSWORD_RESET, RESET_LIFETIME, renew_one_time_token
from tenants.social.models import SocialProvider
from tenants.social.service import get_identity
from tenants.social.sign_ups import SIGN_UP_LIFETIME, renew_code
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

SOCIAL_CODE = "social_code"
SOCIAL_ADDRESS_TAKEN = "social_address_taken"
SOCIAL_IDENTITY_CONNECTED = "social_identity_connected"
SOCIAL_ACCOUNT_UNCONFIRMED = "social_account_unconfirmed"

CONNECTIONS_PATH = "/account/connections"
PROVIDER_NAMES = {SocialProvider.GOOGLE: "Google", SocialProvider.FACEBOOK: "Facebook"}


async def _reset(session: TenantSession, runtime: Runtime, notice: Notice) -> dict[str, Any]:
    token = await renew_one_time_token(session, PASSWORD_RESET, AccountKind.CLIENT, notice.subject_id, RESET_LIFETIME)
    url = runtime.settings.practice_url(session.tenant.slug, f"{RESET_PATH}?token={quote(token)}")
    return {"reset_url": url, "valid_hours": int(RESET_LIFETIME.total_seconds() // 3600)}


async def compose_code(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """The code that shows whose the address is; made now, so it travels in no queue.

    Nothing if the sign-up is over, or waits at another address meanwhile.
    """
    code = await renew_code(session, runtime.signer, notice.subject_id, notice.reader.address)
    if code is None:
        return None
    minutes = int(SIGN_UP_LIFETIME.total_seconds() // 60)
    return ComposedMail({"code": f"{code[:4]} {code[4:]}", "valid_minutes": minutes})


async def compose_address_taken(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """To the owner of an address that somebody gave when signing up by a provider: they have an account."""
    slug = session.tenant.slug
    return ComposedMail(
        {
            "sign_in_url": runtime.settings.practice_url(slug, f"{SIGN_IN_PATH}?next={quote(CONNECTIONS_PATH, '')}"),
            **await _reset(session, runtime, notice),
        }
    )


async def compose_identity_connected(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To someone whose account has a new way in; nothing if it has been taken away meanwhile."""
    try:
        identity = await get_identity(session, notice.subject_id)
    except NotFoundError:
        return None
    return ComposedMail(
        {
            "provider": PROVIDER_NAMES[SocialProvider(identity.provider)],
            "connections_url": runtime.settings.practice_url(session.tenant.slug, CONNECTIONS_PATH),
        }
    )


async def compose_account_unconfirmed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """The link by which an address's owner takes over the account that was opened with it and never confirmed."""
    client = await get_client(session, notice.subject_id)
    if client.is_verified:
        return None
    return ComposedMail(await _reset(session, runtime, notice))


def register_social_mails() -> None:
    """Register the composers of this module; called at start-up."""
    register_composer(SOCIAL_CODE, compose_code)
    register_composer(SOCIAL_ADDRESS_TAKEN, compose_address_taken)
    register_composer(SOCIAL_IDENTITY_CONNECTED, compose_identity_connected)
    register_composer(SOCIAL_ACCOUNT_UNCONFIRMED, compose_account_unconfirmed)


async def _tell(context: TenantEventContext, kind: str, subject_id: UUID, recipient: Recipient) -> None:
    async with context.runtime.database.tenant(context.tenant) as session:
        await announce(session, kind, subject_id=subject_id, version=str(context.event_id), recipients=[recipient])


async def on_code_requested(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Send a code to the address of somebody new."""
    sign_up_id = UUID(payload["sign_up_id"])
    await _tell(context, SOCIAL_CODE, sign_up_id, Recipient.sign_up(sign_up_id))


async def on_address_taken(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the owner of an address that it has an account already."""
    client_id = UUID(payload["client_id"])
    await _tell(context, SOCIAL_ADDRESS_TAKEN, client_id, Recipient.client(client_id))


async def on_identity_connected(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell a client of the new way into their account."""
    identity_id, client_id = UUID(payload["identity_id"]), UUID(payload["client_id"])
    await _tell(context, SOCIAL_IDENTITY_CONNECTED, identity_id, Recipient.client(client_id))


async def on_account_unconfirmed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Offer the account to whoever reads its address's mail."""
    client_id = UUID(payload["client_id"])
    await _tell(context, SOCIAL_ACCOUNT_UNCONFIRMED, client_id, Recipient.client(client_id))
