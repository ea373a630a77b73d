"""The reminder of a visit by text message: the practice's name, the day, the time, the first name of whose it is if it
is a dependant's, and nothing else.

No service, which may say what the visit is about, and no link: a message with a link looks like fraud, and whoever
borrows the telephone could cancel with it.
"""

from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time

from notifications.composing import Notice
from notifications.formats import describe, language_of
from notifications.texting.encoding import count_segments, fit
from notifications.texting.service import ComposedText, announce_texts, practice_name, register_text_composer
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.reminding import Occasions, due_reminder
from scheduling.appointments.visit_mails import REMINDER, find_reminded, reminder_version
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

_WORDS = {
    "es": "{practice}: recordatorio de {whose}, {day} a las {time}{zone}.",
    "en": "{practice}: reminder of {whose}, {day} at {time}{zone}.",
}
_YOURS = {"es": "tu cita", "en": "your appointment"}
_THEIRS = {"es": "la cita de {name}", "en": "{name}'s appointment"}
_DAY = {"es": "EEEE d 'de' MMMM", "en": "EEEE d MMMM"}


async def compose_reminder_text(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedText | None:
    """To the client, under the same conditions as the mail."""
    del runtime
    found = await find_reminded(session, notice)
    if found is None:
        return None
    booking, useful_until = found
    reader, language = notice.reader, language_of(notice.reader.locale)
    starts_at = booking.appointment.starts_at
    local = starts_at.astimezone(ZoneInfo(reader.timezone))
    zone = describe(starts_at, reader.timezone, reader.locale).zone
    words = partial(
        _WORDS[language].format,
        practice=practice_name(session),
        day=format_date(local, _DAY[language], locale=language),
        time=format_time(local, "HH:mm", locale=language),
        # The place is where the practice is: its own clock goes without saying.
        zone="" if reader.timezone == booking.practitioner.timezone else f" ({zone})",
    )
    whose = [_YOURS[language]]
    if booking.dependant is not None:
        # On one line, and not where it would cost a segment more: a long name, or letters that the alphabet lacks.
        name = " ".join(booking.dependant.first_name.split())
        whose.append(_THEIRS[language].format(name=name))
    texts = [words(whose=one) for one in whose]
    is_dear = count_segments(fit(texts[-1])) > count_segments(fit(texts[0]))
    return ComposedText(texts[0] if is_dear else texts[-1], useful_until)


async def on_appointment_reminder(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.reminder``: by text message too, to whoever agreed to it."""
    if not context.runtime.settings.texts.is_on:
        return
    async with context.runtime.database.tenant(context.tenant) as session:
        appointment = await AppointmentRepository(session).find(UUID(payload["appointment_id"]))
        if appointment is None or appointment.version != int(payload["version"]):
            return
        occasions = await Occasions.of_service(session, appointment.service_id)
        minutes = payload.get("minutes") or due_reminder(occasions.reminders, appointment.starts_at)
        if minutes is None:
            return
        await announce_texts(
            session,
            context.runtime,
            REMINDER,
            subject_id=appointment.id,
            version=reminder_version(appointment.version, minutes),
            client_id=appointment.client_id,
        )


def register_visit_texts() -> None:
    """Register the composer of this module; called at start-up."""
    register_text_composer(REMINDER, compose_reminder_text)
