"""How long before a visit clients are reminded: what may be set, and what a practice has set."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from tenants.settings.models import PracticeSettings

MOST: Final = 4
NEAREST, FARTHEST = 15, 14 * 24 * 60
"""In minutes before the beginning."""


def _in_order(minutes: list[int]) -> list[int]:
    if len(set(minutes)) < len(minutes):
        raise ValueError("each reminder only once")
    return sorted(minutes, reverse=True)


ReminderMinutes = Annotated[
    list[Annotated[int, Field(ge=NEAREST, le=FARTHEST)]], Field(max_length=MOST), AfterValidator(_in_order)
]
"""Minutes before the beginning, the longest first; an empty list is no reminder at all."""


def note_added(
    since: Mapping[str, str] | None, present: Collection[int], added: Collection[int], now: datetime
) -> dict[str, str] | None:
    """Since when there is each of the ``present`` reminders, in minutes, by what was known and which are ``added`` now.

    Of those that there always were nothing is known.
    """
    known = {minutes: moment for minutes, moment in (since or {}).items() if int(minutes) in present}
    return known | {str(minutes): now.isoformat() for minutes in added} or None


def practice_reminders(settings: PracticeSettings) -> list[int]:
    """The practice's own list; where it has none, the one reminder of ``reminder_hours``."""
    return reminders_of(settings.reminder_minutes, settings.reminder_hours)


def reminders_of(own: Collection[int] | None, hours: int) -> list[int]:
    """The same from the columns, the longest first."""
    return [hours * 60] if own is None else sorted(own, reverse=True)
