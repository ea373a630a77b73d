"""The list of free times."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from scheduling.availability.grid import segments

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local wall clock time is reckoned from it


class TimeSlotItem(BaseModel):
    """A start that can be booked now, in the zone that was asked for."""

    starts_at: datetime
    ends_at: datetime
    practitioner_id: UUID


def render_slots(offered: Mapping[UUID, list[int]], duration: timedelta, zone: ZoneInfo) -> str:
    """Starts as the JSON of a page, in order of time, instants with ``zone``'s offset.

    Sixty-two days of several practitioners are thousands of items, so this writes the text itself: each
    instant once, with a zone look-up a day, and nothing is validated that we made ourselves.
    """
    seconds = int(duration.total_seconds())
    starts = {start for many in offered.values() for start in many}
    texts = _render_instants(sorted(starts | {start + seconds for start in starts}), zone)
    items = [
        (start, f'{{"starts_at":"{texts[start]}","ends_at":"{texts[start + seconds]}","practitioner_id":"{one}"}}')
        for one, many in offered.items()
        for start in many
    ]
    items.sort()
    return f'{{"items":[{",".join([text for _, text in items])}],"next_cursor":null}}'


def _render_instants(instants: list[int], zone: ZoneInfo) -> dict[int, str]:
    """RFC 3339 texts of ``instants``, which are in order."""
    if not instants:
        return {}
    texts: dict[int, str] = {}
    times: dict[int, str] = {}
    stretches = segments(instants[0], instants[-1] + 1, zone)
    end, offset, day_text, zone_text = instants[0], 0, "", ""
    for instant in instants:
        while instant >= end:
            begin, end, offset = next(stretches)
            day_text = (_EPOCH + timedelta(seconds=begin + offset)).date().isoformat()
            zone_text = _offset_text(offset)
        time = (instant + offset) % 86_400
        time_text = times.get(time)
        if time_text is None:
            time_text = times[time] = f"T{time // 3600:02}:{time // 60 % 60:02}:{time % 60:02}"
        texts[instant] = f"{day_text}{time_text}{zone_text}"
    return texts


def _offset_text(offset: int) -> str:
    hours, minutes = divmod(abs(offset) // 60, 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"
