"""The mail that an appointment takes place elsewhere, or by another link, at the same time."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from notifications.recipients import Recipient
from notifications.service import ComposedMail, MailFilter, Notice, announce, list_email_logs, register_composer
from scheduling.appointments.history import ChangeKind
from scheduling.appointments.mails import CONFIRMED, MOVED, compose_standing
from scheduling.appointments.models import Appointment
from scheduling.appointments.repository import AppointmentRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

CHANGED = "appointment_changed"
WRITTEN_WITHIN: Final = timedelta(seconds=10)
"""So long after its line of the history a change may not be committed yet, and mails are made without it."""


async def compose_changed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the client, of an appointment that is still ahead, as it stands now, with the entry for their calendar.

    Nothing if it changed again since, or another mail of after the change has said so.
    """
    appointment = await AppointmentRepository(session).find(notice.subject_id)
    if appointment is None or appointment.sequence != notice.version or appointment.starts_at <= clock.now():
        return None
    if await _was_told_since(session, appointment):
        return None
    return await compose_standing(session, runtime, replace(notice, version=appointment.version))


async def _was_told_since(session: TenantSession, appointment: Appointment) -> bool:
    """Whether the confirmation, or the mail of a move, was late and so had the new place in it. One that was made while
    the change was being written had not: rather twice than never."""
    change = await AppointmentRepository(session).find_change(appointment.id, ChangeKind.MEETING)
    if change is None:
        return False
    wanted = MailFilter(client_ids={appointment.client_id}, subject_id=appointment.id)
    rows, _ = await list_email_logs(session, wanted)
    return any(
        row.kind in (CONFIRMED, MOVED)
        and row.sent_at is not None
        and row.created_at > change.created_at + WRITTEN_WITHIN
        for row in rows
    )


async def on_appointment_changed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.changed``: tell the client, unless it has changed again since, which has an event of its own."""
    async with context.runtime.database.tenant(context.tenant) as session:
        appointment = await AppointmentRepository(session).find(UUID(payload["appointment_id"]))
        if appointment is None or appointment.sequence != payload["sequence"]:
            return
        client = [Recipient.client(appointment.client_id)]
        await announce(session, CHANGED, subject_id=appointment.id, version=appointment.sequence, recipients=client)


def register_changed_mail() -> None:
    """Register the composer of this module; called at start-up, with the other mails of appointments."""
    register_composer(CHANGED, compose_changed)
