"""The job that reads external calendars."""

from datetime import datetime
from typing import Any
from uuid import UUID

from scheduling.external_calendars import refresh
from tenants.registry.models import TenantStatus
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

_WHILE_AWAY_SECONDS = 6 * 3600.0


async def refresh_calendar(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``external_calendar.refresh``: read one calendar and queue its next turn. Harmless to repeat.

    Two short transactions with the network between them. The calendars of a suspended practice, and of
    a practitioner who left, wait.
    """
    if context.tenant.status != TenantStatus.ACTIVE:
        raise RetryLaterError("the practice is not active", _WHILE_AWAY_SECONDS)
    database, tenant = context.runtime.database, context.tenant
    due_at = datetime.fromisoformat(payload["due_at"])
    try:
        async with database.tenant(tenant) as session:
            turn = await refresh.begin_turn(session, UUID(payload["calendar_id"]), due_at)
    except refresh.OwnerAwayError as away:
        raise RetryLaterError("the practitioner is archived", _WHILE_AWAY_SECONDS) from away
    if turn is None:
        return
    reading = await refresh.read_calendar(context.runtime, tenant.key, turn)
    async with database.tenant(tenant) as session:
        await refresh.finish_turn(session, turn, reading)
