"""Every query of appointments."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import errors as pg_errors
from sqlalchemy import Select, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError

from scheduling.appointments.models import (
    LIVE_STATUSES,
    Appointment,
    AppointmentChange,
    AppointmentLink,
    AppointmentStatus,
    HoldKind,
)
from scheduling.catalogue.models import Practitioner
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate

_NO_OVERLAP = {"ex_appointments_no_overlap", "ex_group_sessions_no_overlap"}

# The status is spelled out so that the exclusion constraint's partial index serves.
# Locked in the order of their ids, as by everybody who locks several.
_RETIRE_HOLDS = text("""
WITH lapsed AS MATERIALIZED (
    SELECT id FROM appointments
    WHERE practitioner_id = CAST(:practitioner_id AS uuid)
      AND occupied && tstzrange(CAST(:begins AS timestamptz), CAST(:ends AS timestamptz))
      AND status = 'held' AND hold_expires_at <= CAST(:now AS timestamptz)
      AND id IS DISTINCT FROM CAST(:except_id AS uuid)
    ORDER BY id FOR UPDATE
)
UPDATE appointments a SET status = 'expired', hold_expires_at = NULL
FROM lapsed WHERE a.id = lapsed.id
RETURNING a.id, a.version, a.hold_kind, a.practitioner_id, a.occupied,
          a.package_purchase_id IS NOT NULL OR a.discount_minor > 0
