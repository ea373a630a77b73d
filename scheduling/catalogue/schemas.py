"""What the catalogue shows to everyone, and what staff may set."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from scheduling.catalogue.models import Practitioner, Service
from scheduling.fields import Day, Instant, Name, Note, Patch, Prose, WallTime, WebAddress, ZoneName, refuse_null
from todoenbalance.kit.money import MoneySchema

LONGEST_SPAN = timedelta(days=732)
"""The longest one-off opening or block; longer ones are typing errors."""


class LocationKind(StrEnum):
    """Where a consultation takes place."""

    PRACTICE = "practice"
    ONLINE = "online"
    PHONE = "phone"
    HOME = "home"


class ServiceRead(BaseModel):
    """A kind of consultation, as everyone may see it."""

    id: UUID
    name: str
    description: str
    duration_minutes: int
    price: MoneySchema
    deposit: MoneySchema | None
    buffer_before_minutes: int
    buffer_after_minutes: int
    location_kinds: list[str]
    practitioner_ids: list[UUID]

    @classmethod
    def of(cls, service: Service, practitioner_ids: Sequence[UUID]) -> Self:
        """From our own rows."""
        values = {name: getattr(service, name) for name in cls.model_fields if hasattr(service, name)}
        deposit = service.deposit_minor
        return cls(
            **values,
            price=MoneySchema.of(service.price_minor, service.currency),
            deposit=None if deposit is None else MoneySchema.of(deposit, service.currency),
            practitioner_ids=list(practitioner_ids),
        )


class ServiceAdminRead(ServiceRead):
    """The same for staff, with the rules of booking."""

    minimum_notice_minutes: int
    horizon_days: int
    grid_minutes: int
    archived: bool
    created_at: datetime


Minutes = Annotated[int, Field(ge=5, le=1440)]
Buffer = Annotated[int, Field(ge=0, le=480)]
Notice = Annotated[int, Field(ge=0, le=525_600)]
Horizon = Annotated[int, Field(ge=1, le=730)]
LocationKinds = Annotated[list[LocationKind], Field(min_length=1, max_length=len(LocationKind))]
Ids = Annotated[list[UUID], Field(max_length=500)]


class ServiceCreate(BaseModel):
    """A new service. Money in the practice's currency; ``deposit`` is what a client pays to book, if not all."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    description: Prose = ""
    duration_minutes: Minutes
    price: MoneySchema
    deposit: MoneySchema | None = None
    buffer_before_minutes: Buffer = 0
    buffer_after_minutes: Buffer = 0
    location_kinds: LocationKinds = [LocationKind.PRACTICE]
    practitioner_ids: Ids = []
    minimum_notice_minutes: Notice = 60
    horizon_days: Horizon = 90
    grid_minutes: Minutes = 15
    archived: bool = False


class ServicePatch(Patch):
    """Changes to a service; appointments that were booked keep their price and length."""

    name: Name | None = None
    description: Prose | None = None
    duration_minutes: Minutes | None = None
    price: MoneySchema | None = None
    deposit: MoneySchema | None = None
    buffer_before_minutes: Buffer | None = None
    buffer_after_minutes: Buffer | None = None
    location_kinds: LocationKinds | None = None
    practitioner_ids: Ids | None = None
    minimum_notice_minutes: Notice | None = None
    horizon_days: Horizon | None = None
    grid_minutes: Minutes | None = None
    archived: bool | None = None

    _required = refuse_null(*(set(ServiceCreate.model_fields) - {"deposit"}))


class PractitionerRead(BaseModel):
    """Someone who sees clients, as everyone may see them."""

    id: UUID
    name: str
    bio: str
    photo_url: str | None
    timezone: str
    service_ids: list[UUID]

    @classmethod
    def of(cls, practitioner: Practitioner, service_ids: Sequence[UUID]) -> Self:
        """From our own rows."""
        values = {name: getattr(practitioner, name) for name in cls.model_fields if hasattr(practitioner, name)}
        return cls(**values, service_ids=list(service_ids))


class PractitionerAdminRead(PractitionerRead):
    """The same for staff."""

    staff_id: UUID | None
    archived: bool
    created_at: datetime


class PractitionerCreate(BaseModel):
    """A new practitioner. ``timezone`` (default: the practice's) is the zone of their weekly hours."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    bio: Prose = ""
    photo_url: WebAddress | None = None
    timezone: ZoneName | None = None
    service_ids: Ids = []
    staff_id: UUID | None = None
    archived: bool = False


class PractitionerPatch(Patch):
    """Changes to a practitioner."""

    name: Name | None = None
    bio: Prose | None = None
    photo_url: WebAddress | None = None
    timezone: ZoneName | None = None
    service_ids: Ids | None = None
    staff_id: UUID | None = None
    archived: bool | None = None

    _required = refuse_null("name", "bio", "timezone", "service_ids", "archived")


class _Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    practitioner_id: UUID
    created_at: datetime


class RecurringTimeSlotRead(_Row):
    """Weekly hours in the practitioner's zone."""

    weekday: int
    start_time: WallTime
    end_time: WallTime
    valid_from: date | None
    valid_until: date | None


class RecurringTimeSlotCreate(BaseModel):
    """New weekly hours: ISO weekday (1 Monday to 7 Sunday), local times, dates inclusive."""

    model_config = ConfigDict(extra="forbid")

    practitioner_id: UUID
    weekday: int = Field(ge=1, le=7)
    start_time: WallTime
    end_time: WallTime
    valid_from: Day | None = None
    valid_until: Day | None = None


class RecurringTimeSlotPatch(Patch):
    """Changes to weekly hours; whose they are can't change."""

    weekday: Annotated[int, Field(ge=1, le=7)] | None = None
    start_time: WallTime | None = None
    end_time: WallTime | None = None
    valid_from: Day | None = None
    valid_until: Day | None = None

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


class BlockedTimeSlotRead(TimeSlotRead):
    """A period in which nothing is offered."""

    reason: str | None


class BlockedTimeSlotCreate(TimeSlotCreate):
    """A new blocked period. Appointments in it stand; staff cancel or move them one by one."""

    reason: Note | None = None


class BlockedTimeSlotPatch(Patch):
    """Changes to a blocked period."""

    starts_at: Instant | None = None
    ends_at: Instant | None = None
    reason: Note | None = None

    _required = refuse_null("starts_at", "ends_at")
