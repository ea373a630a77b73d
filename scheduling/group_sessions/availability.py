"""When a group service can be booked: its sessions with seats left."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from scheduling.availability.rules import Rules
from scheduling.group_sessions.repository import GroupSessionRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that can be booked now; ``seats_left`` is at least one."""

    id: UUID
    practitioner_id: UUID
    starts_at: datetime
    ends_at: datetime
    seats_left: int
    location_kind: str


async def list_open_sessions(
    session: TenantSession, rules: Rules, begins: datetime, ends: datetime, practitioner_id: UUID | None = None
) -> list[OpenSession]:
    """Every session of the service that can be booked from ``begins`` on and before ``ends``, in order of time.

    Notice, horizon, places and people are the rules'; :func:`~scheduling.group_sessions.seats.take_seat` asks the
    same of a booking.
    """
    asked = rules if practitioner_id is None else rules.of_people([practitioner_id])
    now = clock.now()
    first = max(begins, now + rules.minimum_notice)
    last = min(ends - timedelta(microseconds=1), now + rules.horizon)
    if last < first or not asked.people:
        return []
    rows = await GroupSessionRepository(session).list_with_seats(
        rules.service_id, first, last, practitioners=asked.people, location_kinds=asked.location_kinds
    )
    return [
        OpenSession(row.id, row.practitioner_id, row.starts_at, row.ends_at, row.capacity - taken, row.location_kind)
        for row, taken in rows
        if taken < row.capacity
    ]
