"""What the waiting list stores about a client, and how long entries that ended are kept."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select

from scheduling.catalogue.service import get_service
from scheduling.waitlist.models import WaitlistEntry
from scheduling.waitlist.repository import LIVE
from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, facts
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.retention import Retention

ENDED_ENTRIES = Retention(
    WaitlistEntry,
    "entries of the waiting list, after they ended",
    timedelta(days=90),
    lambda before: WaitlistEntry.status.not_in(LIVE) & (WaitlistEntry.updated_at < before),
)
_ENTRY = ("dependant_id", "location_kind", "first_day", "last_day", "weekdays", "status", "created_at", "updated_at")


class WaitlistData:
    """What the client waits, or waited, for. A time that is offered to them is an appointment, and cancelled as one."""

    name = "waitlist"
    tables = frozenset({"waitlist_entries"})
    classes = frozenset({DataClass.WAITLIST})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Mails are about entries."""
        rows = await session.scalars(select(WaitlistEntry.id).where(WaitlistEntry.client_id == client_id))
        return frozenset(rows.all())

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Every entry that is there."""
        return {"waitlist": [await self._describe(session, row) for row in await self._rows(session, person)]}

    async def _describe(self, session: TenantSession, row: WaitlistEntry) -> Json:
        hours = {name: value and value.strftime("%H:%M") for name, value in self._hours(row).items()}
        return {**facts(row, *_ENTRY), **hours, "service": (await get_service(session, row.service_id)).name}

    @staticmethod
    def _hours(row: WaitlistEntry) -> Json:
        return {"earliest": row.earliest, "latest": row.latest}

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """All of them go."""
        count = len(await self._rows(session, person))
        return [Treatment(DataClass.WAITLIST, Action.DELETE, count, Reason.NOT_NEEDED)]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Nothing is kept."""
        await session.execute(delete(WaitlistEntry).where(WaitlistEntry.client_id == person.id))
        return {}

    async def _rows(self, session: TenantSession, person: Person) -> list[WaitlistEntry]:
        statement = select(WaitlistEntry).where(WaitlistEntry.client_id == person.id)
        return list((await session.scalars(statement.order_by(WaitlistEntry.created_at, WaitlistEntry.id))).all())
