"""Every query of group sessions and of their seats."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from scheduling.appointments.models import LIVE_STATUSES, Appointment, AppointmentStatus
from scheduling.catalogue.models import Service
from scheduling.group_sessions.models import GroupSession
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate

SCHEDULED = "scheduled"
CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class GroupSessionFilter:
    """Which sessions are asked for; ``starts`` inclusive and ``ends`` exclusive bound ``starts_at``."""

    practitioner_id: UUID | None = None
    service_id: UUID | None = None
    starts: datetime | None = None
    ends: datetime | None = None


def _is_taken() -> ColumnElement[bool]:
    """Of an appointment: it is live, and if it is held its hold goes on."""
    return and_(
        Appointment.status.in_(LIVE_STATUSES),
        or_(Appointment.status != AppointmentStatus.HELD, Appointment.hold_expires_at > clock.now()),
    )


class GroupSessionRepository:
    """Group sessions in one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def add(self, group: GroupSession) -> None:
        """Insert now: the exclusion constraint answers here."""
        self._session.add(group)
        await self._session.flush()

    async def flush(self) -> None:
        """Write changes now, so that the exclusion constraints answer here."""
        await self._session.flush()

    async def find(self, group_id: UUID) -> GroupSession | None:
        """By id, read anew, or None."""
        statement = select(GroupSession).where(GroupSession.id == group_id)
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def lock(self, group_id: UUID) -> GroupSession | None:
        """The same, locked until the end of the (nested) transaction: who takes or counts seats takes turns.

        A seat's foreign key may be checked meanwhile.
        """
        statement = select(GroupSession).where(GroupSession.id == group_id).with_for_update(key_share=True)
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def hold_service(self, service_id: UUID) -> None:
        """Keep the service what it is, a group service or none, until the end of the transaction."""
        statement = select(Service.id).where(Service.id == service_id).with_for_update(read=True, key_share=True)
        await self._session.execute(statement)

    async def list_with_seats(
        self,
        service_id: UUID,
        first: datetime,
        last: datetime,
        *,
        practitioners: Collection[UUID],
        location_kinds: Collection[str],
    ) -> list[tuple[GroupSession, int]]:
        """The scheduled sessions that begin between two instants (inclusive), with how many seats are taken."""
        statement = select(GroupSession, _seats_taken()).where(
            GroupSession.service_id == service_id,
            GroupSession.starts_at.between(first, last),
            GroupSession.status == SCHEDULED,
            GroupSession.practitioner_id.in_(practitioners),
            GroupSession.location_kind.in_(location_kinds),
        )
        rows = await self._session.execute(
            statement.order_by(GroupSession.starts_at, GroupSession.practitioner_id, GroupSession.id)
        )
        return [(row[0], row[1]) for row in rows]

    async def page(
        self, wanted: GroupSessionFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[GroupSession], str | None]:
        """Sessions in order of time, cancelled ones too."""
        statement = select(GroupSession)
        if wanted.practitioner_id is not None:
            statement = statement.where(GroupSession.practitioner_id == wanted.practitioner_id)
        if wanted.service_id is not None:
            statement = statement.where(GroupSession.service_id == wanted.service_id)
        if wanted.starts is not None:
            statement = statement.where(GroupSession.starts_at >= wanted.starts)
        if wanted.ends is not None:
            statement = statement.where(GroupSession.starts_at < wanted.ends)
        keys = [GroupSession.starts_at, GroupSession.id]
        return await paginate(self._session, statement, keys, limit=limit, cursor=cursor)

    async def count_seats(self, group_ids: Collection[UUID]) -> dict[UUID, int]:
        """How many seats of each are taken; sessions without any are left out."""
        statement = (
            select(Appointment.group_session_id, func.count())
            .where(Appointment.group_session_id.in_(group_ids), _is_taken())
            .group_by(Appointment.group_session_id)
        )
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def count_fallen(self, group: GroupSession) -> int:
        """How many seats were cancelled with a cancelled session; those that were given up before don't count."""
        statement = select(func.count()).where(
            Appointment.group_session_id == group.id,
            Appointment.status == AppointmentStatus.CANCELLED,
            Appointment.cancelled_at >= group.changed_at,
        )
        return (await self._session.scalars(statement)).one()

    async def list_seats(self, group_id: UUID) -> Sequence[Appointment]:
        """Every seat that was ever taken in the session, in the order of booking."""
        statement = select(Appointment).where(Appointment.group_session_id == group_id)
        return (await self._session.scalars(statement.order_by(Appointment.created_at, Appointment.id))).all()

    async def has_seat(
        self, group_id: UUID, client_id: UUID, dependant_id: UUID | None, *, except_id: UUID | None = None
    ) -> bool:
        """Whether this person has one of the seats that are taken."""
        statement = select(Appointment.id).where(
            Appointment.group_session_id == group_id,
            Appointment.client_id == client_id,
            Appointment.dependant_id.is_not_distinct_from(dependant_id),
            Appointment.id.is_distinct_from(except_id),
            _is_taken(),
        )
        return (await self._session.scalars(statement.limit(1))).first() is not None

    async def list_live_seat_ids(self, group_id: UUID) -> Sequence[UUID]:
        """The seats whose status is live, by a hold that has run out too."""
        statement = select(Appointment.id).where(
            Appointment.group_session_id == group_id, Appointment.status.in_(LIVE_STATUSES)
        )
        return (await self._session.scalars(statement)).all()

    async def lock_live_seats(self, group_id: UUID) -> Sequence[Appointment]:
        """The same, locked in the order of their ids."""
        statement = (
            select(Appointment)
            .where(Appointment.group_session_id == group_id, Appointment.status.in_(LIVE_STATUSES))
            .order_by(Appointment.id)
            .with_for_update()
        )
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).all()

    async def lock_lapsed_seats(self, group_id: UUID, *, except_id: UUID | None = None) -> Sequence[Appointment]:
        """The held seats whose hold has run out, locked in the order of their ids.

        Whoever is prolonging one of them at this moment is waited for: what it is then decides.
        """
        statement = (
            select(Appointment)
            .where(
                Appointment.group_session_id == group_id,
                Appointment.status == AppointmentStatus.HELD,
                Appointment.hold_expires_at <= clock.now(),
                Appointment.id.is_distinct_from(except_id),
            )
            .order_by(Appointment.id)
            .with_for_update()
        )
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).all()


def _seats_taken() -> ColumnElement[int]:
    return select(func.count()).where(Appointment.group_session_id == GroupSession.id, _is_taken()).scalar_subquery()
