"""A mail to send, with everything that one can have."""

from dataclasses import replace
from typing import Any

from notifications.port import Attachment, Mail
from todoenbalance.kit.ids import new_id

CALENDAR = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
TEXT = "Hola, Carla:\n\ntu cita es mañana.\n"
SUBJECT = "Tu cita de mañana"
_MAIL = Mail(
    id=new_id(),
    to="carla@example.com",
    subject=SUBJECT,
    text=TEXT,
    html="<p>Hola, Carla: tu cita es <b>mañana</b>.</p>\n",
    sender_name="Clínica «Núñez», Madrid",
    sender_address="no-reply@todoenbalance.example",
    reply_to="hola@nunez.example",
    headers={"Auto-Submitted": "auto-generated", "Content-Language": "es"},
    attachments=(Attachment("cita.ics", "text/calendar; method=REQUEST; charset=utf-8", CALENDAR),),
)


def make_mail(**changes: Any) -> Mail:
    """One of its own, with an id of its own."""
    return replace(_MAIL, id=new_id(), **changes)
