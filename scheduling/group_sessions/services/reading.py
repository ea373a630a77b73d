"""Finding group sessions and their seats."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from scheduling.appointments.models import Appointment
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.repository import GroupSessionFilter, GroupSessionRepository
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError


async def get_session(session: TenantSession, group_id: UUID) -> GroupSession:
    """A session by id. Raises :class:`NotFoundError`."""
    group = await GroupSessionRepository(session).find(group_id)
    if group is None:
        raise NotFoundError
    return group


async def list_sessions(
    session: TenantSession, wanted: GroupSessionFilter, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[GroupSession], str | None]:
    """A page of sessions in order of time, cancelled ones too."""
    return await GroupSessionRepository(session).page(wanted, limit=limit, cursor=cursor)


async def count_seats(session: TenantSession, group_ids: Collection[UUID]) -> Mapping[UUID, int]:
    """How many seats of each are taken; sessions without any are left out."""
    return await GroupSessionRepository(session).count_seats(group_ids)


async def list_seats(session: TenantSession, group_id: UUID) -> Sequence[Appointment]:
    """Every seat that was ever booked in the session, in the order of booking."""
    return await GroupSessionRepository(session).list_seats(group_id)
