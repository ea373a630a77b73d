"""Consent to the practice's privacy policy: by version and time (GDPR, art. 7.1)."""

from dataclasses import dataclass
from uuid import UUID

from tenants.accounts.repository import AccountRepository
from tenants.privacy.errors import OutdatedVersionError
from tenants.privacy.models import Consent
from tenants.privacy.repository import PrivacyRepository
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id

PRIVACY = "privacy"
"""The one document that is agreed to."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The practice's privacy policy as it is now; without a ``url`` the practice hands it out by other means."""

    version: str
    url: str | None


async def get_policy(session: TenantSession) -> Policy:
    """The version that is in force."""
    settings = await get_practice_settings(session)
    return Policy(settings.privacy_policy_version, settings.privacy_policy_url)


async def record_consent(session: TenantSession, client_id: UUID, *, locale: str) -> Consent:
    """Note that a client agreed to the policy as it is now; agreeing twice to one version is one consent.

    ``locale``: the language in which they were asked. The client's row must be written already.
    """
    privacy, policy = PrivacyRepository(session), await get_policy(session)
    earlier = await privacy.find_consent(client_id, PRIVACY, policy.version)
    if earlier is not None:
        return earlier
    consent = Consent(
        id=new_id(),
        client_id=client_id,
        document=PRIVACY,
        version=policy.version,
        locale=locale,
        accepted_at=clock.now(),
    )
    privacy.add(consent)
    return consent


async def accept_version(session: TenantSession, client_id: UUID, version: str, *, locale: str) -> Consent:
    """The same for a version that the client names. Raises :class:`OutdatedVersionError` if it is another one.

    Raises ``NotFoundError`` for someone who was erased meanwhile.
    """
    client = await AccountRepository(session).hold_client(client_id)
    if client is None or client.erased_at is not None:
        raise NotFoundError
    policy = await get_policy(session)
    if version != policy.version:
        raise OutdatedVersionError(version=policy.version)
    return await record_consent(session, client_id, locale=locale)


async def list_consents(session: TenantSession, client_id: UUID) -> list[Consent]:
    """What a client agreed to, newest first."""
    return await PrivacyRepository(session).list_consents(client_id)


async def find_unaccepted_policy(session: TenantSession, client_id: UUID) -> Policy | None:
    """The policy in force, if the client has not agreed to it yet; None if they have."""
    policy = await get_policy(session)
    has_agreed = await PrivacyRepository(session).has_consent(client_id, PRIVACY, policy.version)
    return None if has_agreed else policy
