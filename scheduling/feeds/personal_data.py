"""What private addresses of calendars store about a client, and how long ended ones are kept."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select

from scheduling.feeds.models import CalendarFeed, FeedOwner
from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, listed
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.retention import Retention

ENDED_FEEDS = Retention(
    CalendarFeed,
    "addresses of calendars (hashed), after they ended",
    timedelta(days=30),
    lambda before: CalendarFeed.ended_at < before,
)


class FeedData:
    """Addresses that the client made for their own calendar; practitioners' are about no client."""

    name = "calendar_feeds"
    tables = frozenset({"calendar_feeds"})
    classes = frozenset({DataClass.CALENDAR_FEEDS})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Nothing refers to an address."""
        del session, client_id
        return frozenset()

    async def export(self, session: TenantSession, person: Person) -> Json:
        """When each was made, read and ended."""
        return {"addresses": listed(await self._rows(session, person), "created_at", "read_at", "ended_at")}

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """All of them go, and with them what calendars can read."""
        count = len(await self._rows(session, person))
        return [Treatment(DataClass.CALENDAR_FEEDS, Action.DELETE, count, Reason.NOT_NEEDED)]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Nothing is kept."""
        await session.execute(delete(CalendarFeed).where(*_mine(person)))
        return {}

    async def _rows(self, session: TenantSession, person: Person) -> list[CalendarFeed]:
        statement = select(CalendarFeed).where(*_mine(person)).order_by(CalendarFeed.created_at, CalendarFeed.id)
        return list((await session.scalars(statement)).all())


def _mine(person: Person) -> tuple[ColumnElement[bool], ...]:
    return (CalendarFeed.owner_kind == FeedOwner.CLIENT, CalendarFeed.owner_id == person.id)
