"""Every query of calendar feeds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from scheduling.appointments.models import LIVE_STATUSES, Appointment, AppointmentChange, AppointmentStatus
from scheduling.catalogue.models import Practitioner, Service
from scheduling.feeds.models import CalendarFeed, FeedOwner
from scheduling.group_sessions.models import GroupSession
from tenants.accounts.models import Client, Dependant
from todoenbalance.kit.database import TenantSession

_TOLD = (AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW)


@dataclass(frozen=True, slots=True)
class BookedTime:
    """An appointment with the names that calendars show; ``changed_at`` is when its history last grew."""

    appointment: Appointment
    service_name: str
    practitioner_name: str
    client: Client
    dependant: Dependant | None
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionTime:
    """A session with how many of its seats are taken; ``changed_at`` is when that last became another number."""

    session: GroupSession
    service_name: str
    seats_taken: int
    changed_at: datetime | None


class FeedRepository:
    """Private addresses of one practice's calendars, and what these show."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def find_by_hash(self, token_hash: str) -> CalendarFeed | None:
        """The living feed of an address, or None."""
        which = (CalendarFeed.token_hash == token_hash, CalendarFeed.ended_at.is_(None))
        return (await self._session.scalars(select(CalendarFeed).where(*which))).one_or_none()

    async def find_living(self, kind: FeedOwner, owner_id: UUID) -> CalendarFeed | None:
        """The one living feed of an owner, or None; read anew."""
        statement = select(CalendarFeed).where(*_living(kind, owner_id))
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def end(self, kind: FeedOwner, owner_id: UUID, now: datetime) -> bool:
        """End the living feed of an owner, if there is one; answers whether there was."""
        statement = update(CalendarFeed).where(*_living(kind, owner_id)).values(ended_at=now)
        ended = await self._session.scalars(statement.returning(CalendarFeed.id))
        return bool(ended.all())

    async def try_add(self, feed: CalendarFeed) -> bool:
        """Insert now; False if the owner has been given another one in the meantime, by a double click for instance."""
        try:
            async with self._session.begin_nested():
                self._session.add(feed)
        except IntegrityError:
            return False
        return True

    async def note_read(self, feed_id: UUID, now: datetime, not_since: datetime) -> None:
        """Remember that it was asked for, unless that was noted after ``not_since``."""
        is_old = or_(CalendarFeed.read_at.is_(None), CalendarFeed.read_at <= not_since)
        await self._session.execute(update(CalendarFeed).where(CalendarFeed.id == feed_id, is_old).values(read_at=now))

    async def find_practitioner(self, practitioner_id: UUID) -> Practitioner | None:
        """By id, or None: an address may outlive a practitioner whom nobody ever booked."""
        return await self._session.get(Practitioner, practitioner_id)

    async def booked_of_client(self, client_id: UUID, since: datetime, now: datetime) -> list[BookedTime]:
        """What a client has booked and what is kept for them, from ``since`` on, in order of time."""
        return await self._booked(and_(Appointment.client_id == client_id, _shown(since, now)))

    async def booked_of_practitioner(self, practitioner_id: UUID, since: datetime, now: datetime) -> list[BookedTime]:
        """A practitioner's appointments without seats of sessions, in order of time."""
        mine = Appointment.practitioner_id == practitioner_id
        return await self._booked(and_(mine, Appointment.group_session_id.is_(None), _shown(since, now)))

    async def _booked(self, which: ColumnElement[bool]) -> list[BookedTime]:
        changed_at = (
            select(func.max(AppointmentChange.created_at))
            .where(AppointmentChange.appointment_id == Appointment.id)
            .scalar_subquery()
        )
        statement = (
            select(Appointment, Service.name, Practitioner.name, Client, Dependant, changed_at)
            .join(Service, Service.id == Appointment.service_id)
            .join(Practitioner, Practitioner.id == Appointment.practitioner_id)
            .join(Client, Client.id == Appointment.client_id)
            .outerjoin(Dependant, Dependant.id == Appointment.dependant_id)
            .where(which)
            .order_by(Appointment.starts_at, Appointment.id)
        )
        return [BookedTime(*row) for row in await self._session.execute(statement)]

    async def sessions_of(self, practitioner_id: UUID, since: datetime, now: datetime) -> list[SessionTime]:
        """A practitioner's sessions that are to take place or did, in order of time."""
        statement = (
            select(GroupSession, Service.name)
            .join(Service, Service.id == GroupSession.service_id)
            .where(
                GroupSession.practitioner_id == practitioner_id,
                GroupSession.status == "scheduled",
                GroupSession.starts_at >= since,
            )
            .order_by(GroupSession.starts_at, GroupSession.id)
        )
        rows = [(row[0], row[1]) for row in await self._session.execute(statement)]
        seats = await self._seats_of([session.id for session, _name in rows], now)
        return [SessionTime(session, name, *seats.get(session.id, (0, None))) for session, name in rows]

    async def _seats_of(self, session_ids: Collection[UUID], now: datetime) -> dict[UUID, tuple[int, datetime | None]]:
        """Of each session: how many seats are taken, and when one was last taken or given back."""
        taken = func.count(Appointment.id.distinct()).filter(_is_taken(now))
        statement = (
            select(Appointment.group_session_id, taken, func.max(AppointmentChange.created_at))
            .outerjoin(AppointmentChange, AppointmentChange.appointment_id == Appointment.id)
            .where(Appointment.group_session_id.in_(session_ids))
            .group_by(Appointment.group_session_id)
        )
        return {row[0]: (row[1], row[2]) for row in await self._session.execute(statement)}


def _living(kind: FeedOwner, owner_id: UUID) -> Sequence[ColumnElement[bool]]:
    return (CalendarFeed.owner_kind == kind, CalendarFeed.owner_id == owner_id, CalendarFeed.ended_at.is_(None))


def _is_taken(now: datetime) -> ColumnElement[bool]:
    """A hold that has run out takes nothing, noticed by a job or not."""
    has_lapsed = and_(Appointment.status == AppointmentStatus.HELD, Appointment.hold_expires_at <= now)
    return and_(Appointment.status.in_(LIVE_STATUSES), ~has_lapsed)


def _shown(since: datetime, now: datetime) -> ColumnElement[bool]:
    """What is over or to come, and holds that still hold."""
    holds = and_(Appointment.status == AppointmentStatus.HELD, Appointment.hold_expires_at > now)
    return and_(Appointment.starts_at >= since, or_(Appointment.status.in_(_TOLD), holds))
