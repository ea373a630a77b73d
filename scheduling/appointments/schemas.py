"""What goes in and out of the appointments' endpoints."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.placement import Liberties
from scheduling.appointments.services.balances import Standing
from scheduling.appointments.services.cancelling import Cancellation
from scheduling.appointments.services.pricing import Means
from scheduling.appointments.services.quoting import RefundChoice
from scheduling.appointments.services.reading import awaits_approval, effective_status
from scheduling.catalogue.schemas import LocationKind
from scheduling.fields import Instant, Note, Patch, Prose, WebAddress, refuse_null
from todoenbalance.kit.money import MoneySchema

DiscountCodeText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=40),
    Field(description="A discount code; not together with a package."),
]


class AppointmentRead(BaseModel):
    """An appointment, for its client. Instants in UTC."""

    id: UUID
    status: AppointmentStatus = Field(description="A hold that has run out is `expired` at once.")
    service_id: UUID
    practitioner_id: UUID
    client_id: UUID
    dependant_id: UUID | None = Field(default=None, description="For whom the client booked; null: for themselves.")
    group_session_id: UUID | None = Field(default=None, description="The session in which it is a seat.")
    starts_at: datetime
    ends_at: datetime
    price: MoneySchema
    discount: MoneySchema = Field(description="By how much the client pays less: a code's doing, or a free visit's.")
    free_first_visit: bool = Field(default=False, description="It is free because it is the client's first visit.")
    package_purchase_id: UUID | None = Field(default=None, description="It is paid for with a session of this package.")
    amount_due: MoneySchema = Field(
        description="What is still to be paid for the booking to stand: the deposit or price while `held`, else 0."
    )
    paid: MoneySchema | None = Field(default=None, description="What is here of the client's money for it.")
    balance: MoneySchema | None = Field(
        default=None, description="What is still owed of its price, the `amount_due` included."
    )
    hold_expires_at: datetime | None
    awaiting_approval: bool = Field(
        default=False, description="`held` until the practice answers; nothing can be paid before."
    )
    location_kind: str
    meeting_url: str | None
    notes: str | None
    series_id: UUID | None = Field(default=None, description="Common to appointments that were booked as a series.")
    no_show_fee: MoneySchema | None = Field(
        default=None, description="What the client still owes because they did not come."
    )
    attendance_confirmed: bool = Field(default=False, description="The client said that they will come.")
    created_at: datetime

    @classmethod
    def of(cls, row: Appointment, standing: Standing | None = None, **more: object) -> Self:
        """From our own row, and how its money stands (None: not told)."""
        computed = {
            "status",
            "price",
            "discount",
            "amount_due",
            "attendance_confirmed",
            "awaiting_approval",
            "no_show_fee",
        }
        values = {name: getattr(row, name) for name in cls.model_fields if name not in computed and hasattr(row, name)}
        status = effective_status(row)
        if status is not AppointmentStatus.HELD and "hold_kind" in values:
            values["hold_kind"] = None
        fee = row.no_show_fee_minor
        due = row.amount_due_minor if status is AppointmentStatus.HELD else 0
        if standing is not None:
            more["paid"] = MoneySchema.of(standing.paid, row.currency)
            more["balance"] = MoneySchema.of(standing.balance, row.currency)
        return cls(
            **values,
            status=status,
            price=MoneySchema.of(row.price_minor, row.currency),
            discount=MoneySchema.of(row.discount_minor, row.currency),
            amount_due=MoneySchema.of(due, row.currency),
            awaiting_approval=awaits_approval(row),
            no_show_fee=None if fee is None else MoneySchema.of(fee, row.currency),
            attendance_confirmed=row.attendance_confirmed_at is not None,
            **more,
        )


class CancelledAppointment(AppointmentRead):
    """The same after a cancellation. ``refund``: what goes back (amount 0: nothing), null if nothing was paid."""

    refund: MoneySchema | None
    credit_back: bool | None = Field(
        default=None, description="Whether the session of a package came back; null where it was not booked with one."
    )

    @classmethod
    def after(cls, cancellation: Cancellation) -> Self:
        """From what the cancellation did."""
        refund = cancellation.refund
        return cls.of(
            cancellation.appointment,
            refund=None if refund is None else MoneySchema.of(refund.amount, refund.currency),
            credit_back=cancellation.credit_back,
        )


class AppointmentAdminRead(AppointmentRead):
    """An appointment, for staff. ``client_name`` holds the account; ``dependant_name`` is for whom it was booked.

    ``private_notes`` are the staff's own, null for those who may not read what is about a client's health.
    """

    client_name: str | None = None
    dependant_name: str | None = None
    hold_kind: str | None = Field(
        default=None, description="What a `held` one waits for: `payment`, `approval`, or (`offer`) the client's yes."
    )
    private_notes: str | None = None
    overlapping: bool = Field(default=False, description="Staff put it on top of another on purpose.")
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
    discount_code: DiscountCodeText | None = None
    use_package: bool = Field(
        default=False, description="Pay with a session of the client's package that runs out first."
    )
    package_purchase_id: UUID | None = Field(default=None, description="Pay with a session of this one.")

    @property
    def means(self) -> Means:
        """With what it is to be paid."""
        return Means(
            code=self.discount_code,
            use_package=self.use_package,
            package_purchase_id=self.package_purchase_id,
        )


class LibertyFields(BaseModel):
    """What staff with the permission `override_calendar` may set aside on purpose; for a named practitioner."""

    outside_hours: bool = Field(
        default=False, description="Hours, blocks, notice, horizon, grid and caps don't count. Audited."
    )
    overlapping: bool = Field(default=False, description="It may lie on top of other appointments. Audited.")

    @property
    def liberties(self) -> Liberties:
        """As the calendar takes them."""
        return Liberties(outside_hours=self.outside_hours, overlapping=self.overlapping)


class StaffBookingRequest(BookingRequest, LibertyFields):
    """The same for a client, by the same rules but for the liberties that are taken."""

    client_id: UUID
    meeting_url: WebAddress | None = Field(default=None, description="Where an online one takes place.")


class RescheduleRequest(BaseModel):
    """Where to. Without ``practitioner_id`` the present one, or else anyone who is free then."""

    model_config = ConfigDict(extra="forbid")

    starts_at: Instant
    practitioner_id: UUID | None = None


class StaffRescheduleRequest(RescheduleRequest, LibertyFields):
    """The same for staff."""


class CancelRequest(BaseModel):
    """Why, if one likes to say."""

    model_config = ConfigDict(extra="forbid")

    reason: Note | None = None


class StaffCancelRequest(CancelRequest):
    """How staff cancel. Who gives the client more or less than they may count on says why (`reason`)."""

    on_behalf_of_client: bool = Field(default=False, description="The client asked for it, by telephone say.")
    refund: RefundChoice | None = Field(
        default=None,
        description="`policy`: what the client's own cancelling would give back (it is then on their behalf), "
        "`full`, `none`. Default: `full`; on behalf of the client `policy`. Anything but the default needs a "
        "`reason` and the permission `refund_payments`, where it makes a difference.",
    )


class DeclineRequest(CancelRequest):
    """Why not, if one likes to say."""


class WaiverRequest(BaseModel):
    """Why the client is let off."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Note, Field(min_length=1)]


class AppointmentPatch(Patch):
    """What staff may set: how the visit went, once it began, where an online one takes place, their own notes."""

    status: Annotated[
        Literal[AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW] | None,
        Field(description="Once the appointment has begun."),
    ] = None
    meeting_url: WebAddress | None = None
    private_notes: Annotated[Prose | None, Field(description="Needs the permission `view_notes`.")] = None

    _required = refuse_null("status")
