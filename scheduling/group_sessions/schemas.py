"""What goes in and out of the group sessions' endpoints."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.reading import effective_status
from scheduling.catalogue.schemas import LocationKind
from scheduling.fields import Instant, Note, Patch, WebAddress, refuse_null
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.services.planning import Frequency, Plan

LONGEST_SERIES = 52
Seats = Annotated[int, Field(ge=1, le=500)]


class GroupSessionRead(BaseModel):
    """A session, for staff. Instants in UTC."""

    id: UUID
    service_id: UUID
    practitioner_id: UUID
    starts_at: datetime
    ends_at: datetime
    capacity: int
    seats_taken: int = Field(description="Confirmed, or held by a hold that goes on.")
    seats_left: int
    location_kind: str
    meeting_url: str | None
    status: Literal["scheduled", "cancelled"]
    created_at: datetime

    @classmethod
    def of(cls, row: GroupSession, taken: int, **more: object) -> Self:
        """From our own row, with how many seats are taken."""
        counted = {"seats_taken": taken, "seats_left": max(row.capacity - taken, 0)}
        own = (name for name in cls.model_fields if name not in counted and hasattr(row, name))
        return cls(**{name: getattr(row, name) for name in own}, **counted, **more)


class SeatRead(BaseModel):
    """A seat: the appointment that it is, whose it is and for whom."""

    appointment_id: UUID
    client_id: UUID
    client_name: str
    dependant_id: UUID | None
    dependant_name: str | None
    status: AppointmentStatus = Field(description="A hold that has run out is `expired` at once.")
    hold_expires_at: datetime | None

    @classmethod
    def of(cls, row: Appointment, client_name: str, dependant_name: str | None) -> Self:
        """From an appointment and the names behind it."""
        return cls(
            appointment_id=row.id,
            client_id=row.client_id,
            client_name=client_name,
            dependant_id=row.dependant_id,
            dependant_name=dependant_name,
            status=effective_status(row),
            hold_expires_at=row.hold_expires_at,
        )


class GroupSessionDetail(GroupSessionRead):
    """The same with every seat that was ever booked, in the order of booking."""

    seats: list[SeatRead]


class Repetition(BaseModel):
    """More of the same, at the same local time."""

    model_config = ConfigDict(extra="forbid")

    frequency: Frequency
    count: int = Field(ge=2, le=LONGEST_SERIES, description="How many there are, the first included.")


class GroupSessionCreate(BaseModel):
    """A session of a group service, or several. ``outside_hours``: also where the practitioner does not work."""

    model_config = ConfigDict(extra="forbid")

    service_id: UUID
    practitioner_id: UUID
    starts_at: Instant
    capacity: Seats | None = Field(default=None, description="Default: the service's.")
    location_kind: LocationKind | None = Field(default=None, description="Default: the first that is possible then.")
    meeting_url: WebAddress | None = None
    repeat: Repetition | None = None
    outside_hours: bool = False

    def plan(self) -> Plan:
        """As planning takes it."""
        return Plan(
            service_id=self.service_id,
            practitioner_id=self.practitioner_id,
            starts_at=self.starts_at,
            capacity=self.capacity,
            location_kind=self.location_kind,
            meeting_url=self.meeting_url,
            frequency=self.repeat.frequency if self.repeat else Frequency.WEEKLY,
            count=self.repeat.count if self.repeat else 1,
        )


class GroupSessionsMade(BaseModel):
    """What was planned, in order of time."""

    items: list[GroupSessionRead]


class GroupSessionPatch(Patch):
    """``capacity``: not below the seats that are taken. ``location_kind``: those who come are told."""

    capacity: Seats | None = None
    location_kind: LocationKind | None = None
    meeting_url: WebAddress | None = None

    _required = refuse_null("capacity", "location_kind")


class GroupSessionReschedule(BaseModel):
    """Where to; by default with the same practitioner."""

    model_config = ConfigDict(extra="forbid")

    starts_at: Instant
    practitioner_id: UUID | None = None
    outside_hours: bool = False


class GroupSessionCancel(BaseModel):
    """Why; those who had a seat can read it."""

    model_config = ConfigDict(extra="forbid")

    reason: Note | None = None


class CancelledGroupSession(GroupSessionRead):
    """A cancelled session: how many seats fell with it now (0 if it was cancelled before)."""

    seats_cancelled: int
