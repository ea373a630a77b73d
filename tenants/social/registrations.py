"""Which registration at a provider serves a practice: its own, or else the platform's."""

from dataclasses import dataclass
from datetime import datetime

from tenants.plans.capabilities import Capability, need
from tenants.social.errors import ProviderNotOfferedError
from tenants.social.models import SocialProvider, SocialProviderAccount
from tenants.social.port import Registration
from tenants.social.repository import SocialRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.encryption import DecryptionError
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import OAuthProviderSettings, Settings

_log = get_logger("tenants.social")


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """A provider as the practice's staff see it. ``source``: whose registration counts, None without any."""

    provider: SocialProvider
    is_offered: bool
    source: str | None
    client_id: str | None
    has_secret: bool
    callback_url: str
    updated_at: datetime | None


def callback_url(settings: Settings, provider: str) -> str:
    """The one address that a registration at the provider must name: providers accept only fixed ones."""
    return settings.platform_url(f"/auth/oauth/{provider}/callback")


def _platforms(settings: Settings, provider: SocialProvider) -> OAuthProviderSettings:
    return settings.providers.google if provider is SocialProvider.GOOGLE else settings.providers.facebook


async def list_offered(session: TenantSession, runtime: Runtime) -> list[SocialProvider]:
    """By whom clients may sign in here."""
    own = await SocialRepository(session).list_accounts()
    return [provider for provider in SocialProvider if _is_offered(runtime.settings, provider, own.get(provider))]


def _is_offered(settings: Settings, provider: SocialProvider, own: SocialProviderAccount | None) -> bool:
    return own.is_enabled if own is not None else _platforms(settings, provider).is_set


async def get_registration(session: TenantSession, runtime: Runtime, provider: SocialProvider) -> Registration:
    """The registration that serves the practice. Raises :class:`ProviderNotOfferedError`."""
    own = await SocialRepository(session).find_account(provider)
    if own is None:
        platforms = _platforms(runtime.settings, provider)
        if not platforms.is_set:
            raise ProviderNotOfferedError
        return Registration(provider, platforms.client_id, platforms.client_secret.get_secret_value())
    if not own.is_enabled:
        raise ProviderNotOfferedError
    try:
        secret = runtime.vault.decrypt(own.client_secret, tenant_key=session.tenant.key)
    except DecryptionError as error:
        _log.error("sign_in_provider_secret_unreadable", provider=provider, practice=session.tenant.key)
        raise ProviderNotOfferedError from error
    return Registration(provider, own.client_id, secret)


async def list_statuses(session: TenantSession, runtime: Runtime) -> list[ProviderStatus]:
    """Every provider, for staff. Secrets never leave."""
    own = await SocialRepository(session).list_accounts()
    return [_status(runtime.settings, provider, own.get(provider)) for provider in SocialProvider]


def _status(settings: Settings, provider: SocialProvider, own: SocialProviderAccount | None) -> ProviderStatus:
    platforms = _platforms(settings, provider)
    source = "practice" if own is not None else "platform" if platforms.is_set else None
    return ProviderStatus(
        provider=provider,
        is_offered=_is_offered(settings, provider, own),
        source=source,
        client_id=(own.client_id or None) if own is not None else None,
        has_secret=own is not None and bool(own.client_id),  # there is none without the other
        callback_url=callback_url(settings, provider),
        updated_at=own.updated_at if own is not None else None,
    )


async def register_provider(
    session: TenantSession,
    runtime: Runtime,
    provider: SocialProvider,
    *,
    client_id: str,
    client_secret: str | None,
    is_enabled: bool,
) -> ProviderStatus:
    """Use the practice's own registration from now on; without a secret the one that is there stays.

    A disabled one turns the provider off here, the platform's registration too, and needs no credentials.
    Raises :class:`InvalidInputError` for an enabled one without an id, and for an id without a secret;
    ``PracticePastDueError`` or ``NotInPlanError`` for a first one, by the practice's plan (one that is there can be
    changed and turned off in any case).
    """
    social = SocialRepository(session)
    row = await social.find_account(provider, for_update=True)
    is_kept = row is not None and row.client_id == client_id and not client_secret
    if not client_id and (is_enabled or client_secret):
        raise InvalidInputError(["body", "client_id"], "is needed to turn the provider on", "missing")
    if client_id and not client_secret and not is_kept:
        raise InvalidInputError(["body", "client_secret"], "is needed with a new client id", "missing")
    if row is None:
        if client_id:
            need(session.tenant, Capability.OWN_SIGN_IN_PROVIDERS)
        row = SocialProviderAccount(provider=provider)
        social.add(row)
    if not is_kept:
        row.client_secret = runtime.vault.encrypt(client_secret or "", tenant_key=session.tenant.key)
    row.client_id, row.is_enabled = client_id, is_enabled
    row.updated_at = clock.now()
    return _status(runtime.settings, provider, row)


async def forget_provider(session: TenantSession, provider: SocialProvider) -> None:
    """Go back to the platform's registration, if there is one. Raises :class:`NotFoundError`."""
    if not await SocialRepository(session).delete_account(provider):
        raise NotFoundError
