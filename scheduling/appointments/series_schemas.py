"""What goes in and out of the endpoints of series."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from scheduling.appointments.models import Appointment
from scheduling.appointments.schemas import (
    AppointmentAdminRead,
    AppointmentRead,
    BookingRequest,
    LibertyFields,
)
from scheduling.appointments.series import LEAST_DATES, MOST_DATES, Frequency, Pattern
from scheduling.appointments.services.booking import Wish
from scheduling.appointments.services.series import Item, Plan
from scheduling.appointments.services.series_keeping import SeriesCancellation
from scheduling.fields import Instant
from todoenbalance.kit.money import MoneySchema


class SeriesRequest(BookingRequest):
    """``starts_at`` is the first date; the others are at the same local time of the practitioner's."""

    frequency: Frequency
    count: int = Field(ge=LEAST_DATES, le=MOST_DATES, description="How many dates, with those that are left out.")
    skip: list[Instant] = Field(default=[], max_length=MOST_DATES, description="Dates to leave out.")

    def wish(self, client_id: UUID) -> Wish:
        """For this client."""
        return Wish(
            client_id=client_id,
            starts_at=self.starts_at,
            practitioner_id=self.practitioner_id,
            location_kind=self.location_kind,
            notes=self.notes,
            dependant_id=self.dependant_id,
            means=self.means,
        )

    @property
    def pattern(self) -> Pattern:
        """When."""
        return Pattern(self.frequency, self.count, frozenset(self.skip))


class StaffSeriesRequest(SeriesRequest, LibertyFields):
    """The same for a client."""

    client_id: UUID


class SeriesItem(BaseModel):
    """One date. ``code`` is what booking it would answer: ``slot_taken`` or ``slot_not_offered``."""

    starts_at: datetime
    ends_at: datetime
    practitioner_id: UUID | None
    free: bool
    code: str | None

    @classmethod
    def of(cls, item: Item, plan: Plan) -> Self:
        """From a plan's item."""
        return cls(
            starts_at=item.starts_at,
            ends_at=item.ends_at,
            practitioner_id=plan.practitioner_id if item.is_free else None,
            free=item.is_free,
            code=item.code,
        )


class SeriesPreview(BaseModel):
    """What would be booked now. ``total``: the price of all dates listed."""

    items: list[SeriesItem]
    practitioner_id: UUID = Field(description="With whom: the one who is free on the most of the dates.")
    total: MoneySchema

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """From a plan."""
        return cls(
            items=[SeriesItem.of(one, plan) for one in plan.items],
            practitioner_id=plan.practitioner_id,
            total=MoneySchema.of(plan.total.amount, plan.total.currency),
        )


class StaffSeriesItem(SeriesItem):
    """With the first rule that takes the date away."""

    rule: str | None

    @classmethod
    def of(cls, item: Item, plan: Plan) -> Self:
        """From a plan's item."""
        return cls(**SeriesItem.of(item, plan).model_dump(), rule=item.judgement.rule)


class StaffSeriesPreview(BaseModel):
    """The same for staff."""

    items: list[StaffSeriesItem]
    practitioner_id: UUID
    total: MoneySchema

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """From a plan."""
        return cls(
            items=[StaffSeriesItem.of(one, plan) for one in plan.items],
            practitioner_id=plan.practitioner_id,
            total=MoneySchema.of(plan.total.amount, plan.total.currency),
        )


class SeriesRead(BaseModel):
    """Appointments that were booked together, in order of time."""

    series_id: UUID
    items: list[AppointmentRead]

    @classmethod
    def of(cls, rows: list[Appointment]) -> Self:
        """From our own rows, at least one."""
        assert rows[0].series_id is not None  # noqa: S101 - asked for by it
        return cls(series_id=rows[0].series_id, items=[AppointmentRead.of(row) for row in rows])


class AdminSeriesRead(BaseModel):
    """The same for staff."""

    series_id: UUID
    items: list[AppointmentAdminRead]


class SeriesCancelledItem(BaseModel):
    """One appointment that was to come. ``refused`` says by its code why it was not cancelled, null if it was;
    ``refund``: what goes back (amount 0: nothing), null if nothing was paid."""

    appointment_id: UUID
    starts_at: datetime
    status: str
    refund: MoneySchema | None
    refused: str | None

    @classmethod
    def of(cls, result: SeriesCancellation) -> Self:
        """From what the cancellation did."""
        refund = result.done.refund if result.done else None
        return cls(
            appointment_id=result.appointment.id,
            starts_at=result.appointment.starts_at,
            status=result.appointment.status,
            refund=None if refund is None else MoneySchema.of(refund.amount, refund.currency),
            refused=result.refused,
        )


class SeriesCancelled(BaseModel):
    """What became of what was to come; empty if nothing was."""

    model_config = ConfigDict(extra="forbid")

    series_id: UUID
    items: list[SeriesCancelledItem]
