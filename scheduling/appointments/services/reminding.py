"""When clients are written to about a visit by itself: reminders before it, a word after it.

Each is a row of the queue for its moment, made with the booking. What the service or the practice says at that moment
decides: a reminder that is not wanted any more is not sent, and one that was added meanwhile has rows made for the
visits that are booked already. Repeating any of it is harmless, since each mail goes once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from sqlalchemy import select, true

from scheduling.appointments.events import APPOINTMENT_FOLLOW_UP, APPOINTMENT_REMINDER
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.catalogue.models import Service
from tenants.settings.models import PracticeSettings
from tenants.settings.reminders import reminders_of
from tenants.settings.service import SETTLED_AFTER
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.publish import publish

TOOK_PLACE = (AppointmentStatus.COMPLETED, AppointmentStatus.CONFIRMED)
"""Of a visit that is over: nobody said that the client did not come."""


@dataclass(frozen=True, slots=True)
class Occasions:
    """When the clients of a service are written to: minutes before, the longest first, and hours after.

    ``since``: when reminders were added, of those that there were not always.
    """

    reminders: Sequence[int]
    follow_up_hours: int | None
    since: Mapping[int, datetime] = field(default_factory=dict)

    def are_queued_for(self, starts_at: datetime, besides: int) -> list[int]:
        """Those that a visit then is reminded by, and the one that is asked about. One that was added when its moment
        was past, or about to be, has no row in the queue, so no other is to be left out for its sake."""
        return [
            one
            for one in self.reminders
            if one == besides
            or one not in self.since
            or starts_at - timedelta(minutes=one) > self.since[one] + SETTLED_AFTER
        ]

    @classmethod
    async def of_service(cls, session: TenantSession, service_id: UUID) -> Self:
        """As the service has it now, or else the practice."""
        statement = (
            select(
                Service.reminder_minutes,
                Service.follow_up_hours,
                PracticeSettings.reminder_minutes,
                PracticeSettings.reminder_hours,
                Service.reminders_since,
                PracticeSettings.reminders_since,
            )
            .join(PracticeSettings, true())
            .where(Service.id == service_id)
        )
        own, follow_up_hours, practices, hours, *added = (await session.execute(statement)).one()
        if own is not None:
            return cls(reminders_of(own, hours), follow_up_hours, _latest(added[:1]))
        return cls(reminders_of(practices, hours), follow_up_hours, _latest(added))


def _latest(added: Sequence[Mapping[str, str] | None]) -> dict[int, datetime]:
    """When each reminder came to be, of a service that has the practice's since it follows them."""
    found: dict[int, datetime] = {}
    for known in added:
        for minutes, moment in (known or {}).items():
            at = datetime.fromisoformat(moment)
            found[int(minutes)] = max(at, found.get(int(minutes), at))
    return found


def is_useful(reminders: Collection[int], minutes: int, starts_at: datetime) -> bool:
    """Whether the reminder of so many ``minutes`` before is wanted, and not :func:`too late <worth_sending_until>`."""
    return minutes in reminders and clock.now() < worth_sending_until(reminders, minutes, starts_at)


def worth_sending_until(reminders: Collection[int], minutes: int, starts_at: datetime) -> datetime:
    """A late reminder is worth sending until the next one is due, the last one until the beginning."""
    nearer = max((one for one in reminders if one < minutes), default=0)
    return starts_at - timedelta(minutes=nearer)


def due_reminder(reminders: Collection[int], starts_at: datetime) -> int | None:
    """The one that was due last, in minutes before; None if none was yet, or it has begun."""
    left = starts_at - clock.now()
    if left <= timedelta():
        return None
    return min((one for one in reminders if left <= timedelta(minutes=one)), default=None)


async def queue_visit_mails(session: TenantSession, appointment: Appointment) -> None:
    """Have the client of a confirmed appointment written to before and after it, unless that would be in the past."""
    occasions = await Occasions.of_service(session, appointment.service_id)
    for minutes in occasions.reminders:
        await _queue_reminder(session, appointment.id, appointment.version, appointment.starts_at, minutes)
    if occasions.follow_up_hours is not None:
        hours = occasions.follow_up_hours
        await _queue_follow_up(session, appointment.id, appointment.version, appointment.ends_at, hours)


async def queue_added_reminder(session: TenantSession, minutes: int, service_id: UUID | None = None) -> None:
    """The same for a reminder that a service, or (None) the practice, has had added, and who has booked already."""
    statement = select(Appointment.id, Appointment.version, Appointment.starts_at).where(
        Appointment.status == AppointmentStatus.CONFIRMED,
        Appointment.starts_at > clock.now() + timedelta(minutes=minutes),
    )
    if service_id is not None:
        statement = statement.where(Appointment.service_id == service_id)
    else:
        follows = select(Service.id).where(Service.reminder_minutes.is_(None))
        statement = statement.where(Appointment.service_id.in_(follows))
    for found in await session.execute(statement):
        await _queue_reminder(session, found.id, found.version, found.starts_at, minutes)


async def queue_changed_follow_up(session: TenantSession, service_id: UUID, hours: int) -> None:
    """The same for the word after the visit; visits whose moment is past get none."""
    statement = select(Appointment.id, Appointment.version, Appointment.ends_at).where(
        Appointment.service_id == service_id,
        Appointment.status.in_(TOOK_PLACE),
        Appointment.ends_at > clock.now() - timedelta(hours=hours),
    )
    for found in await session.execute(statement):
        await _queue_follow_up(session, found.id, found.version, found.ends_at, hours)


async def _queue_reminder(
    session: TenantSession, appointment_id: UUID, version: int, starts_at: datetime, minutes: int
) -> None:
    remind_at = starts_at - timedelta(minutes=minutes)
    if remind_at > clock.now():
        payload: dict[str, str | int] = {"appointment_id": str(appointment_id), "version": version, "minutes": minutes}
        await publish(session, APPOINTMENT_REMINDER, payload, run_at=remind_at)


async def _queue_follow_up(
    session: TenantSession, appointment_id: UUID, version: int, ends_at: datetime, hours: int
) -> None:
    due_at = ends_at + timedelta(hours=hours)
    if due_at > clock.now():
        payload: dict[str, str | int] = {"appointment_id": str(appointment_id), "version": version, "hours": hours}
        await publish(session, APPOINTMENT_FOLLOW_UP, payload, run_at=due_at)
