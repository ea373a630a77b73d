"""Telling of whole sessions: events for the mails."""

from scheduling.appointments.history import Actor, ActorKind
from scheduling.group_sessions.events import GROUP_SESSION_PLANNED
from scheduling.group_sessions.models import GroupSession
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.publish import publish


async def announce_session(session: TenantSession, group: GroupSession, topic: str) -> None:
    """Publish what happened to a session, as of its present version."""
    await publish(session, topic, {"session_id": str(group.id), "version": group.version})


async def announce_planned(session: TenantSession, group: GroupSession, actor: Actor) -> None:
    """Publish that ``actor`` planned a session."""
    planned_by = str(actor.id) if actor.kind is ActorKind.STAFF else None
    await publish(
        session,
        GROUP_SESSION_PLANNED,
        {"session_id": str(group.id), "version": group.version, "planned_by": planned_by},
    )