""")


@dataclass(frozen=True, slots=True)
class ExpiredHold:
    """What is told of a hold that has run out."""

    id: UUID
    version: int
    hold_kind: str | None
    practitioner_id: UUID
    occupied: Range[datetime]
    has_means: bool


@dataclass(frozen=True, slots=True)
class AppointmentFilter:
    """Which appointments are asked for; ``starts`` inclusive and ``ends`` exclusive bound ``starts_at``.

    ``awaiting_approval``: only requests that are still to be answered.
    """

    client_id: UUID | None = None
    practitioner_id: UUID | None = None
    service_id: UUID | None = None
    statuses: Collection[AppointmentStatus] = ()
    starts: datetime | None = None
    ends: datetime | None = None
    awaiting_approval: bool = False


class AppointmentRepository:
    """Appointments and their history in one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def add(self, appointment: Appointment) -> None:
        """Insert now: the exclusion constraint answers here, and history needs the row."""
        self._session.add(appointment)
        await self._session.flush()

    @staticmethod
    def clients_of(practitioner_id: UUID) -> Select[tuple[UUID]]:
        """Ids of the clients of a practitioner, as a part of other queries."""
        statuses = (*LIVE_STATUSES, AppointmentStatus.CANCELLED)
        return (
            select(Appointment.client_id)
            .where(Appointment.practitioner_id == practitioner_id, Appointment.status.in_(statuses))
            .distinct()
        )

    async def flush(self) -> None:
        """Write changes now, so that the exclusion constraint answers here."""
        await self._session.flush()

    def add_change(self, change: AppointmentChange) -> None:
        """Insert with the next flush."""
        self._session.add(change)

    async def find(self, appointment_id: UUID) -> Appointment | None:
        """By id, read anew, or None."""
        statement = select(Appointment).where(Appointment.id == appointment_id)
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def lock(self, appointment_id: UUID) -> Appointment | None:
        """The same, locked until the end of the transaction."""
        statement = select(Appointment).where(Appointment.id == appointment_id).with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def next_of(self, client_ids: Collection[UUID], after: datetime) -> Sequence[Appointment]:
        """The first appointment to come of each of these clients who has one; holds that ran out are none."""
        statement = select(Appointment).where(
            Appointment.client_id.in_(client_ids),
            Appointment.starts_at > after,
            Appointment.status.in_((AppointmentStatus.HELD, AppointmentStatus.CONFIRMED)),
            or_(Appointment.hold_expires_at.is_(None), Appointment.hold_expires_at > clock.now()),
        )
        ordered = statement.order_by(Appointment.client_id, Appointment.starts_at, Appointment.id)
        return (await self._session.scalars(ordered.distinct(Appointment.client_id))).all()

    def add_links(self, links: Iterable[AppointmentLink]) -> None:
        """Insert with the next flush."""
        self._session.add_all(links)

    async def find_link(self, token_hash: str) -> AppointmentLink | None:
        """By the hash of its token, whatever became of it; or None."""
        statement = select(AppointmentLink).where(AppointmentLink.token_hash == token_hash)
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def lock_link(self, link_id: UUID) -> AppointmentLink | None:
        """A link, locked until the end of the transaction, read anew."""
        statement = select(AppointmentLink).where(AppointmentLink.id == link_id).with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def of_series(self, series_id: UUID) -> list[Appointment]:
        """The appointments that were booked together, in order of time, read anew."""
        statement = select(Appointment).where(Appointment.series_id == series_id)
        statement = statement.order_by(Appointment.starts_at, Appointment.id)
        return list((await self._session.scalars(statement.execution_options(populate_existing=True))).all())

    async def lock_all_of_client(self, client_id: UUID) -> None:
        """Lock every appointment of a client until the end of the transaction, in the order of their ids."""
        statement = select(Appointment.id).where(Appointment.client_id == client_id).order_by(Appointment.id)
        await self._session.execute(statement.with_for_update())

    async def lock_practitioner(self, practitioner_id: UUID) -> None:
        """Make those who take this practitioner's time take turns, until the end of the (nested) transaction.

        Without it two overlapping inserts could each wait for the other in the exclusion constraint.
        """
        statement = select(Practitioner.id).where(Practitioner.id == practitioner_id)
        await self._session.execute(statement.with_for_update(key_share=True))

    async def retire_expired_holds(
        self, practitioner_id: UUID, occupied: Range[datetime], except_id: UUID | None
    ) -> Sequence[ExpiredHold]:
        """Make held appointments in the way whose hold has run out ``expired``; answers which."""
        retired = await self._session.execute(
            _RETIRE_HOLDS,
            {
                "practitioner_id": practitioner_id,
                "begins": occupied.lower,
                "ends": occupied.upper,
                "now": clock.now(),
                "except_id": except_id,
            },
        )
        return [ExpiredHold(*row) for row in retired]

    async def note_assigned(self, practitioner_id: UUID) -> None:
        """A booking with "any practitioner" has just fallen to this one, who is locked."""
        statement = update(Practitioner).where(Practitioner.id == practitioner_id)
        await self._session.execute(
            statement.values(last_assigned_at=clock.now()).execution_options(synchronize_session=False)
        )

    async def find_change(self, appointment_id: UUID, kind: str) -> AppointmentChange | None:
        """The latest line of that kind in the history, or None."""
        statement = (
            select(AppointmentChange)
            .where(AppointmentChange.appointment_id == appointment_id, AppointmentChange.kind == kind)
            .order_by(AppointmentChange.created_at.desc(), AppointmentChange.id.desc())
            .limit(1)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def changes(self, appointment_id: UUID) -> Sequence[AppointmentChange]:
        """The whole history of an appointment, oldest first."""
        statement = select(AppointmentChange).where(AppointmentChange.appointment_id == appointment_id)
        statement = statement.order_by(AppointmentChange.created_at, AppointmentChange.id)
        return (await self._session.scalars(statement)).all()

    async def last_changes(self, appointment_ids: Collection[UUID]) -> dict[UUID, datetime]:
        """When the history of each of these last grew; those without a history are left out."""
        statement = (
            select(AppointmentChange.appointment_id, func.max(AppointmentChange.created_at))
            .where(AppointmentChange.appointment_id.in_(appointment_ids))
            .group_by(AppointmentChange.appointment_id)
        )
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def count_holds(self, client_id: UUID) -> int:
        """How many times the client holds unpaid or unanswered right now, but for those that are offered to them."""
        statement = select(func.count()).select_from(Appointment)
        statement = statement.where(
            Appointment.client_id == client_id,
            Appointment.status == AppointmentStatus.HELD,
            Appointment.hold_expires_at > clock.now(),
            Appointment.hold_kind.is_distinct_from(HoldKind.OFFER),
        )
        return (await self._session.scalar(statement)) or 0

    async def has_any_live(self, client_id: UUID) -> bool:
        """Whether the client, or anybody they book for, has or had an appointment that did not come to nothing."""
        is_kept = Appointment.status.in_(
            (AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW)
        )
        is_held = (Appointment.status == AppointmentStatus.HELD) & (Appointment.hold_expires_at > clock.now())
        statement = select(Appointment.id).where(Appointment.client_id == client_id, is_kept | is_held).limit(1)
        return (await self._session.scalar(statement)) is not None

    async def has_any_ahead(self, client_id: UUID) -> bool:
        """Whether the client, or anybody they book for, has a confirmed appointment that is still to come."""
        statement = select(Appointment.id).where(
            Appointment.client_id == client_id,
            Appointment.status == AppointmentStatus.CONFIRMED,
            Appointment.starts_at > clock.now(),
        )
        return (await self._session.scalar(statement.limit(1))) is not None

    async def list_seats_of_client(self, group_session_id: UUID, client_id: UUID) -> Sequence[Appointment]:
        """What a client has, or had, in a session, for themselves and for whom they book."""
        statement = select(Appointment).where(
            Appointment.group_session_id == group_session_id, Appointment.client_id == client_id
        )
        return (await self._session.scalars(statement.order_by(Appointment.id))).all()

    async def find_all(self, appointment_ids: Collection[UUID]) -> dict[UUID, Appointment]:
        """Those that there are, by id, read anew."""
        statement = select(Appointment).where(Appointment.id.in_(appointment_ids))
        rows = await self._session.scalars(statement.execution_options(populate_existing=True))
        return {row.id: row for row in rows}

    async def list_of_client(self, client_id: UUID, begins: datetime, ends: datetime) -> Sequence[Appointment]:
        """A client's appointments of any status that lie in this range, at least in part."""
        statement = select(Appointment).where(
            Appointment.client_id == client_id, Appointment.starts_at < ends, Appointment.ends_at > begins
        )
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).all()

    async def page(
        self, wanted: AppointmentFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[Appointment], str | None]:
        """Appointments in order of time."""
        statement = select(Appointment)
        if wanted.client_id is not None:
            statement = statement.where(Appointment.client_id == wanted.client_id)
        if wanted.practitioner_id is not None:
            statement = statement.where(Appointment.practitioner_id == wanted.practitioner_id)
        if wanted.service_id is not None:
            statement = statement.where(Appointment.service_id == wanted.service_id)
        if wanted.statuses:
            statement = statement.where(Appointment.status.in_(wanted.statuses))
        if wanted.starts is not None:
            statement = statement.where(Appointment.starts_at >= wanted.starts)
        if wanted.ends is not None:
            statement = statement.where(Appointment.starts_at < wanted.ends)
        if wanted.awaiting_approval:
            statement = statement.where(
                Appointment.status == AppointmentStatus.HELD,
                Appointment.hold_kind == HoldKind.APPROVAL,
                Appointment.hold_expires_at > clock.now(),
            )
        keys = [Appointment.starts_at, Appointment.id]
        return await paginate(self._session, statement, keys, limit=limit, cursor=cursor)


def is_overlap(error: IntegrityError) -> bool:
    """Whether it was an exclusion constraint that refused: something else has the time."""
    cause = error.orig
    return isinstance(cause, pg_errors.ExclusionViolation) and cause.diag.constraint_name in _NO_OVERLAP
