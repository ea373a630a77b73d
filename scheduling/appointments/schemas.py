"""What goes in and out of the appointments' endpoints."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.cancelling import Cancellation
from scheduling.appointments.services.reading import effective_status
from scheduling.catalogue.schemas import LocationKind
from scheduling.fields import Instant, Note, Patch, Prose, WebAddress, refuse_null
from todoenbalance.kit.money import MoneySchema


class AppointmentRead(BaseModel):
    """An appointment, for its client. Instants in UTC."""

    id: UUID
    status: AppointmentStatus = Field(description="A hold that has run out is `expired` at once.")
    service_id: UUID
    practitioner_id: UUID
    client_id: UUID
    dependant_id: UUID | None = Field(default=None, description="For whom the client booked; null: for themselves.")
    starts_at: datetime
    ends_at: datetime
    price: MoneySchema
    amount_due: MoneySchema = Field(
        description="What is still to be paid for the booking to stand: the deposit or price while `held`, else 0."
    )
    hold_expires_at: datetime | None
    location_kind: str
    meeting_url: str | None
    notes: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Appointment, **more: object) -> Self:
        """From our own row."""
        computed = {"status", "price", "amount_due"}
        values = {name: getattr(row, name) for name in cls.model_fields if name not in computed and hasattr(row, name)}
        status = effective_status(row)
        due = row.amount_due_minor if status is AppointmentStatus.HELD else 0
        return cls(
            **values,
            status=status,
            price=MoneySchema.of(row.price_minor, row.currency),
            amount_due=MoneySchema.of(due, row.currency),
            **more,
        )


class CancelledAppointment(AppointmentRead):
    """The same after a cancellation. ``refund``: what goes back (amount 0: nothing), null if nothing was paid."""

    refund: MoneySchema | None

    @classmethod
    def after(cls, cancellation: Cancellation) -> Self:
        """From what the cancellation did."""
        refund = cancellation.refund
        return cls.of(
            cancellation.appointment,
            refund=None if refund is None else MoneySchema.of(refund.amount, refund.currency),
        )


class AppointmentAdminRead(AppointmentRead):
    """An appointment, for staff. ``client_name`` holds the account; ``dependant_name`` is for whom it was booked."""

    client_name: str | None = None
    dependant_name: str | None = None
    cancelled_by: str | None
    cancelled_at: datetime | None
    cancellation_reason: str | None


class CancelledAdminAppointment(CancelledAppointment, AppointmentAdminRead):
    """The same after a cancellation by staff."""


class BookingRequest(BaseModel):
    """A wish. Without ``practitioner_id`` anyone who offers the service and is free then."""

    model_config = ConfigDict(extra="forbid")

    service_id: UUID
    starts_at: Instant
    practitioner_id: UUID | None = None
    location_kind: LocationKind | None = Field(default=None, description="Default: the service's first.")
    notes: Prose | None = None
    dependant_id: UUID | None = Field(default=None, description="For whom; default: for oneself.")


class StaffBookingRequest(BookingRequest):
    """The same for a client, by the same rules."""

    client_id: UUID


class RescheduleRequest(BaseModel):
    """Where to. Without ``practitioner_id`` the present one, or else anyone who is free then."""

    model_config = ConfigDict(extra="forbid")

    starts_at: Instant
    practitioner_id: UUID | None = None


class CancelRequest(BaseModel):
    """Why, if one likes to say."""

    model_config = ConfigDict(extra="forbid")

    reason: Note | None = None


class AppointmentPatch(Patch):
    """What staff may set: how the visit went, once it began, and where an online one takes place."""

    status: Annotated[
        Literal[AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW] | None,
        Field(description="Once the appointment has begun."),
    ] = None
    meeting_url: WebAddress | None = None

    _required = refuse_null("status")
