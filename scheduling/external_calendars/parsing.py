"""From an iCalendar file (RFC 5545) to the periods in which its owner is busy.

Run as a program it does so in a process of its own, which :mod:`.reading` limits in time and memory: the file is a
stranger's, and a rule of one line can mean more occurrences than there is memory for.
"""

import json
import resource
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import recurring_ical_events  # type: ignore[import-untyped]  # it ships no types
from icalendar import Calendar, Component
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from scheduling.external_calendars.errors import ReadFailedError, ReadFailure
from todoenbalance.kit.zones import is_zone

MOST_OCCURRENCES = 20_000
_MOST_COMPONENTS = 20_000
_MOST_LINES = 250_000
_MEMORY_BYTES = 1024**3
_PROCESSOR_SECONDS = 60
"""The last word where whoever waits for the answer is gone: a killed worker's child ends too."""
_DAY = timedelta(days=1)

Period = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class ParsingTask:
    """``zone`` is that of whole days and of times without a zone, unless the calendar names its own. Only what
    lies between ``begins`` and ``ends`` (Unix times) counts; events whose UID ends in ``own_suffix`` are ours."""

    zone: str
    begins: int
    ends: int
    own_suffix: str


def read_busy_times(content: bytes, task: ParsingTask) -> list[Period]:
    """The busy periods in UTC, in order and disjoint.

    What says of itself that it takes no time is left out (RFC 5545, 3.8.2.7, 3.8.1.11), and so are events that
    can't be made sense of. Raises :class:`ReadFailedError` for a file that can't, or of too many events.
    """
    if content.count(b"BEGIN:") > _MOST_COMPONENTS or content.count(b"\n") > _MOST_LINES:
        raise ReadFailedError(ReadFailure.TOO_MANY_EVENTS)
    begins, ends = datetime.fromtimestamp(task.begins, UTC), datetime.fromtimestamp(task.ends, UTC)
    found: list[Period] = []
    for calendar in _calendars(content):
        zone = _zone_of(calendar) or ZoneInfo(task.zone)
        for event in _occurrences(calendar, task.own_suffix, begins, ends):
            found.extend(_period(event, zone, begins, ends))
            if len(found) > MOST_OCCURRENCES:
                raise ReadFailedError(ReadFailure.TOO_MANY_EVENTS)
    return merge(found)


def _calendars(content: bytes) -> list[Component]:
    found: list[Component]
    try:
        found = [one for one in Calendar.from_ical(content, multiple=True) if one.name == "VCALENDAR"]
    except Exception as error:  # the library's own errors are of many kinds; a stranger's file may raise any
        raise ReadFailedError(ReadFailure.UNREADABLE) from error
    if not found:
        raise ReadFailedError(ReadFailure.UNREADABLE)
    return found


def _zone_of(calendar: Component) -> ZoneInfo | None:
    """What the calendar says its zone is: X-WR-TIMEZONE is no standard, but everybody writes it."""
    name = str(calendar.get("X-WR-TIMEZONE", "")).strip()
    name = WINDOWS_TO_OLSON.get(name, name)
    return ZoneInfo(name) if is_zone(name) else None


def _occurrences(calendar: Component, own_suffix: str, begins: datetime, ends: datetime) -> Iterator[Component]:
    """Every occurrence that may lie in the span, event by event, so that a broken one takes no other with it."""
    events = [event for event in calendar.walk("VEVENT") if not _uid(event).endswith(own_suffix)]
    for uid, group in groupby(sorted(events, key=_uid), key=_uid):
        # Without a UID nothing says that they belong together.
        for series in [list(group)] if uid else [[event] for event in group]:
            if any(_takes_time(event) for event in series):
                yield from _expand(series, begins, ends)


def _expand(series: list[Component], begins: datetime, ends: datetime) -> list[Component]:
    alone = Calendar()
    alone.subcomponents = list(series)
    found: list[Component] = []
    try:
        _check_rules(series)
        # Whole days and times without a zone are compared as if they were UTC: a day more on both sides.
        for one in recurring_ical_events.of(alone).series:
            for occurrence in one.between(begins - _DAY, ends + _DAY):
                found.append(occurrence.as_component(keep_recurrence_attributes=False))
                if len(found) > MOST_OCCURRENCES:
                    raise ReadFailedError(ReadFailure.TOO_MANY_EVENTS)
    except ReadFailedError:
        raise
    except Exception:  # as above: whatever is wrong with this event, the others count
        return []
    return [event for event in found if _takes_time(event)]


def _check_rules(series: list[Component]) -> None:
    """Raises ``ValueError`` for a rule that steps on the spot, :class:`ReadFailedError` for one of minutes: the
    library lists every occurrence of the span before the first can be counted."""
    for event in series:
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            if any(int(interval) < 1 for interval in rule.get("INTERVAL", [])):
                raise ValueError("an interval of nothing")
            if any(str(unit).upper() in ("SECONDLY", "MINUTELY") for unit in rule.get("FREQ", [])):
                raise ReadFailedError(ReadFailure.TOO_MANY_EVENTS)


def _uid(event: Component) -> str:
    return str(event.get("UID", "")).strip()


def _takes_time(event: Component) -> bool:
    """Outlook has a busy status of its own ([MS-OXCICAL], 2.1.3.1.1.20.31) and may leave TRANSP out."""
    said = {name: str(event.get(name, "")).strip().upper() for name in _SAY_FREE}
    return not any(said[name] == free for name, free in _SAY_FREE.items())


_SAY_FREE = {"TRANSP": "TRANSPARENT", "STATUS": "CANCELLED", "X-MICROSOFT-CDO-BUSYSTATUS": "FREE"}


def _period(event: Component, zone: ZoneInfo, begins: datetime, ends: datetime) -> list[Period]:
    """The part of an occurrence that lies in the span, if any does."""
    try:
        start, end = (_instant(getattr(event.get(name), "dt", None), zone) for name in ("DTSTART", "DTEND"))
    except (ValueError, OverflowError):
        return []
    start, end = max(start, begins), min(end, ends)
    return [(start, end)] if start < end else []


def _instant(value: object, zone: ZoneInfo) -> datetime:
    if not isinstance(value, date):
        raise ValueError("neither a day nor a time")
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    # A file's own definition of a zone may be anything; its offset is all that counts.
    return (value if value.tzinfo is not None else value.replace(tzinfo=zone)).astimezone(UTC)


def merge(periods: Iterable[Period]) -> list[Period]:
    """The same time as disjoint periods in order; those that touch become one."""
    merged: list[Period] = []
    for start, end in sorted(periods):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


# ---- in a process of its own


def encode_task(task: ParsingTask) -> str:
    """As the program's one argument."""
    return json.dumps(asdict(task))


def main() -> None:
    """The file on standard input, the task as the argument; the answer on standard output, as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_SECONDS, _PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    task = ParsingTask(**json.loads(sys.argv[1]))
    answer: dict[str, Any]
    try:
        periods = read_busy_times(sys.stdin.buffer.read(), task)
        answer = {"busy": [[int(start.timestamp()), int(end.timestamp())] for start, end in periods]}
    except ReadFailedError as error:
        answer = {"failure": error.failure.value}
    except (MemoryError, RecursionError):
        answer = {"failure": ReadFailure.TOO_MANY_EVENTS.value}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
