"""Whether a row still is in the queue, for whoever has to know what will become of its work."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select

from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.outbox.models import OutboxEvent


async def is_parked(session: PlatformSession, event_id: UUID) -> bool:
    """Whether this row waits for a person: nobody has put it back into the queue, and no worker finished it late."""
    return await _exists(session, OutboxEvent.id == event_id, OutboxEvent.parked_at.is_not(None))


async def is_waiting(session: PlatformSession, tenant_key: str | None, topic: str, facts: Mapping[str, str]) -> bool:
    """Whether the queue has a row of this topic, with these in its payload, that it has not given up on."""
    return await _exists(
        session,
        OutboxEvent.tenant == tenant_key if tenant_key is not None else OutboxEvent.tenant.is_(None),
        OutboxEvent.topic == topic,
        OutboxEvent.parked_at.is_(None),
        *(OutboxEvent.payload.op("->>")(name) == value for name, value in facts.items()),
    )


async def _exists(session: PlatformSession, *which: ColumnElement[bool]) -> bool:
    return bool(await session.scalar(select(exists().where(*which))))
