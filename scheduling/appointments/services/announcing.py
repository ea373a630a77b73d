"""Telling of appointments: events for the mails, with the reminder."""

from datetime import timedelta

from scheduling.appointments.events import APPOINTMENT_HOLD_EXPIRY, APPOINTMENT_REMINDER
from scheduling.appointments.models import Appointment
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.publish import Payload, publish


async def announce_appointment(session: TenantSession, appointment: Appointment, topic: str) -> None:
    """Tell of a confirmed time, and queue its reminder unless that would be in the past."""
    payload: Payload = {"appointment_id": str(appointment.id), "version": appointment.version}
    await publish(session, topic, payload)
    settings = await get_practice_settings(session)
    remind_at = appointment.starts_at - timedelta(hours=settings.reminder_hours)
    if remind_at > clock.now():
        await publish(session, APPOINTMENT_REMINDER, payload, run_at=remind_at)


async def queue_hold_expiry(session: TenantSession, appointment: Appointment) -> None:
    """Have the time given free when the hold runs out."""
    payload = {"appointment_id": str(appointment.id)}
    await publish(session, APPOINTMENT_HOLD_EXPIRY, payload, run_at=appointment.hold_expires_at)
