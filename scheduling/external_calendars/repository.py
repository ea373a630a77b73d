"""Every query of external calendars."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, delete, func, insert, select

from scheduling.catalogue.models import Practitioner
from scheduling.external_calendars.models import ExternalBusyTime, ExternalCalendar
from scheduling.external_calendars.parsing import Period
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.pagination import paginate


class ExternalCalendarRepository:
    """External calendars and their busy times in one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def add(self, calendar: ExternalCalendar) -> None:
        """Insert now, so that it is counted."""
        self._session.add(calendar)
        await self._session.flush()

    async def find(self, calendar_id: UUID) -> ExternalCalendar | None:
        """By id, or None."""
        return await self._session.get(ExternalCalendar, calendar_id)

    async def lock(self, calendar_id: UUID) -> ExternalCalendar | None:
        """By id, as it is now, until the transaction ends. Its practitioner is not deleted meanwhile."""
        # The practitioner first, as in their deletion, which goes on to their calendars: the reverse could deadlock.
        owner = select(ExternalCalendar.practitioner_id).where(ExternalCalendar.id == calendar_id).scalar_subquery()
        await self._session.execute(
            select(Practitioner.id).where(Practitioner.id == owner).with_for_update(read=True, key_share=True)
        )
        statement = select(ExternalCalendar).where(ExternalCalendar.id == calendar_id).with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def lock_practitioner(self, practitioner_id: UUID) -> Practitioner | None:
        """So that two calendars at once are counted one after the other."""
        statement = select(Practitioner).where(Practitioner.id == practitioner_id).with_for_update(key_share=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def owner_of(self, calendar: ExternalCalendar) -> Practitioner:
        """Whose it is."""
        return await self._session.get_one(Practitioner, calendar.practitioner_id)

    async def count(self, practitioner_id: UUID) -> int:
        """How many a practitioner has."""
        statement = select(func.count()).where(ExternalCalendar.practitioner_id == practitioner_id)
        return (await self._session.execute(statement)).scalar_one()

    async def page(
        self, practitioner_id: UUID | None, *, limit: int, cursor: str | None
    ) -> tuple[list[ExternalCalendar], str | None]:
        """In the order they were added, of one practitioner if named."""
        statement = select(ExternalCalendar)
        if practitioner_id is not None:
            statement = statement.where(ExternalCalendar.practitioner_id == practitioner_id)
        return await paginate(self._session, statement, [ExternalCalendar.id], limit=limit, cursor=cursor)

    async def delete(self, calendar: ExternalCalendar) -> None:
        """With its busy times."""
        await self._session.execute(delete(ExternalCalendar).where(ExternalCalendar.id == calendar.id))
        self._session.expunge(calendar)

    async def replace_busy_times(self, calendar: ExternalCalendar, periods: Sequence[Period]) -> None:
        """Let exactly these be its busy times. Rows that stay are not touched: most do, every quarter of an hour."""
        rows = await self._session.execute(
            select(ExternalBusyTime.id, ExternalBusyTime.starts_at, ExternalBusyTime.ends_at).where(
                ExternalBusyTime.calendar_id == calendar.id
            )
        )
        wanted, gone = set(periods), []
        for row in rows:
            if (row.starts_at, row.ends_at) in wanted:
                wanted.remove((row.starts_at, row.ends_at))
            else:
                gone.append(row.id)
        await self._delete_busy_times(gone)
        await self._insert_busy_times(calendar, wanted)

    async def _delete_busy_times(self, ids: Collection[UUID]) -> None:
        if ids:
            await self._session.execute(
                delete(ExternalBusyTime).where(ExternalBusyTime.id == any_(cast(list(ids), ARRAY(Uuid)))),
                execution_options={"synchronize_session": False},
            )

    async def _insert_busy_times(self, calendar: ExternalCalendar, periods: Iterable[Period]) -> None:
        rows = [
            {
                "id": new_id(),
                "calendar_id": calendar.id,
                "practitioner_id": calendar.practitioner_id,
                "starts_at": starts_at,
                "ends_at": ends_at,
            }
            for starts_at, ends_at in sorted(periods)
        ]
        if rows:
            await self._session.execute(insert(ExternalBusyTime), rows)
