"""What staff may set of when practitioners work: weekly hours, one-off openings, blocked periods."""

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from scheduling.catalogue.schemas import LocationKinds
from scheduling.fields import ClosingTime, Day, Instant, Note, Patch, WallTime, refuse_null
from scheduling.recurrence import LONGEST_RULE, check_rule

LONGEST_SPAN = timedelta(days=732)
"""The longest one-off opening or block; longer ones are typing errors."""

Weekday = Annotated[int, Field(ge=1, le=7)]
Rule = Annotated[
    str,
    StringConstraints(max_length=LONGEST_RULE),
    AfterValidator(check_rule),
    Field(
        description="An RRULE of days (RFC 5545, 3.3.10), counted from `anchor_date`.",
        examples=["FREQ=WEEKLY;INTERVAL=2"],
    ),
]
BlockMinutes = Annotated[int, Field(ge=5, le=10_080)]


class _Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    practitioner_id: UUID
    created_at: datetime


class RecurringTimeSlotRead(_Row):
    """Weekly hours in the practitioner's zone."""

    weekday: int
    start_time: WallTime
    end_time: ClosingTime
    valid_from: date | None
    valid_until: date | None
    rrule: str | None
    anchor_date: date | None
    location_kinds: list[str] | None


class RecurringTimeSlotCreate(BaseModel):
    """New weekly hours: ISO weekday (1 Monday to 7 Sunday), local times (until `24:00`), dates inclusive.

    With `rrule` and its first day `anchor_date` only some of the weekdays count, such as every other week.
    `location_kinds`: where they work then; null is anywhere.
    """

    model_config = ConfigDict(extra="forbid")

    practitioner_id: UUID
    weekday: Weekday
    start_time: WallTime
    end_time: ClosingTime
    valid_from: Day | None = None
    valid_until: Day | None = None
    rrule: Rule | None = None
    anchor_date: Day | None = None
    location_kinds: LocationKinds | None = None


class RecurringTimeSlotPatch(Patch):
    """Changes to weekly hours; whose they are can't change."""

    weekday: Weekday | None = None
    start_time: WallTime | None = None
    end_time: ClosingTime | None = None
    valid_from: Day | None = None
    valid_until: Day | None = None
    rrule: Rule | None = None
    anchor_date: Day | None = None
    location_kinds: LocationKinds | None = None

    _required = refuse_null("weekday", "start_time", "end_time")


class TimeSlotRead(_Row):
    """A one-off opening."""

    starts_at: datetime
    ends_at: datetime


class TimeSlotCreate(BaseModel):
    """A new one-off opening."""

    model_config = ConfigDict(extra="forbid")

    practitioner_id: UUID
    starts_at: Instant
    ends_at: Instant


class TimeSlotPatch(Patch):
    """Changes to a one-off opening."""

    starts_at: Instant | None = None
    ends_at: Instant | None = None

    _required = refuse_null("starts_at", "ends_at")


AppointmentsInside = Annotated[
    int, Field(description="Live appointments that lie in it in the next 400 days. They stand: nothing is cancelled.")
]


class BlockedTimeSlotRead(TimeSlotRead):
    """A period in which nothing is offered."""

    reason: str | None


class BlockedTimeSlotMade(BlockedTimeSlotRead):
    """The same as it was just made."""

    appointments_inside: AppointmentsInside


class BlockedTimeSlotCreate(TimeSlotCreate):
    """A new blocked period. Appointments in it stand; staff cancel or move them one by one."""

    reason: Note | None = None


class BlockedTimeSlotPatch(Patch):
    """Changes to a blocked period."""

    starts_at: Instant | None = None
    ends_at: Instant | None = None
    reason: Note | None = None

    _required = refuse_null("starts_at", "ends_at")


class RecurringBlockedTimeSlotRead(_Row):
    """A blocked period that comes back, in the practitioner's zone."""

    rrule: str
    anchor_date: date
    start_time: WallTime
    duration_minutes: int
    valid_until: date | None
    reason: str | None


class RecurringBlockedTimeSlotMade(RecurringBlockedTimeSlotRead):
    """The same as it was just made."""

    appointments_inside: AppointmentsInside


class RecurringBlockedTimeSlotCreate(BaseModel):
    """A new blocked period that comes back: from `start_time` (local) for `duration_minutes`, on the rule's days.

    `rrule` counts from `anchor_date`; `valid_until` is the last day on which it begins. Appointments in it stand.
    """

    model_config = ConfigDict(extra="forbid")

    practitioner_id: UUID
    rrule: Rule
    anchor_date: Day
    start_time: WallTime
    duration_minutes: BlockMinutes
    valid_until: Day | None = None
    reason: Note | None = None


class RecurringBlockedTimeSlotPatch(Patch):
    """Changes to a blocked period that comes back; whose it is can't change."""

    rrule: Rule | None = None
    anchor_date: Day | None = None
    start_time: WallTime | None = None
    duration_minutes: BlockMinutes | None = None
    valid_until: Day | None = None
    reason: Note | None = None

    _required = refuse_null("rrule", "anchor_date", "start_time", "duration_minutes")
