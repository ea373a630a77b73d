"""Webhooks that need somebody: what operators see of all practices' inboxes, and what they do about it."""

from typing import Any
from uuid import UUID

from billing.accounts.models import EventTrouble, ParkedEvent
from billing.webhooks import handling, parking
from billing.webhooks.repository import InboxRepository, SwitchboardRepository
from tenants.registry import service as registry
from tenants.registry.models import Tenant
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.inbox.models import ProviderEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.operators import service


async def list_troubles(
    session: PlatformSession, tenant_id: UUID | None = None, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[tuple[EventTrouble, Tenant]], str | None]:
    """Events that could not be handled, with their practices; the oldest first."""
    tenant = await registry.get_tenant(session, tenant_id) if tenant_id is not None else None
    rows, following = await SwitchboardRepository(session).page_of_troubles(
        tenant_key=tenant.key if tenant is not None else None, limit=limit, cursor=cursor
    )
    practices = await registry.tenants_by_key(session, {row.tenant_key for row in rows})
    return [(row, practices[row.tenant_key]) for row in rows if row.tenant_key in practices], following


async def list_parked(
    session: PlatformSession, *, status: str | None = "waiting", limit: int = 50, cursor: str | None = None
) -> tuple[list[ParkedEvent], str | None]:
    """Events of accounts that no practice has, newest first."""
    return await SwitchboardRepository(session).page_of_parked(status=status, limit=limit, cursor=cursor)


async def list_inbox(
    runtime: Runtime, tenant: Tenant, *, status: str | None = None, limit: int = 50, cursor: str | None = None
) -> tuple[list[ProviderEvent], str | None]:
    """One practice's inbox, newest first; in a transaction of its own."""
    async with runtime.database.tenant(registry.to_context(tenant)) as session:
        return await InboxRepository(session).page(status=status, limit=limit, cursor=cursor)


async def replay(
    runtime: Runtime, operator_id: UUID, tenant: Tenant, event_id: UUID, request_id: str | None
) -> ProviderEvent:
    """Have an event of a practice handled once more. Raises ``NotFoundError``."""
    async with runtime.database.tenant(registry.to_context(tenant)) as session:
        event = await handling.replay_event(session, event_id)
    await _record(runtime, operator_id, "provider_event.replayed", tenant, request_id, provider_event_id=str(event_id))
    return event


async def ignore(
    runtime: Runtime, operator_id: UUID, tenant: Tenant, event_id: UUID, note: str, request_id: str | None
) -> ProviderEvent:
    """Decide that nothing has to be done about an event of a practice. Raises ``NotFoundError``."""
    async with runtime.database.tenant(registry.to_context(tenant)) as session:
        event = await handling.ignore_event(session, event_id, note)
    detail = {"provider_event_id": str(event_id), "note": note}
    await _record(runtime, operator_id, "provider_event.ignored", tenant, request_id, **detail)
    async with runtime.database.platform() as platform:
        await SwitchboardRepository(platform).clear_trouble(tenant.key, event_id)
    return event


async def assign_parked(
    runtime: Runtime, operator_id: UUID, tenant: Tenant, parked_id: UUID, request_id: str | None
) -> ParkedEvent:
    """Say whose a parked event is. Raises ``NotFoundError`` and what :func:`parking.assign_parked` raises."""
    parked = await parking.assign_parked(runtime, registry.to_context(tenant), parked_id)
    await _record(runtime, operator_id, "parked_event.assigned", tenant, request_id, parked_event_id=str(parked_id))
    return parked


async def ignore_parked(
    session: PlatformSession, operator_id: UUID, parked_id: UUID, note: str, request_id: str | None
) -> ParkedEvent:
    """Decide that a parked event is nobody's. Raises ``NotFoundError``, ``ParkedEventDecidedError``."""
    parked = await parking.ignore_parked(session, parked_id, note)
    service.record(
        session,
        operator_id,
        "parked_event.ignored",
        request_id=request_id,
        parked_event_id=str(parked_id),
        note=note,
    )
    return parked


async def _record(
    runtime: Runtime, operator_id: UUID, action: str, tenant: Tenant, request_id: str | None, **detail: Any
) -> None:
    async with runtime.database.platform() as platform:
        service.record(platform, operator_id, action, tenant.id, request_id=request_id, **detail)
