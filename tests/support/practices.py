"""Databases and practices for tests: the real migrations, the real provisioning."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import update

from tenants.accounts.models import AccountKind, Client, Staff, StaffRole
from tenants.accounts.services.sign_ins import audience, authenticate_staff, start_session
from tenants.accounts.services.staff_accounts import make_staff
from tenants.privacy.service import record_consent
from tenants.provisioning.service import NewOwner, NewTenant, provision_tenant
from tenants.registry.service import to_context
from tenants.settings.models import PracticeSettings
from tests.support.practice_pool import Kind, PracticePool
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.passwords import hash_password
from todoenbalance.kit.tenancy import TenantContext

PASSWORD = "correct horse battery"
_hashed: list[str] = []
_pools: list[PracticePool] = []


def use_pool(pool: PracticePool) -> None:
    """From now on take practices of its database from ``pool``."""
    _pools.append(pool)


def _pool_for(runtime: Runtime, slug: str | None) -> PracticePool | None:
    """None where a practice has to be made: by a name of its own, or in another database."""
    if slug:
        return None
    database = runtime.settings.database_url.get_secret_value()
    return next((pool for pool in _pools if pool.database == database), None)


async def hashed_password() -> str:
    """The hash of :data:`PASSWORD`, made once a process: hashing is slow on purpose."""
    if not _hashed:
        _hashed.append(await hash_password(PASSWORD))
    return _hashed[0]


async def make_practice(
    runtime: Runtime,
    *,
    slug: str | None = None,
    timezone: str = "Europe/Madrid",
    locale: str = "es",
    currency: str = "EUR",
    is_quiet_at_night: bool = False,
) -> TenantContext:
    """A fresh practice, made as operators make one, or one that is as it was when it had been made so.

    Without quiet hours, unless they are asked for: what is tested must not depend on the hour at which it is.
    """
    pool = _pool_for(runtime, slug)
    settings = runtime.settings
    # A test that plays with time gets one that was made at that very time.
    time = clock.now()
    played = time if abs(time - datetime.now(UTC)) > timedelta(minutes=1) else None
    kind: Kind = (
        *(timezone, locale, currency, is_quiet_at_night, played),
        *(settings.base_domain, settings.hold_minutes, settings.sandbox.enabled),
    )
    if pool and (used := pool.take(kind)):
        return used
    slug = slug or f"p{secrets.token_hex(6)}"
    new = NewTenant(
        slug=slug,
        name=f"Consulta {slug}",
        country="ES",
        timezone=timezone,
        locale=locale,
        currency=currency,
        owner=NewOwner(f"owner@{slug}.example.com", "Olga", "Dueña"),
    )
    async with runtime.database.platform() as session:
        tenant, _ = await provision_tenant(session, settings, new)
        made = to_context(tenant, f"{slug}.{settings.base_domain}")
    if not is_quiet_at_night:
        async with runtime.database.tenant(made) as practice_session:
            await practice_session.execute(update(PracticeSettings).values(quiet_from=None, quiet_until=None))
    if pool:
        pool.lend(kind, made)
    return made


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An account and the header that acts as it."""

    id: UUID
    email: str
    headers: dict[str, str]
    refresh_token: str


async def make_client(runtime: Runtime, tenant: TenantContext, email: str | None = None, **fields: object) -> SignedIn:
    """A client with a verified address, signed in."""
    email = email or f"client-{secrets.token_hex(4)}@example.com"
    now = clock.now()
    values: dict[str, object] = {
        "id": new_id(),
        "email": email,
        "hashed_password": await hashed_password(),
        "is_active": True,
        "is_verified": True,
        "first_name": "Carla",
        "last_name": "Cliente",
        "locale": tenant.locale,
        "timezone": tenant.timezone,
        "privacy_accepted_at": now,
        "created_at": now,
    } | fields
    async with runtime.database.tenant(tenant) as session:
        client = Client(**values)
        session.add(client)
        await session.flush()  # the id must be there before the session row
        await record_consent(session, client.id, locale=client.locale)
        pair = await start_session(session, runtime.signer, runtime.settings.auth, AccountKind.CLIENT, client.id)
    return SignedIn(client.id, email, {"Authorization": f"Bearer {pair.access_token}"}, pair.refresh_token)


async def make_staff_member(
    runtime: Runtime, tenant: TenantContext, role: StaffRole = StaffRole.OWNER, email: str | None = None
) -> SignedIn:
    """A member of staff who has accepted the invitation, signed in."""
    email = email or f"{role}-{secrets.token_hex(4)}@example.com"
    async with runtime.database.tenant(tenant) as session:
        staff: Staff = make_staff(email, "Sara", "Sanitaria", role, tenant.locale)
        staff.hashed_password = await hashed_password()
        staff.accepted_at = clock.now()
        session.add(staff)
        await session.flush()  # the id must be there before the session row
        pair = await start_session(session, runtime.signer, runtime.settings.auth, AccountKind.STAFF, staff.id)
    return SignedIn(staff.id, email, {"Authorization": f"Bearer {pair.access_token}"}, pair.refresh_token)


__all__ = [
    "PASSWORD",
    "SignedIn",
    "audience",
    "authenticate_staff",
    "hashed_password",
    "make_client",
    "make_practice",
    "make_staff_member",
]
