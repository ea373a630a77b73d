"""When a calendar is read, and from when on its busy times are old."""

import random
from datetime import datetime, timedelta

from scheduling.external_calendars.models import ExternalCalendar
from todoenbalance.kit import clock

EVERY = timedelta(minutes=15)
_LONGEST_WAIT = timedelta(hours=6)
_OLD_AFTER = timedelta(hours=2)
MOST_FAILURES = 3
"""In a row, before the busy times count as old however lately they were read."""
_APART = timedelta(minutes=1)
"""Between two tries that somebody asked for: other people's servers are not ours to hammer."""
_LOST_AFTER = timedelta(minutes=15)
"""A calendar so long overdue has no row in the queue any more, or the queue is far behind."""


def is_stale(calendar: ExternalCalendar) -> bool:
    """Whether its busy times may be old."""
    if calendar.refreshed_at is None or calendar.failures >= MOST_FAILURES:
        return True
    return clock.now() - calendar.refreshed_at > _OLD_AFTER


def next_due(failures: int) -> datetime:
    """When to read it after so many failures in a row; a little different for each calendar, so that those added
    together don't come together for ever."""
    doublings = min(max(failures - 1, 0), 10)
    wait = min(EVERY * float(2**doublings), _LONGEST_WAIT)
    return clock.now() + wait * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, guards nothing


def due_when_asked(calendar: ExternalCalendar) -> datetime | None:
    """When to read it if somebody asks for it now; None if its turn is coming as soon anyway."""
    now = clock.now()
    soonest = max(now, calendar.tried_at + _APART) if calendar.tried_at else now
    is_coming = now - _LOST_AFTER < calendar.due_at <= soonest
    return None if is_coming else soonest
