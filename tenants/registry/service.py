"""From a host name to a practice, and what operators do with practices."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import psycopg

from tenants.plans.service import assign_plan, find_terms
from tenants.registry.errors import PracticeNotFoundError, SlugTakenError, TenantStateError
from tenants.registry.models import Tenant, TenantStatus
from tenants.registry.repository import TenantRepository
from todoenbalance.kit.database import Database, PlatformSession, libpq_url
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

_HOSTNAME = re.compile(r"^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")
_NAME = re.compile(r"[a-z0-9_-]{1,63}")
_CHANNEL = "tenants_changed"
_log = get_logger("tenants.registry")


def to_context(tenant: Tenant, hostname: str = "", terms: Mapping[str, Any] | None = None) -> TenantContext:
    """The immutable value that travels with a request or task.

    ``terms``: what the practice's plan says (``tenants.plans``). Without them no fee is taken and nothing withheld, so
    whoever serves a practice looks it up by :class:`TenantDirectory`.
    """
    return TenantContext(
        id=tenant.id,
        key=tenant.key,
        slug=tenant.slug,
        name=tenant.name,
        status=tenant.status,
        country=tenant.country,
        timezone=tenant.timezone,
        locale=tenant.locale,
        currency=tenant.currency,
        hostname=hostname,
        plan=tenant.plan,
        **(terms or {}),
    )


async def load_context(session: PlatformSession, tenant: Tenant, hostname: str = "") -> TenantContext:
    """The same with what its plan says."""
    return to_context(tenant, hostname, await find_terms(session, tenant))


class TenantDirectory:
    """Finds practices by host or name, from a cache that other processes' changes invalidate.

    A trigger announces every committed change of the registry (NOTIFY); while :meth:`listening` holds its
    connection the cache is trusted for ``tenant_cache_seconds`` at most, and not at all when the
    connection is lost.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._base_domain = settings.base_domain
        self._lifetime = settings.tenant_cache_seconds
        self._listen_url = (settings.database_listen_url or settings.database_url).get_secret_value()
        self._cache: dict[str, tuple[float, TenantContext | None]] = {}
        self._generation = 0
        self._listening = False

    async def find_by_host(self, hostname: str) -> TenantContext | None:
        """The practice of a host (lower case, no port), whatever its status, or None."""
        if not _HOSTNAME.fullmatch(hostname):  # nothing that anybody may make up is remembered
            return None
        return await self._cached(f"host:{hostname}", hostname)

    async def find_by_name(self, name: str) -> TenantContext | None:
        """The practice of an immutable key or a current slug, or None."""
        if not _NAME.fullmatch(name):
            return None
        return await self._cached(f"name:{name}", None, name)

    async def get_by_key(self, key: str) -> TenantContext:
        """The practice of a key. Raises :class:`PracticeNotFoundError`."""
        tenant = await self.find_by_name(key)
        if tenant is None or tenant.key != key:
            raise PracticeNotFoundError
        return tenant

    def forget(self) -> None:
        """Drop everything cached; the next look-up asks the database."""
        self._generation += 1
        self._cache.clear()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Trust the cache within the block, as long as the database can announce changes."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _cached(self, cache_key: str, hostname: str | None, name: str = "") -> TenantContext | None:
        hit = self._cache.get(cache_key)
        if hit is not None and hit[0] > time.monotonic():
            return hit[1]
        generation = self._generation
        context = await self._look_up(hostname, name)
        # An announcement that came while we were asking makes the answer one that must not be kept.
        if self._listening and generation == self._generation and self._lifetime > 0:
            if len(self._cache) > 50_000:
                self._cache.clear()
            self._cache[cache_key] = (time.monotonic() + self._lifetime, context)
        return context

    async def _look_up(self, hostname: str | None, name: str) -> TenantContext | None:
        async with self._database.platform() as session:
            tenants = TenantRepository(session)
            if hostname is None:
                tenant = await tenants.find_by_key_or_slug(name)
                return await load_context(session, tenant, f"{tenant.slug}.{self._base_domain}") if tenant else None
            if hostname.endswith(f".{self._base_domain}"):
                slug = hostname.removesuffix(f".{self._base_domain}")
                tenant = None if "." in slug else await tenants.find_by_key_or_slug(slug)
            else:
                tenant = await tenants.find_by_domain(hostname)
            return await load_context(session, tenant, hostname) if tenant else None

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    libpq_url(self._listen_url), autocommit=True, application_name="todoenbalance-listen"
                ) as conn:
                    await conn.execute(f"LISTEN {_CHANNEL}")
                    self.forget()
                    self._listening = True
                    async for _ in conn.notifies():
                        self.forget()
            except (psycopg.Error, OSError) as error:
                _log.warning("listening_lost", error=type(error).__name__)
            finally:
                self._listening = False
                self.forget()
            await asyncio.sleep(1)


