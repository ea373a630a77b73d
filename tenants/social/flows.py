"""The way to a provider and back to the platform's one callback address.

Nothing here holds two connections, or one while a provider is asked: each step opens its own short transaction.
"""

import secrets
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from tenants.registry.errors import PracticeNotFoundError, PracticeSuspendedError
from tenants.registry.models import TenantStatus
from tenants.registry.service import TenantDirectory
from tenants.social.errors import InvalidStateError, ProviderNotOfferedError
from tenants.social.models import OAuthFlow, SocialHandoff, SocialProvider
from tenants.social.port import Profile, ProviderError, ProviderMisconfiguredError
from tenants.social.providers import make_provider
from tenants.social.registrations import callback_url, get_registration
from tenants.social.repository import FlowRepository, SocialRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.encryption import DecryptionError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import InvalidTokenError, hash_opaque_token, new_opaque_token
from todoenbalance.kit.tenancy import TenantContext

STATE_AUDIENCE = "oauth-state"
FLOW_LIFETIME = timedelta(minutes=10)
HANDOFF_LIFETIME = timedelta(minutes=1)

DENIED, UNAVAILABLE = "denied", "unavailable"
"""What the practice's page is told as ``social`` when there is no handoff."""

_log = get_logger("tenants.social")


async def begin_flow(
    runtime: Runtime,
    tenant: TenantContext,
    provider: SocialProvider,
    *,
    hostname: str,
    return_to: str,
    locale: str,
    browser_secret: str,
    link_client_id: UUID | None = None,
) -> str:
    """Remember a sign-in that is about to leave, and answer where to send the browser.

    ``return_to`` must have been checked to be a path on the host. The caller holds no connection.
    Raises :class:`ProviderNotOfferedError`.
    """
    async with runtime.database.tenant(tenant) as session:
        registration = await get_registration(session, runtime, provider)
    port = make_provider(registration, runtime.settings.providers)
    nonce = secrets.token_urlsafe(32)
    verifier = secrets.token_urlsafe(48) if port.uses_pkce else ""
    now = clock.now()
    flow = OAuthFlow(
        id=new_id(),
        provider=provider,
        tenant_key=tenant.key,
        hostname=hostname,
        return_to=return_to,
        locale=locale,
        verifier=runtime.vault.encrypt(verifier, tenant_key=tenant.key).encode() if verifier else b"",
        nonce=nonce,
        browser_hash=hash_opaque_token(browser_secret),
        link_client_id=link_client_id,
        created_at=now,
        expires_at=now + FLOW_LIFETIME,
    )
    async with runtime.database.platform() as platform:
        FlowRepository(platform).add(flow)
    state = runtime.signer.issue(flow.id, STATE_AUDIENCE, FLOW_LIFETIME, provider=str(provider))
    redirect_uri = callback_url(runtime.settings, provider)
    return await port.authorization_url(redirect_uri, state=state, nonce=nonce, verifier=verifier)


async def finish_flow(
    runtime: Runtime,
    directory: TenantDirectory,
    provider: SocialProvider,
    *,
    state: str,
    code: str | None,
    error: str | None,
) -> str:
    """Where the browser goes after it came back: the practice's page, with a handoff or with what went wrong.

    The state is checked, and spent, before the code is exchanged. Raises :class:`InvalidStateError`, and the
    errors of a host that serves no more.
    """
    flow = await _spend(runtime, provider, state)
    tenant = await _practice_of(directory, flow)
    if code and not error:
        try:
            profile = await _ask(runtime, tenant, flow, code)
        except (ProviderError, ProviderNotOfferedError, DecryptionError) as failure:
            _tell(failure, flow)
        else:
            async with runtime.database.tenant(tenant) as session:
                handoff = _hand_over(session, flow, profile)
            return _way_back(runtime, flow, "handoff", handoff)
    return _way_back(runtime, flow, "social", DENIED if error == "access_denied" else UNAVAILABLE)


async def _spend(runtime: Runtime, provider: SocialProvider, state: str) -> OAuthFlow:
    try:
        claims = runtime.signer.verify(state, STATE_AUDIENCE)
    except InvalidTokenError as error:
        raise InvalidStateError from error
    if claims.extra.get("provider") != provider:
        raise InvalidStateError
    async with runtime.database.platform() as session:
        flow = await FlowRepository(session).spend(claims.subject, provider)
    if flow is None:
        raise InvalidStateError
    return flow


async def _practice_of(directory: TenantDirectory, flow: OAuthFlow) -> TenantContext:
    """The practice, if the host that the browser came from still is its own, and open."""
    tenant = await directory.find_by_host(flow.hostname)
    if tenant is None or tenant.key != flow.tenant_key:
        raise PracticeNotFoundError
    if tenant.status != TenantStatus.ACTIVE:
        raise PracticeSuspendedError
    return tenant


async def _ask(runtime: Runtime, tenant: TenantContext, flow: OAuthFlow, code: str) -> Profile:
    async with runtime.database.tenant(tenant) as session:
        registration = await get_registration(session, runtime, SocialProvider(flow.provider))
    verifier = runtime.vault.decrypt(flow.verifier.decode(), tenant_key=flow.tenant_key) if flow.verifier else ""
    port = make_provider(registration, runtime.settings.providers)
    redirect_uri = callback_url(runtime.settings, flow.provider)
    return await port.fetch_profile(code, redirect_uri, nonce=flow.nonce, verifier=verifier)


def _tell(failure: Exception, flow: OAuthFlow) -> None:
    """To whoever runs this: a wrong registration needs somebody, the rest is to be expected."""
    say = _log.error if isinstance(failure, ProviderMisconfiguredError) else _log.warning
    kind, practice = type(failure).__name__, flow.tenant_key
    say("social_sign_in_failed", provider=flow.provider, practice=practice, kind=kind, reason=str(failure))


def _hand_over(session: TenantSession, flow: OAuthFlow, profile: Profile) -> str:
    """Leave what was found out for the practice's own host to pick up, and answer the code for it."""
    token, now = new_opaque_token(), clock.now()
    SocialRepository(session).add(
        SocialHandoff(
            id=new_id(),
            token_hash=hash_opaque_token(token),
            browser_hash=flow.browser_hash,
            provider=flow.provider,
            subject=profile.subject,
            email=profile.email,
            is_email_vouched=profile.is_email_vouched,
            first_name=profile.first_name,
            last_name=profile.last_name,
            locale=flow.locale,
            link_client_id=flow.link_client_id,
            created_at=now,
            expires_at=now + HANDOFF_LIFETIME,
        )
    )
    return token


def _way_back(runtime: Runtime, flow: OAuthFlow, name: str, value: str) -> str:
    """``return_to`` on the host that the browser came from, with one parameter more."""
    parts = urlsplit(flow.return_to)
    given = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in ("handoff", "social")]
    query = urlencode([*given, (name, value)])
    return runtime.settings.url_for_host(flow.hostname, urlunsplit(("", "", parts.path, query, parts.fragment)))
