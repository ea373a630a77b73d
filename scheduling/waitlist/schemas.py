"""What goes in and out of the waiting list's endpoints."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from scheduling.appointments.models import Appointment
from scheduling.appointments.services.offering import OfferState, state_of
from scheduling.appointments.services.reading import awaits_approval
from scheduling.catalogue.schemas import LocationKind
from scheduling.fields import Day, WallTime
from scheduling.waitlist.models import WaitlistEntry, WaitlistStatus
from todoenbalance.kit.money import MoneySchema

LONGEST_WAIT_DAYS = 120


def _in_order(weekdays: list[int]) -> list[int]:
    return sorted(set(weekdays))


Weekdays = Annotated[
    list[Annotated[int, Field(ge=1, le=7)]],
    Field(min_length=1, max_length=7, description="ISO: 1 is Monday, 7 Sunday; null: any."),
    AfterValidator(_in_order),
]


class WaitlistWish(BaseModel):
    """What somebody waits for. Days and hours are the practice's; a start may be exactly at ``latest``."""

    model_config = ConfigDict(extra="forbid")

    service_id: UUID
    practitioner_id: UUID | None = Field(default=None, description="With whom; null: anybody.")
    location_kind: LocationKind | None = Field(default=None, description="Where; null: anywhere.")
    first_day: Day
    last_day: Day = Field(description=f"At most {LONGEST_WAIT_DAYS} days on, and within the service's horizon.")
    weekdays: Weekdays | None = None
    earliest: WallTime | None = Field(default=None, description="Starts not before.")
    latest: WallTime | None = Field(default=None, description="Starts not after.")
    dependant_id: UUID | None = Field(default=None, description="For whom; default: for oneself.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        days = (self.last_day - self.first_day).days
        if days < 0:
            raise PydanticCustomError("date_order", "last_day must not be before first_day")
        if days > LONGEST_WAIT_DAYS:
            raise PydanticCustomError("too_many_days", "at most {days} days", {"days": LONGEST_WAIT_DAYS})
        if self.earliest is not None and self.latest is not None and self.latest < self.earliest:
            raise PydanticCustomError("time_order", "latest must not be before earliest")
        return self


class StaffWaitlistWish(WaitlistWish):
    """The same for a client."""

    client_id: UUID


class DeclineRequest(BaseModel):
    """Whether to go on waiting, at the old place in line."""

    model_config = ConfigDict(extra="forbid")

    stay: bool = True


class OfferAwaits(StrEnum):
    """What an offer waits for: the client's yes, then the practice's where the service asks for it, then money."""

    ANSWER = "answer"
    APPROVAL = "approval"
    PAYMENT = "payment"


class WaitlistOffer(BaseModel):
    """A time that is kept for the client. Instants in UTC."""

    appointment_id: UUID
    practitioner_id: UUID
    location_kind: str
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime
    awaits: OfferAwaits
    price: MoneySchema
    amount_due: MoneySchema = Field(description="What is to be paid for the booking to stand.")

    @classmethod
    def of(cls, row: Appointment) -> Self:
        """From a held appointment."""
        awaits = OfferAwaits.ANSWER
        if state_of(row) is OfferState.ACCEPTED:
            awaits = OfferAwaits.APPROVAL if awaits_approval(row) else OfferAwaits.PAYMENT
        return cls(
            appointment_id=row.id,
            practitioner_id=row.practitioner_id,
            location_kind=row.location_kind,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            expires_at=row.hold_expires_at or row.starts_at,
            awaits=awaits,
            price=MoneySchema.of(row.price_minor, row.currency),
            amount_due=MoneySchema.of(row.amount_due_minor, row.currency),
        )


class WaitlistEntryRead(BaseModel):
    """A client's place in the waiting list."""

    id: UUID
    client_id: UUID
    dependant_id: UUID | None
    service_id: UUID
    practitioner_id: UUID | None
    location_kind: str | None
    first_day: date
    last_day: date
    weekdays: list[int] | None
    earliest: WallTime | None
    latest: WallTime | None
    status: WaitlistStatus = Field(description="An offer that has run out is `waiting` at once.")
    position: int | None = Field(description="Place among those who could take the same times; null once it is over.")
    offer: WaitlistOffer | None
    created_at: datetime

    @classmethod
    def of(
        cls,
        entry: WaitlistEntry,
        offers: Mapping[UUID, Appointment],
        ahead: Mapping[UUID, int],
        **more: object,
    ) -> Self:
        """From our own row, the offered time and how many are ahead."""
        appointment = offers.get(entry.appointment_id) if entry.appointment_id is not None else None
        status = effective_status(entry, appointment)
        computed = ("status", "position", "offer")
        stored = (name for name in cls.model_fields if name not in computed and hasattr(entry, name))
        values = {name: getattr(entry, name) for name in stored}
        is_live = status in (WaitlistStatus.WAITING, WaitlistStatus.OFFERED)
        return cls(
            **values,
            status=status,
            position=ahead.get(entry.id, 0) + 1 if is_live else None,
            offer=WaitlistOffer.of(appointment) if status is WaitlistStatus.OFFERED and appointment else None,
            **more,
        )


def effective_status(entry: WaitlistEntry, appointment: Appointment | None) -> WaitlistStatus:
    """The status as everybody sees it: an offer ends, or becomes a booking, with its appointment."""
    status = WaitlistStatus(entry.status)
    if status is not WaitlistStatus.OFFERED:
        return status
    state = state_of(appointment)
    if state.is_kept:
        return status
    return WaitlistStatus.BOOKED if state is OfferState.CONFIRMED else WaitlistStatus.WAITING


class WaitlistEntryAdminRead(WaitlistEntryRead):
    """The same for staff. ``client_name`` holds the account; ``dependant_name`` is for whom."""

    client_name: str | None = None
    dependant_name: str | None = None