async def get_tenant(session: PlatformSession, tenant_id: UUID, *, for_update: bool = False) -> Tenant:
    """A practice by id. Raises :class:`NotFoundError`."""
    tenant = await TenantRepository(session).find(tenant_id, for_update=for_update)
    if tenant is None:
        raise NotFoundError
    return tenant


async def find_tenant_by_name(session: PlatformSession, name: str) -> Tenant:
    """A practice by key or slug, for the command line. Raises :class:`PracticeNotFoundError`."""
    tenant = await TenantRepository(session).find_by_key_or_slug(name)
    if tenant is None:
        raise PracticeNotFoundError
    return tenant


async def list_tenants(
    session: PlatformSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[Tenant], str | None]:
    """A page of practices, newest first."""
    return await TenantRepository(session).page(limit=limit, cursor=cursor)


async def names_of(session: PlatformSession, tenant_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of these practices."""
    return await TenantRepository(session).names_of(tenant_ids)


async def tenants_by_key(session: PlatformSession, keys: Collection[str]) -> dict[str, Tenant]:
    """The practices of these keys; those that are gone are left out."""
    return {tenant.key: tenant for tenant in await TenantRepository(session).list_by_key(keys)} if keys else {}


async def domains_by_tenant(session: PlatformSession, tenants: list[Tenant]) -> dict[UUID, list[str]]:
    """Verified custom hosts of each of these practices."""
    return await TenantRepository(session).domains_of([tenant.id for tenant in tenants])


async def suspend_tenant(session: PlatformSession, tenant_id: UUID, reason: str) -> Tenant:
    """Stop serving a practice. Suspending a suspended one changes the reason only.

    Raises :class:`NotFoundError`, :class:`TenantStateError` for a practice that is closing.
    """
    tenant = await get_tenant(session, tenant_id, for_update=True)
    if tenant.status == TenantStatus.CLOSING:
        raise TenantStateError(status=tenant.status)
    tenant.status, tenant.status_reason = TenantStatus.SUSPENDED, reason
    return tenant


async def reactivate_tenant(session: PlatformSession, tenant_id: UUID, reason: str) -> Tenant:
    """Serve a suspended practice again.

    Raises :class:`NotFoundError`, :class:`TenantStateError` for a practice that is closing.
    """
    tenant = await get_tenant(session, tenant_id, for_update=True)
    if tenant.status not in (TenantStatus.SUSPENDED, TenantStatus.ACTIVE):
        raise TenantStateError(status=tenant.status)
    tenant.status, tenant.status_reason = TenantStatus.ACTIVE, reason
    return tenant


async def change_tenant(
    session: PlatformSession,
    tenant_id: UUID,
    *,
    slug: str | None = None,
    name: str | None = None,
    plan: str | None = None,
    operator_id: UUID | None = None,
) -> Tenant:
    """Rename a practice or change its plan; the key, and with it every provider's webhook address, stays.

    The slug must have been checked. Raises :class:`NotFoundError`, :class:`SlugTakenError`, and
    ``InvalidInputError`` for a plan that is not offered.
    """
    tenant = await get_tenant(session, tenant_id, for_update=True)
    if slug is not None and slug != tenant.slug:
        if await TenantRepository(session).slug_is_taken(slug):
            raise SlugTakenError(slug=slug)
        tenant.slug = slug
    if name is not None:
        tenant.name = name
    if plan is not None:
        await assign_plan(session, tenant, plan, by_kind="operator", by_id=operator_id)
    return tenant


async def count_behind(session: PlatformSession, newest: str) -> int:
    """How many practices are not at the newest revision of their schema."""
    return await TenantRepository(session).count_behind(newest)
