"""Everything stored about a person, as one JSON document (GDPR, art. 15 and 20)."""

from uuid import UUID

from tenants.accounts.repository import AccountRepository
from tenants.privacy.erasure import find_person
from tenants.privacy.port import Json, personal_data_sources
from tenants.privacy.service import get_policy
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError

FORMAT = 1
"""Rises when the shape of the document changes."""


async def export_client(session: TenantSession, client_id: UUID) -> Json:
    """The document of one client. Raises :class:`NotFoundError`, also for someone whose data were erased."""
    client = await AccountRepository(session).find_client(client_id)
    if client is None or client.erased_at is not None:
        raise NotFoundError
    person = await find_person(session, client)
    tenant, policy = session.tenant, await get_policy(session)
    return {
        "about": {
            "practice": {"name": tenant.name, "slug": tenant.slug, "country": tenant.country},
            "client_id": str(client.id),
            "exported_at": clock.now().isoformat(),
            "format": FORMAT,
            "privacy_policy": {"version": policy.version, "url": policy.url},
        },
        "data": {source.name: await source.export(session, person) for source in personal_data_sources()},
    }
