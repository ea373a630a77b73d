"""Every query of the catalogue."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from scheduling.catalogue.models import (
    BlockedTimeSlot,
    Practitioner,
    RecurringBlockedTimeSlot,
    RecurringTimeSlot,
    Service,
    ServicePractitioner,
    TimeSlot,
)
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate

CatalogueRow = Service | Practitioner | RecurringTimeSlot | TimeSlot | BlockedTimeSlot | RecurringBlockedTimeSlot
RowT = TypeVar("RowT", Service, Practitioner, RecurringTimeSlot, TimeSlot, BlockedTimeSlot, RecurringBlockedTimeSlot)
PeriodT = TypeVar("PeriodT", TimeSlot, BlockedTimeSlot)
RecurringT = TypeVar("RecurringT", RecurringTimeSlot, RecurringBlockedTimeSlot)

# The statuses are spelled out as in the exclusion constraint's predicate, so that its index serves.
_LIVE_WITHIN = text("""
SELECT count(*) FROM appointments a
WHERE a.practitioner_id = CAST(:practitioner_id AS uuid)
  AND a.occupied && CAST(:spans AS tstzmultirange)
  AND a.status IN ('held', 'confirmed', 'completed', 'no_show')
  AND (a.status = 'confirmed' OR (a.status = 'held' AND a.hold_expires_at > CAST(:now AS timestamptz)))
  AND a.ends_at > CAST(:now AS timestamptz)
  AND tstzrange(a.starts_at, a.ends_at) && CAST(:spans AS tstzmultirange)
""")
_WAS_BOOKED = text("""
SELECT EXISTS (SELECT FROM appointments WHERE service_id = CAST(:service_id AS uuid))
    OR EXISTS (SELECT FROM group_sessions WHERE service_id = CAST(:service_id AS uuid))
""")


class OwnTermsRow(NamedTuple):
    """What a practitioner asks for a service, where it differs from the service's own."""

    practitioner_id: UUID
    price_minor: int | None
    duration_minutes: int | None


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
        """Services in the practice's order, those in the same place in the order they were made."""
        statement = select(Service)
        if not include_archived:
            statement = statement.where(Service.archived.is_(False))
        return await paginate(self._session, statement, [Service.position, Service.id], limit=limit, cursor=cursor)

    async def page_of_practitioners(
        self, *, include_archived: bool, limit: int, cursor: str | None
    ) -> tuple[list[Practitioner], str | None]:
        """Practitioners in the order they were made."""
        statement = select(Practitioner)
        if not include_archived:
            statement = statement.where(Practitioner.archived.is_(False))
        return await paginate(self._session, statement, [Practitioner.id], limit=limit, cursor=cursor)

    async def page_of_recurring(
        self, kind: type[RecurringT], practitioner_id: UUID | None, *, limit: int, cursor: str | None
    ) -> tuple[list[RecurringT], str | None]:
        """Weekly hours or recurring blocks, of one practitioner if named."""
        statement = select(kind)
        if practitioner_id is not None:
            statement = statement.where(kind.practitioner_id == practitioner_id)
        return await paginate(self._session, statement, [kind.id], limit=limit, cursor=cursor)

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

    async def links_of(
        self, service_ids: Sequence[UUID], *, include_archived: bool
    ) -> dict[UUID, list[ServicePractitioner]]:
        """Who offers each of the services, on which terms, read anew."""
        link = ServicePractitioner
        statement = select(link).where(link.service_id.in_(service_ids)).order_by(link.practitioner_id)
        if not include_archived:
            statement = statement.join(Practitioner, Practitioner.id == link.practitioner_id).where(
                Practitioner.archived.is_(False)
            )
        found: dict[UUID, list[ServicePractitioner]] = {service_id: [] for service_id in service_ids}
        for row in await self._session.scalars(statement.execution_options(populate_existing=True)):
            found[row.service_id].append(row)
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

    async def lock_service(self, service_id: UUID) -> Service | None:
        """A service, read anew; nobody books it until the end of the transaction."""
        return await self._session.get(Service, service_id, with_for_update=True, populate_existing=True)

    async def was_booked(self, service_id: UUID) -> bool:
        """Whether there ever was an appointment or a group session of it."""
        return bool(await self._session.scalar(_WAS_BOOKED, {"service_id": service_id}))

    async def set_practitioners_of(self, service_id: UUID, practitioner_ids: Iterable[UUID]) -> None:
        """Make these, and only these, offer the service; who did already keeps their own price and length."""
        await self._link([{"service_id": service_id, "practitioner_id": other} for other in practitioner_ids])
        await self._unlink_others(ServicePractitioner.service_id == service_id, "practitioner_id", practitioner_ids)

    async def set_services_of(self, practitioner_id: UUID, service_ids: Iterable[UUID]) -> None:
        """Make the practitioner offer these, and only these; their own price and length of those that stay stay."""
        await self._link([{"service_id": other, "practitioner_id": practitioner_id} for other in service_ids])
        await self._unlink_others(ServicePractitioner.practitioner_id == practitioner_id, "service_id", service_ids)

    async def set_terms_of(self, service_id: UUID, terms: Sequence[OwnTermsRow]) -> None:
        """Make these, and only these, offer the service, each at exactly this price and length (None: its own)."""
        people = [one.practitioner_id for one in terms]
        await self._unlink_others(ServicePractitioner.service_id == service_id, "practitioner_id", people)
        if not terms:
            return
        statement = insert(ServicePractitioner).values([{"service_id": service_id} | one._asdict() for one in terms])
        new = {name: statement.excluded[name] for name in ("price_minor", "duration_minutes")}
        await self._session.execute(
            statement.on_conflict_do_update(index_elements=["service_id", "practitioner_id"], set_=new)
        )

    async def _link(self, rows: list[dict[str, UUID]]) -> None:
        if rows:
            await self._session.execute(insert(ServicePractitioner).values(rows).on_conflict_do_nothing())

    async def _unlink_others(self, whose: ColumnElement[bool], name: str, kept: Iterable[UUID]) -> None:
        others = getattr(ServicePractitioner, name).not_in(list(kept))
        await self._session.execute(delete(ServicePractitioner).where(whose, others))

    async def count_live_within(
        self, practitioner_id: UUID, spans: Iterable[tuple[datetime, datetime]], now: datetime
    ) -> int:
        """How many appointments that are still to take place touch any of the spans; buffers don't count."""
        ranges = ",".join(f"[{begins.isoformat()},{ends.isoformat()})" for begins, ends in spans)
        values = {"practitioner_id": practitioner_id, "spans": f"{{{ranges}}}", "now": now}
        return (await self._session.scalar(_LIVE_WITHIN, values)) or 0

    async def count_active_practitioners(self) -> int:
        """Those that are not archived."""
        statement = select(func.count()).select_from(Practitioner).where(Practitioner.archived.is_(False))
        return (await self._session.execute(statement)).scalar_one()

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
