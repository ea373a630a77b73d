"""The list of free times."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from scheduling.availability.grid import offset_at, segments
from scheduling.availability.service import Slot


class TimeSlotItem(BaseModel):
    """A start that can be booked now, in the zone that was asked for."""

    starts_at: datetime
    ends_at: datetime
    practitioner_id: UUID


def render_slots(slots: list[Slot], duration: timedelta, zone: ZoneInfo) -> str:
    """``slots`` as the JSON of a page, instants with ``zone``'s offset.

    Sixty-two days of several practitioners are thousands of items, so this writes the text itself: zones are
    asked once for each stretch of one offset, and nothing is validated that we made ourselves.
    """
    seconds = int(duration.total_seconds())
    if not slots:
        return '{"items":[],"next_cursor":null}'
    clock = _Renderer(slots[0].starts_at, slots[-1].starts_at + seconds, zone)
    people = {one.practitioner_id: json.dumps(str(one.practitioner_id)) for one in slots}
    items = ",".join(
        f'{{"starts_at":"{clock.render(start)}","ends_at":"{clock.render(start + seconds)}",'
        f'"practitioner_id":{people[practitioner_id]}}}'
        for start, practitioner_id in slots
    )
    return f'{{"items":[{items}],"next_cursor":null}}'


class _Renderer:
    """Instants between two bounds as RFC 3339 text of one zone."""

    def __init__(self, first: int, last: int, zone: ZoneInfo) -> None:
        self._zone = zone
        self._stretches = list(self._merge(first, last + 1))
        self._texts: dict[int, str] = {}

    def _merge(self, first: int, last: int) -> Iterator[tuple[int, timezone]]:
        """(end, offset) of the stretches under one offset."""
        current, until = offset_at(first, self._zone), first
        for _, end, offset in segments(first, last, self._zone):
            if offset != current:
                yield until, timezone(timedelta(seconds=current))
                current = offset
            until = end
        yield until, timezone(timedelta(seconds=current))

    def render(self, seconds: int) -> str:
        """One instant; the end of one slot is often the start of another, so texts are kept."""
        text = self._texts.get(seconds)
        if text is None:
            offset = next(offset for end, offset in self._stretches if seconds < end)
            text = self._texts[seconds] = datetime.fromtimestamp(seconds, offset).isoformat()
        return text
