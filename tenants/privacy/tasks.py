"""Handlers of privacy's events."""

from typing import Any
from uuid import UUID

from tenants.privacy import erasure
from tenants.privacy.retention import clean_practice
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

DAY_SECONDS = 86_400.0


async def destroy_sealed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``privacy.block_over``: destroy what was kept of an erased person. Harmless to repeat."""
    async with context.runtime.database.tenant(context.tenant) as session:
        again_at = await erasure.destroy_sealed(session, UUID(payload["erasure_id"]))
    if again_at is not None:
        raise RetryLaterError("it must still be kept", (again_at - clock.now()).total_seconds())


async def keep_house(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``practice.housekeeping``: throw away what is old enough, then wait for tomorrow.

    The row itself comes again, so a practice has one of it, however often a run is broken off.
    """
    del payload
    await clean_practice(context.runtime.database, context.tenant)
    raise RetryLaterError("again tomorrow", DAY_SECONDS)
