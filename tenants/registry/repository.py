"""Every query of the registry."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, or_, select

from tenants.registry.models import Domain, Tenant
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.pagination import paginate


class TenantRepository:
    """Practices in the shared schema."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    def add(self, tenant: Tenant) -> None:
        """Insert with the next flush."""
        self._session.add(tenant)

    async def find(self, tenant_id: UUID, *, for_update: bool = False) -> Tenant | None:
        """By id, or None."""
        return await self._session.get(Tenant, tenant_id, with_for_update=for_update)

    async def find_by_key_or_slug(self, name: str) -> Tenant | None:
        """By immutable key or current slug; the two can't collide, a slug has no underscore."""
        return (
            await self._session.scalars(select(Tenant).where(or_(Tenant.key == name, Tenant.slug == name)))
        ).one_or_none()

    async def list_by_key(self, keys: Collection[str]) -> list[Tenant]:
        """Those of these keys that there are."""
        return list((await self._session.scalars(select(Tenant).where(Tenant.key.in_(keys)))).all())

    async def find_by_domain(self, hostname: str) -> Tenant | None:
        """By a verified custom host, or None."""
        statement = (
            select(Tenant)
            .join(Domain, Domain.tenant_id == Tenant.id)
            .where(Domain.hostname == hostname, Domain.verified_at.is_not(None))
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def slug_is_taken(self, slug: str) -> bool:
        """Whether a practice, also a closed one, holds the slug."""
        return (await self._session.scalar(select(Tenant.id).where(Tenant.slug == slug))) is not None

    async def page(self, *, limit: int, cursor: str | None) -> tuple[list[Tenant], str | None]:
        """Practices, newest first."""
        return await paginate(self._session, select(Tenant), [Tenant.id], limit=limit, cursor=cursor, descending=True)

    async def names_of(self, tenant_ids: Collection[UUID]) -> dict[UUID, str]:
        """By id."""
        rows = await self._session.execute(select(Tenant.id, Tenant.name).where(Tenant.id.in_(tenant_ids)))
        return {row.id: row.name for row in rows}

    async def domains_of(self, tenant_ids: list[UUID]) -> dict[UUID, list[str]]:
        """Verified custom hosts of each practice."""
        rows = await self._session.execute(
            select(Domain.tenant_id, Domain.hostname)
            .where(Domain.tenant_id.in_(tenant_ids), Domain.verified_at.is_not(None))
            .order_by(Domain.hostname)
        )
        found: dict[UUID, list[str]] = {tenant_id: [] for tenant_id in tenant_ids}
        for tenant_id, hostname in rows:
            found[tenant_id].append(hostname)
        return found

    async def count_behind(self, newest: str) -> int:
        """Practices whose recorded revision is another one."""
        statement = select(func.count()).select_from(Tenant).where(Tenant.schema_revision.is_distinct_from(newest))
        return (await self._session.scalar(statement)) or 0
