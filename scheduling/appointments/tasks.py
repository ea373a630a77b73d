"""Handlers of the appointments' own events."""

from typing import Any
from uuid import UUID

from scheduling.appointments.services import confirming
from scheduling.appointments.services.means import release_means_of_lapsed
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext


async def release_means(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.lapsed``: its session and its code can be used again."""
    async with context.runtime.database.tenant(context.tenant) as session:
        await release_means_of_lapsed(session, UUID(payload["appointment_id"]))


async def expire_hold(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.hold_expiry``: give an unpaid appointment's time free. Harmless to repeat."""
    async with context.runtime.database.tenant(context.tenant) as session:
        again_at = await confirming.expire_hold(session, UUID(payload["appointment_id"]))
    if again_at is not None:
        raise RetryLaterError("the hold goes on", (again_at - clock.now()).total_seconds() + 1)
