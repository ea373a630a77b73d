"""What appointments store about a client, and what an erasure does with those to come."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, update

from billing.payments.service import lock_payments_of_client, paid_payables
from billing.refunds.service import paid_for_payable
from scheduling.appointments.events import MONEY_KINDS
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentChange, AppointmentLink, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.means import lock_means_of
from scheduling.appointments.services.quoting import RefundChoice, refund_of
from scheduling.catalogue.service import get_practitioner, get_service
from tenants.privacy.port import (
    Action,
    Cancellation,
    DataClass,
    Json,
    Person,
    Reason,
    Treatment,
    facts,
    listed,
    years_after,
)
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.retention import Retention

ENDED_LINKS = Retention(
    AppointmentLink,
    "links in mails about appointments (hashed), after the appointment began",
    timedelta(days=1),
    lambda before: AppointmentLink.expires_at < before,
)

_APPOINTMENT = (
    "id",
    "dependant_id",
    "status",
    "starts_at",
    "ends_at",
    "location_kind",
    "meeting_url",
    "notes",
    "cancelled_by",
    "cancelled_at",
    "cancellation_reason",
    "created_at",
)
_OF_THE_STAFF = ("private_notes",)
"""Part of the record of the treatment, and so sealed with it; a professional may keep their own annotations from
the person (Ley 41/2002, art. 18.3), so no export has them."""
_CHANGE = ("kind", "actor_kind", "detail", "created_at")


def _is_to_come(row: Appointment) -> bool:
    """Whether an erasure cancels it: every hold, and what is confirmed and has not begun."""
    is_ahead = row.status == AppointmentStatus.CONFIRMED and row.starts_at > clock.now()
    return is_ahead or row.status == AppointmentStatus.HELD


def _is_visit(row: Appointment) -> bool:
    """Whether it is a part of the record of the treatment: it took place, or was kept free for the person."""
    has_begun = row.status == AppointmentStatus.CONFIRMED and row.starts_at <= clock.now()
    return has_begun or row.status in (AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW)


class AppointmentData:
    """Visits are kept, sealed; bookings that came to nothing are not."""

    name = "appointments"
    tables = frozenset({"appointments", "appointment_changes", "appointment_links"})
    classes = frozenset({DataClass.VISITS, DataClass.BOOKINGS})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Mails are about appointments, and about series of them."""
        rows = await session.execute(
            select(Appointment.id, Appointment.series_id).where(Appointment.client_id == client_id)
        )
        return frozenset(one for row in rows for one in row if one is not None)

    async def export(self, session: TenantSession, person: Person) -> Json:
        """With notes and history."""
        return {"appointments": await _describe(session, await _rows_of(session, person.id))}

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """By what became of each appointment; the last visit says how long all visits are kept."""
        rows = await _rows_of(session, person.id)
        visits = [row for row in rows if _is_visit(row)]
        to_come = [row for row in rows if _is_to_come(row) or row.id in person.cancelled_ids]
        others = [row for row in rows if row not in visits and row not in to_come]
        owed = await paid_payables(session, MONEY_KINDS, [row.id for row in others])
        return [
            Treatment(
                DataClass.VISITS,
                Action.BLOCK,
                len(visits),
                Reason.CLINICAL_RECORD,
                _kept_until(session, visits, person.settings.records_years),
                keeps=frozenset(row.dependant_id for row in visits if row.dependant_id is not None),
            ),
            Treatment(DataClass.BOOKINGS, Action.ANONYMISE, len(to_come), Reason.CALENDAR),
            Treatment(DataClass.BOOKINGS, Action.ANONYMISE, len(owed), Reason.MONEY_ON_ITS_WAY),
            Treatment(DataClass.BOOKINGS, Action.DELETE, len(others) - len(owed), Reason.NOT_NEEDED),
        ]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Rows that stay keep their time and price, and nothing that anybody wrote."""
        rows = await _rows_of(session, person.id)
        visits = [row for row in rows if _is_visit(row)]
        kept = await _describe(session, visits, *_OF_THE_STAFF)
        others = [row.id for row in rows if row not in visits and row.id not in person.cancelled_ids]
        owed = await paid_payables(session, MONEY_KINDS, others)
        gone = [one for one in others if one not in owed]
        await session.execute(delete(Appointment).where(Appointment.id.in_(gone)))
        mine = select(Appointment.id).where(Appointment.client_id == person.id)
        await session.execute(delete(AppointmentLink).where(AppointmentLink.appointment_id.in_(mine)))
        await session.execute(
            update(AppointmentChange).where(AppointmentChange.appointment_id.in_(mine)).values(detail={})
        )
        await session.execute(
            update(Appointment)
            .where(Appointment.client_id == person.id)
            .values(notes=None, private_notes=None, cancellation_reason=None, meeting_url=None, dependant_id=None)
        )
        return {"visits": kept} if kept else {}


async def _rows_of(session: TenantSession, client_id: UUID) -> list[Appointment]:
    statement = select(Appointment).where(Appointment.client_id == client_id)
    statement = statement.order_by(Appointment.starts_at, Appointment.id).execution_options(populate_existing=True)
    return list((await session.scalars(statement)).all())


async def _describe(session: TenantSession, rows: Sequence[Appointment], *more: str) -> list[Json]:
    history = await _history_of(session, [row.id for row in rows])
    return [
        {
            **facts(row, *_APPOINTMENT, *more),
            "service": (await get_service(session, row.service_id)).name,
            "practitioner": (await get_practitioner(session, row.practitioner_id)).name,
            "price": {"amount": row.price_minor, "currency": row.currency},
            "history": listed(history.get(row.id, ()), *_CHANGE),
        }
        for row in rows
    ]


async def _history_of(session: TenantSession, appointment_ids: Collection[UUID]) -> dict[UUID, list[AppointmentChange]]:
    statement = select(AppointmentChange).where(AppointmentChange.appointment_id.in_(appointment_ids))
    found: dict[UUID, list[AppointmentChange]] = {}
    for change in await session.scalars(statement.order_by(AppointmentChange.created_at, AppointmentChange.id)):
        found.setdefault(change.appointment_id, []).append(change)
    return found


def _kept_until(session: TenantSession, visits: Sequence[Appointment], years: int) -> date | None:
    """So many years after the last visit's day on the practice's calendar."""
    if not visits:
        return None
    zone = ZoneInfo(session.tenant.timezone)
    return years_after(max(row.ends_at for row in visits).astimezone(zone).date(), years)


class AppointmentCancelling:
    """Everything to come is cancelled as the client would, with what that gives back, whatever the notice."""

    async def preview(self, session: TenantSession, client_id: UUID) -> list[Cancellation]:
        """By the rule of cancelling, as of now."""
        rows = [row for row in await _rows_of(session, client_id) if _is_to_come(row)]
        return [Cancellation(row.id, row.starts_at, await _would_give_back(session, row)) for row in rows]

    async def cancel(self, session: TenantSession, client_id: UUID) -> list[Cancellation]:
        """Payments are locked before appointments, and all of these at once.

        A late payment that is settling then either comes first, and what it confirms is cancelled here, or it
        finds the person erased.
        """
        await lock_payments_of_client(session, client_id)
        await AppointmentRepository(session).lock_all_of_client(client_id)
        rows = [row for row in await _rows_of(session, client_id) if _is_to_come(row)]
        await lock_means_of(session, [row.id for row in rows])
        done = [await cancel_appointment(session, row.id, actor=Actor.client(client_id)) for row in rows]
        return [Cancellation(one.appointment.id, one.appointment.starts_at, one.refund) for one in done]


async def _would_give_back(session: TenantSession, row: Appointment) -> Money | None:
    paid = await paid_for_payable(session, MONEY_KINDS, row.id)
    return refund_of(paid, row, RefundChoice.POLICY, clock.now()) if paid.captured else None
