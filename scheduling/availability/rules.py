"""How a service may be booked: its own rules, who offers it, and what comes back in their calendars."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling.availability.repository import Block, Days, OfferRow, Opening, Window, find_offer
from scheduling.recurrence import days_of
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.holidays import holidays_between

_DAY = timedelta(days=1)
LONGEST_BLOCK = timedelta(days=7)
"""So long may one occurrence of a recurring block be."""


class Rule(StrEnum):
    """What may take a start away, in the order in which it is asked; the first one is what ``explain`` names.

    The last three are the doing of other bookings: without them the time would be offered.
    """

    NOT_OFFERED = "not_offered"
    MINIMUM_NOTICE = "minimum_notice"
    HORIZON = "horizon"
    GRID = "grid"
    PUBLIC_HOLIDAY = "public_holiday"
    OPENING_HOURS = "opening_hours"
    BLOCKED = "blocked"
    EXTERNAL_CALENDAR = "external_calendar"
    DAY_CAP = "day_cap"
    WEEK_CAP = "week_cap"
    TAKEN = "taken"


BY_OTHER_BOOKINGS = frozenset({Rule.DAY_CAP, Rule.WEEK_CAP, Rule.TAKEN})


@dataclass(frozen=True, slots=True)
class RuledHours:
    """Hours on some of the weekdays only; ``location_kinds`` None is anywhere."""

    weekday: int
    start_time: time
    end_time: time
    rrule: str
    anchor_date: date
    valid_from: date | None
    valid_until: date | None
    location_kinds: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class RuledBlock:
    """A block that comes back."""

    start_time: time
    duration: timedelta
    rrule: str
    anchor_date: date
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who offers the service: their clock, how long they take, what they charge (minor units)."""

    id: UUID
    timezone: str
    duration: timedelta
    price_minor: int
    works_on_holidays: bool = False
    hours: tuple[RuledHours, ...] = ()
    blocks: tuple[RuledBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """How a service may be booked, as of now. ``location_kinds``: where, in the service's order.

    ``by_location``: somebody's hours hold in some places only. ``capacity``: None for one client at a time.
    """

    service_id: UUID
    buffer_before: timedelta
    buffer_after: timedelta
    minimum_notice: timedelta
    horizon: timedelta
    grid_minutes: int
    location_kinds: tuple[str, ...]
    people: Mapping[UUID, Person]
    max_per_day: int | None = None
    max_per_week: int | None = None
    capacity: int | None = None
    by_location: bool = False
    holidays_country: str | None = None
    holidays_region: str | None = None

    @property
    def has_caps(self) -> bool:
        """Whether one practitioner gives only so many."""
        return self.max_per_day is not None or self.max_per_week is not None

    @property
    def longest(self) -> timedelta:
        """The longest that anybody takes."""
        return max((one.duration for one in self.people.values()), default=timedelta(0))

    def of_people(self, ids: Iterable[UUID]) -> Self:
        """The same, of these only, as far as they offer it."""
        return replace(self, people={key: self.people[key] for key in ids if key in self.people})

    def at_place(self, location_kind: str | None) -> Self:
        """The same, in this place only; None is any of the service's."""
        return self if location_kind is None else replace(self, location_kinds=(location_kind,))

    def as_booked(
        self, practitioner_id: UUID, duration: timedelta, before: timedelta, after: timedelta, location_kind: str
    ) -> Self:
        """For a time that was offered once: its own length, buffers and place; notice, grid and caps don't matter."""
        people = self.of_people([practitioner_id]).people
        return replace(
            self,
            people={key: replace(one, duration=duration) for key, one in people.items()},
            buffer_before=before,
            buffer_after=after,
            location_kinds=(location_kind,),
            minimum_notice=timedelta(0),
            horizon=timedelta(days=36_500),
            grid_minutes=1,
            max_per_day=None,
            max_per_week=None,
        )

    def window(self, starts: datetime, ends: datetime, now: datetime, except_id: UUID | None = None) -> Window:
        """The question for times of this service between two instants."""
        zones = {one.timezone: ZoneInfo(one.timezone) for one in self.people.values()}
        spans = {name: _local_days(starts, ends, zone) for name, zone in zones.items()}
        holidays = self._holidays(spans.values())
        return Window(
            people=[(one.id, one.timezone, one.works_on_holidays) for one in self.people.values()],
            kinds=list(self.location_kinds) if self.by_location else [""],
            starts=starts,
            ends=ends,
            now=now,
            buffer_before=self.buffer_before,
            buffer_after=self.buffer_after,
            holidays=sorted(holidays),
            openings=[
                opening for one in self.people.values() for opening in _openings(one, spans[one.timezone], holidays)
            ],
            blocks=[block for one in self.people.values() for block in _blocks(one, spans[one.timezone])],
            except_id=except_id,
        )

    def _holidays(self, spans: Iterable[Days]) -> frozenset[date]:
        if self.holidays_country is None:
            return frozenset()
        days = list(spans)
        if not days:
            return frozenset()
        first, last = min(one[0] for one in days), max(one[1] for one in days)
        return holidays_between(self.holidays_country, self.holidays_region, first, last)


def _local_days(starts: datetime, ends: datetime, zone: ZoneInfo) -> Days:
    return starts.astimezone(zone).date(), ends.astimezone(zone).date()


def _openings(one: Person, days: Days, holidays: frozenset[date]) -> Iterable[Opening]:
    for hours in one.hours:
        first = max(days[0], hours.valid_from or days[0])
        last = min(days[1], hours.valid_until or days[1])
        for day in days_of(hours.rrule, hours.anchor_date, first, last, weekday=hours.weekday):
            is_holiday = day in holidays and not one.works_on_holidays
            yield Opening(one.id, day, hours.start_time, hours.end_time, hours.location_kinds, is_holiday)


def _blocks(one: Person, days: Days) -> Iterable[Block]:
    for block in one.blocks:
        first, last = days[0] - LONGEST_BLOCK - _DAY, min(days[1], block.valid_until or days[1])
        for day in days_of(block.rrule, block.anchor_date, first, last):
            yield Block(one.id, day, block.start_time, block.duration)


async def load_rules(session: TenantSession, service_id: UUID, *, include_archived: bool = False) -> Rules:
    """How a service may be booked, in one statement. Raises :class:`NotFoundError`, also for an archived one."""
    rows = await find_offer(session, service_id)
    if not rows or (rows[0].archived and not include_archived):
        raise NotFoundError
    service = rows[0]
    return Rules(
        service_id=service_id,
        buffer_before=timedelta(minutes=service.buffer_before_minutes),
        buffer_after=timedelta(minutes=service.buffer_after_minutes),
        minimum_notice=timedelta(minutes=service.minimum_notice_minutes),
        horizon=timedelta(days=service.horizon_days),
        grid_minutes=service.grid_minutes,
        location_kinds=tuple(service.location_kinds),
        people={row.practitioner_id: _person(row) for row in rows if row.practitioner_id is not None},
        max_per_day=service.max_per_day,
        max_per_week=service.max_per_week,
        capacity=service.capacity,
        by_location=any(row.by_location for row in rows),
        holidays_country=service.holidays_country,
        holidays_region=service.holidays_region,
    )


def _person(row: OfferRow) -> Person:
    assert row.practitioner_id is not None and row.timezone is not None  # noqa: S101, PT018 - asked by the caller
    return Person(
        id=row.practitioner_id,
        timezone=row.timezone,
        duration=timedelta(minutes=row.own_duration_minutes or row.duration_minutes),
        price_minor=row.price_minor if row.own_price_minor is None else row.own_price_minor,
        works_on_holidays=bool(row.works_on_holidays),
        hours=tuple(
            RuledHours(
                weekday=hours["weekday"],
                start_time=time.fromisoformat(hours["start_time"]),
                end_time=time.fromisoformat(hours["end_time"]),
                rrule=hours["rrule"],
                anchor_date=date.fromisoformat(hours["anchor_date"]),
                valid_from=_date(hours["valid_from"]),
                valid_until=_date(hours["valid_until"]),
                location_kinds=None if hours["location_kinds"] is None else tuple(hours["location_kinds"]),
            )
            for hours in row.ruled_hours or ()
        ),
        blocks=tuple(
            RuledBlock(
                start_time=time.fromisoformat(block["start_time"]),
                duration=timedelta(minutes=block["duration_minutes"]),
                rrule=block["rrule"],
                anchor_date=date.fromisoformat(block["anchor_date"]),
                valid_until=_date(block["valid_until"]),
            )
            for block in row.ruled_blocks or ()
        ),
    )


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
