"""Every query of the waiting list."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from scheduling.catalogue.models import Practitioner, Service, ServicePractitioner
from scheduling.waitlist.models import WaitlistEntry, WaitlistStatus
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate

LIVE = (WaitlistStatus.WAITING, WaitlistStatus.OFFERED)


@dataclass(frozen=True, slots=True)
class WaitlistFilter:
    """Which entries are asked for. ``among``: only of these clients; None is everybody. ``open_to``: only what this
    practitioner could give."""

    client_id: UUID | None = None
    service_id: UUID | None = None
    practitioner_id: UUID | None = None
    statuses: Collection[WaitlistStatus] = ()
    among: Select[tuple[UUID]] | None = None
    open_to: UUID | None = None
    entry_id: UUID | None = None


class WaitlistRepository:
    """Who waits, in one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def add(self, entry: WaitlistEntry) -> None:
        """Insert now."""
        self._session.add(entry)
        await self._session.flush()

    async def flush(self) -> None:
        """Write changes now."""
        await self._session.flush()

    async def find(self, entry_id: UUID) -> WaitlistEntry | None:
        """By id, read anew, or None."""
        statement = select(WaitlistEntry).where(WaitlistEntry.id == entry_id)
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def find_of_appointment(self, appointment_id: UUID) -> WaitlistEntry | None:
        """Whom this time was offered to, or None."""
        statement = select(WaitlistEntry).where(WaitlistEntry.appointment_id == appointment_id)
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def lock(self, entry_id: UUID) -> WaitlistEntry | None:
        """By id, locked until the end of the (nested) transaction."""
        statement = select(WaitlistEntry).where(WaitlistEntry.id == entry_id).with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def list_live_of_client(self, client_id: UUID) -> Sequence[WaitlistEntry]:
        """What a client waits for now."""
        statement = select(WaitlistEntry).where(WaitlistEntry.client_id == client_id, WaitlistEntry.status.in_(LIVE))
        return (await self._session.scalars(statement.order_by(WaitlistEntry.created_at, WaitlistEntry.id))).all()

    async def list_line(
        self, *, practitioner_id: UUID | None = None, first_day: date | None = None, last_day: date | None = None
    ) -> Sequence[WaitlistEntry]:
        """Who waits for something that is offered today, first come first.

        With ``practitioner_id``: for something that this one offers, and would take it from them. ``first_day`` and
        ``last_day``: whose days touch these.
        """
        statement = (
            select(WaitlistEntry)
            .join(Service, Service.id == WaitlistEntry.service_id)
            .where(WaitlistEntry.status == WaitlistStatus.WAITING, ~Service.archived)
        )
        if practitioner_id is not None:
            statement = statement.where(_is_open_to(practitioner_id))
        if first_day is not None:
            statement = statement.where(WaitlistEntry.last_day >= first_day)
        if last_day is not None:
            statement = statement.where(WaitlistEntry.first_day <= last_day)
        return (await self._session.scalars(statement.order_by(WaitlistEntry.created_at, WaitlistEntry.id))).all()

    async def list_offered(self) -> Sequence[UUID]:
        """Whom something is offered to; few, as an offer lasts hours."""
        statement = select(WaitlistEntry.id).where(WaitlistEntry.status == WaitlistStatus.OFFERED)
        return (await self._session.scalars(statement.order_by(WaitlistEntry.id))).all()

    async def list_hopeless(self, today: date) -> Sequence[UUID]:
        """Who waits for days that are past, or for what is offered no more."""
        statement = (
            select(WaitlistEntry.id)
            .join(Service, Service.id == WaitlistEntry.service_id)
            .outerjoin(Practitioner, Practitioner.id == WaitlistEntry.practitioner_id)
            .where(
                WaitlistEntry.status == WaitlistStatus.WAITING,
                or_(WaitlistEntry.last_day < today, Service.archived, Practitioner.archived),
            )
        )
        return (await self._session.scalars(statement.order_by(WaitlistEntry.id))).all()

    async def anyone_is_live(self) -> bool:
        """Whether anybody waits, or has an offer."""
        statement = select(WaitlistEntry.id).where(WaitlistEntry.status.in_(LIVE)).limit(1)
        return await self._session.scalar(statement) is not None

    async def count_ahead(self, entry_ids: Collection[UUID]) -> dict[UUID, int]:
        """How many of those who came before compete with each entry: the same service, and days, hours, place and
        practitioner that both could take."""
        mine, other = aliased(WaitlistEntry), aliased(WaitlistEntry)
        ahead = (
            select(func.count())
            .select_from(other)
            .where(
                other.service_id == mine.service_id,
                other.status.in_(LIVE),
                or_(
                    other.created_at < mine.created_at,
                    and_(other.created_at == mine.created_at, other.id < mine.id),
                ),
                other.first_day <= mine.last_day,
                other.last_day >= mine.first_day,
                _either_open(other.practitioner_id, mine.practitioner_id),
                _either_open(other.location_kind, mine.location_kind),
                or_(other.weekdays.is_(None), mine.weekdays.is_(None), other.weekdays.bool_op("&&")(mine.weekdays)),
                or_(other.earliest.is_(None), mine.latest.is_(None), other.earliest <= mine.latest),
                or_(other.latest.is_(None), mine.earliest.is_(None), other.latest >= mine.earliest),
            )
            .correlate(mine)
            .scalar_subquery()
        )
        rows = await self._session.execute(select(mine.id, ahead).where(mine.id.in_(entry_ids)))
        return {row[0]: row[1] for row in rows}

    async def page(
        self, wanted: WaitlistFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[WaitlistEntry], str | None]:
        """Entries in the order in which they came."""
        statement = select(WaitlistEntry)
        if wanted.client_id is not None:
            statement = statement.where(WaitlistEntry.client_id == wanted.client_id)
        if wanted.service_id is not None:
            statement = statement.where(WaitlistEntry.service_id == wanted.service_id)
        if wanted.practitioner_id is not None:
            statement = statement.where(WaitlistEntry.practitioner_id == wanted.practitioner_id)
        if wanted.statuses:
            statement = statement.where(WaitlistEntry.status.in_(wanted.statuses))
        if wanted.among is not None:
            statement = statement.where(WaitlistEntry.client_id.in_(wanted.among))
        if wanted.open_to is not None:
            statement = statement.where(_is_open_to(wanted.open_to))
        if wanted.entry_id is not None:
            statement = statement.where(WaitlistEntry.id == wanted.entry_id)
        keys = [WaitlistEntry.created_at, WaitlistEntry.id]
        return await paginate(self._session, statement, keys, limit=limit, cursor=cursor)


def _is_open_to(practitioner_id: UUID) -> ColumnElement[bool]:
    """For a service that this practitioner offers, and with them or with anybody."""
    offered = select(ServicePractitioner.service_id).where(ServicePractitioner.practitioner_id == practitioner_id)
    would_take = or_(WaitlistEntry.practitioner_id.is_(None), WaitlistEntry.practitioner_id == practitioner_id)
    return and_(WaitlistEntry.service_id.in_(offered), would_take)


def _either_open(one: InstrumentedAttribute[Any], another: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    return or_(one.is_(None), another.is_(None), one == another)
