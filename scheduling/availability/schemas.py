"""The list of free times."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from scheduling.availability.grid import segments
from scheduling.availability.rules import Rule
from scheduling.availability.service import Slot
from todoenbalance.kit.pagination import Page

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local wall clock time is reckoned from it


class TimeSlotItem(BaseModel):
    """A start that can be booked now, in the zone that was asked for."""

    starts_at: datetime
    ends_at: datetime
    practitioner_id: UUID
    seats_left: int | None = Field(default=None, description="Of a group session; null otherwise, or left out.")


class TimeSlotPage(Page[TimeSlotItem]):
    """Free starts in order of time."""


class DayItem(BaseModel):
    """A local day and how many different starts are free on it."""

    date: date
    free: int


class DaySlots(Page[DayItem]):
    """Days in order."""


class ExplainedSlot(BaseModel):
    """Why this practitioner can, or can't, be booked at this start."""

    practitioner_id: UUID
    starts_at: datetime
    free: bool
    rule: Rule | None = Field(description="The first rule that takes it away; null if it is free.")
    rules: list[Rule] = Field(description="All that do, in the order in which they are asked.")
    location_kinds: list[str] = Field(description="Where it could take place.")


class Explanation(Page[ExplainedSlot]):
    """One line for each practitioner who was asked about."""


def render_slots(slots: Sequence[Slot], zone: ZoneInfo) -> str:
    """Slots, which are in order of time, as the JSON of a page, instants with ``zone``'s offset.

    Sixty-two days of several practitioners are thousands of items, so this writes the text itself: each
    instant once, with a zone look-up a day, and nothing is validated that we made ourselves.
    """
    texts = _render_instants(sorted({slot[0] for slot in slots} | {slot[1] for slot in slots}), zone)
    items = [
        f'{{"starts_at":"{texts[start]}","ends_at":"{texts[end]}","practitioner_id":"{one}"}}'
        if seats is None
        else f'{{"starts_at":"{texts[start]}","ends_at":"{texts[end]}","practitioner_id":"{one}","seats_left":{seats}}}'
        for start, end, one, seats in slots
    ]
    return f'{{"items":[{",".join(items)}],"next_cursor":null}}'


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
