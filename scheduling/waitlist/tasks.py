"""What the queue does with the waiting list."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling.waitlist import service, sweeping
from scheduling.waitlist.matching import Freed, offer_freed
from scheduling.waitlist.repository import WaitlistRepository
from tenants.registry.models import TenantStatus
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

_WHILE_SUSPENDED_SECONDS = 6 * 3600.0
_FAR = timedelta(days=740)
"""The longest horizon of a service (730 days), and some."""


async def on_time_freed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.time_freed``: offer it to the first in line, and what is left of it to the next.

    Harmless to repeat. A practice that is not active offers nothing; its next sweep finds what is free then.
    """
    if context.tenant.status != TenantStatus.ACTIVE:
        return
    await _settle_offers(context)
    freed = Freed(
        datetime.fromisoformat(payload["starts_at"]),
        datetime.fromisoformat(payload["ends_at"]),
        UUID(payload["practitioner_id"]),
    )
    await offer_freed(context.runtime.database, context.tenant, freed)


async def on_appointment_confirmed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.confirmed``: whom it had been offered to waits no longer."""
    async with context.runtime.database.tenant(context.tenant) as session:
        await service.note_booked(session, UUID(payload["appointment_id"]))


async def sweep(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``waitlist.sweep``: end what is over, offer what is free, and queue the next one while anybody waits.

    Harmless to repeat. The line of a suspended practice waits.
    """
    if context.tenant.status != TenantStatus.ACTIVE:
        raise RetryLaterError("the practice is not active", _WHILE_SUSPENDED_SECONDS)
    database, tenant = context.runtime.database, context.tenant
    due_at = datetime.fromisoformat(payload["due_at"])
    async with database.tenant(tenant) as session:
        if not await sweeping.is_due(session, due_at):
            return
    await _settle_offers(context)
    await _end_hopeless(context)
    await offer_freed(database, tenant, Freed(clock.now(), clock.now() + _FAR))
    async with database.tenant(tenant) as session:
        await sweeping.go_on(session, due_at)


async def _settle_offers(context: TenantEventContext) -> None:
    """Each in a transaction of its own, so that none waits for another's locks."""
    database, tenant = context.runtime.database, context.tenant
    async with database.tenant(tenant) as session:
        offered = await WaitlistRepository(session).list_offered()
    for entry_id in offered:
        async with database.tenant(tenant) as session:
            await service.settle_entry(session, entry_id)


async def _end_hopeless(context: TenantEventContext) -> None:
    database, tenant = context.runtime.database, context.tenant
    today = clock.now().astimezone(ZoneInfo(tenant.timezone)).date()
    async with database.tenant(tenant) as session:
        hopeless = await WaitlistRepository(session).list_hopeless(today)
    for entry_id in hopeless:
        async with database.tenant(tenant) as session:
            await service.end_hopeless_entry(session, entry_id)
