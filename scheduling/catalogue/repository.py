"""Every query of the catalogue."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from scheduling.catalogue.models import (
    BlockedTimeSlot,
    Practitioner,
    RecurringTimeSlot,
    Service,
    ServicePractitioner,
    TimeSlot,
)
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate

CatalogueRow = Service | Practitioner | RecurringTimeSlot | TimeSlot | BlockedTimeSlot
RowT = TypeVar("RowT", Service, Practitioner, RecurringTimeSlot, TimeSlot, BlockedTimeSlot)
PeriodT = TypeVar("PeriodT", TimeSlot, BlockedTimeSlot)


class CatalogueRepository:
    """Services, practitioners and their hours in one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def add(self, row: CatalogueRow) -> None:
        """Insert now, so that links may refer to it and constraints answer here."""
        self._session.add(row)
        await self._session.flush()

    async def flush(self) -> None:
        """Write changes now, so that constraints answer here."""
        await self._session.flush()

    async def find(self, kind: type[RowT], row_id: UUID) -> RowT | None:
        """By id, or None."""
        return await self._session.get(kind, row_id)

    async def page_of_services(
        self, *, include_archived: bool, limit: int, cursor: str | None
    ) -> tuple[list[Service], str | None]:
        """Services in the order they were made."""
        statement = select(Service)
        if not include_archived:
            statement = statement.where(Service.archived.is_(False))
        return await paginate(self._session, statement, [Service.id], limit=limit, cursor=cursor)

    async def page_of_practitioners(
        self, *, include_archived: bool, limit: int, cursor: str | None
    ) -> tuple[list[Practitioner], str | None]:
        """Practitioners in the order they were made."""
        statement = select(Practitioner)
        if not include_archived:
            statement = statement.where(Practitioner.archived.is_(False))
        return await paginate(self._session, statement, [Practitioner.id], limit=limit, cursor=cursor)

    async def page_of_weekly_hours(
        self, practitioner_id: UUID | None, *, limit: int, cursor: str | None
    ) -> tuple[list[RecurringTimeSlot], str | None]:
        """Weekly hours, of one practitioner if named."""
        statement = select(RecurringTimeSlot)
        if practitioner_id is not None:
            statement = statement.where(RecurringTimeSlot.practitioner_id == practitioner_id)
        return await paginate(self._session, statement, [RecurringTimeSlot.id], limit=limit, cursor=cursor)

    async def page_of_periods(
        self,
        kind: type[PeriodT],
        practitioner_id: UUID | None,
        starts: datetime | None,
        ends: datetime | None,
        *,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[PeriodT], str | None]:
        """Openings or blocks in order of time, those that touch [``starts``, ``ends``) if given."""
        statement = select(kind)
        if practitioner_id is not None:
            statement = statement.where(kind.practitioner_id == practitioner_id)
        if starts is not None:
            statement = statement.where(kind.ends_at > starts)
        if ends is not None:
            statement = statement.where(kind.starts_at < ends)
        return await paginate(self._session, statement, [kind.starts_at, kind.id], limit=limit, cursor=cursor)

    async def practitioners_of(self, service_ids: Sequence[UUID], *, include_archived: bool) -> dict[UUID, list[UUID]]:
        """Who offers each of the services."""
        link = ServicePractitioner
        statement = select(link.service_id, link.practitioner_id).where(link.service_id.in_(service_ids))
        if not include_archived:
            statement = statement.join(Practitioner, Practitioner.id == link.practitioner_id).where(
                Practitioner.archived.is_(False)
            )
        found: dict[UUID, list[UUID]] = {service_id: [] for service_id in service_ids}
        for service_id, practitioner_id in await self._session.execute(statement.order_by(link.practitioner_id)):
            found[service_id].append(practitioner_id)
        return found

    async def services_of(self, practitioner_ids: Sequence[UUID], *, include_archived: bool) -> dict[UUID, list[UUID]]:
        """What each of the practitioners offers."""
        link = ServicePractitioner
        statement = select(link.practitioner_id, link.service_id).where(link.practitioner_id.in_(practitioner_ids))
        if not include_archived:
            statement = statement.join(Service, Service.id == link.service_id).where(Service.archived.is_(False))
        found: dict[UUID, list[UUID]] = {practitioner_id: [] for practitioner_id in practitioner_ids}
        for practitioner_id, service_id in await self._session.execute(statement.order_by(link.service_id)):
            found[practitioner_id].append(service_id)
        return found

    async def known_ids(self, kind: type[Service] | type[Practitioner], ids: Iterable[UUID]) -> set[UUID]:
        """Those of ``ids`` that exist; locked against deletion until the end of the transaction."""
        statement = select(kind.id).where(kind.id.in_(list(ids))).with_for_update(read=True, key_share=True)
        return set((await self._session.scalars(statement)).all())

    async def set_practitioners_of(self, service_id: UUID, practitioner_ids: Iterable[UUID]) -> None:
        """Make these, and only these, offer the service."""
        link = ServicePractitioner
        await self._session.execute(delete(link).where(link.service_id == service_id))
        if rows := [{"service_id": service_id, "practitioner_id": other} for other in practitioner_ids]:
            await self._session.execute(insert(link), rows)

    async def set_services_of(self, practitioner_id: UUID, service_ids: Iterable[UUID]) -> None:
        """Make the practitioner offer these, and only these."""
        link = ServicePractitioner
        await self._session.execute(delete(link).where(link.practitioner_id == practitioner_id))
        if rows := [{"service_id": other, "practitioner_id": practitioner_id} for other in service_ids]:
            await self._session.execute(insert(link), rows)

    async def find_practitioner_of_staff(self, staff_id: UUID) -> Practitioner | None:
        """The practitioner that a member of staff is, or None."""
        return (
            await self._session.scalars(select(Practitioner).where(Practitioner.staff_id == staff_id))
        ).one_or_none()

    async def database_knows_zone(self, name: str) -> bool:
        """Whether PostgreSQL's own zone tables have ``name``: the weekly hours are reckoned there."""
        try:
            async with self._session.begin_nested():
                await self._session.execute(select(func.timezone(name, func.now())))
        except DBAPIError:
            return False
        return True

    async def delete(self, row: CatalogueRow) -> None:
        """Remove it."""
        await self._session.delete(row)
        await self._session.flush()

    async def delete_if_unreferenced(self, kind: type[Service] | type[Practitioner], row_id: UUID) -> bool:
        """Remove it with its links and hours unless an appointment refers to it; answers whether it did."""
        try:
            async with self._session.begin_nested():
                await self._session.execute(delete(kind).where(kind.id == row_id))
        except IntegrityError:
            return False
        return True
