"""Writing to the event queue, in the transaction of the change itself."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert

from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession, TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent

Payload = Mapping[str, str | int | bool | None]


async def publish(
    session: TenantSession | PlatformSession,
    topic: str,
    payload: Payload,
    *,
    run_at: datetime | None = None,
    tenant_key: str | None = None,
) -> UUID:
    """Queue ``topic`` for after the commit of ``session``, or for ``run_at`` if that is later.

    The payload carries ids and versions, never personal data: it outlives erasure. A tenant's role may
    insert here and nothing else, so the statement reads nothing back. ``tenant_key`` is for platform
    transactions that queue work for a practice.
    """
    event_id = new_id()
    now = clock.now()
    tenant = session.tenant.key if isinstance(session, TenantSession) else tenant_key
    await session.execute(
        insert(OutboxEvent).values(
            id=event_id,
            tenant=tenant,
            topic=topic,
            payload=dict(payload),
            created_at=now,
            run_at=run_at or now,
        )
    )
    session.info["published"] = True
    return event_id
