"""What the catalogue shows to everyone, and what staff may set of services and practitioners."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from billing.documents.taxes import TaxTreatment
from scheduling.catalogue.models import Practitioner, Service, ServicePractitioner
from scheduling.fields import Name, Patch, Prose, WebAddress, ZoneName, refuse_null
from tenants.settings.reminders import ReminderMinutes
from todoenbalance.kit.money import MoneySchema


class LocationKind(StrEnum):
    """Where a consultation takes place."""

    PRACTICE = "practice"
    ONLINE = "online"
    PHONE = "phone"
    HOME = "home"


class RefundTier(BaseModel):
    """Who cancels at least `hours_before` the beginning gets `percent` of what they paid back."""

    model_config = ConfigDict(extra="forbid")

    hours_before: int = Field(ge=0, le=8760)
    percent: int = Field(ge=0, le=100)


def _check_tiers(tiers: list[RefundTier]) -> list[RefundTier]:
    for longer, shorter in pairwise(tiers):
        if shorter.hours_before >= longer.hours_before:
            raise ValueError("the longest notice comes first, and each only once")
        if shorter.percent > longer.percent:
            raise ValueError("a shorter notice can't give more back")
    return tiers


class CancellationPolicy(BaseModel):
    """What holds for who books now. Later than every tier nothing comes back."""

    cancel_notice_hours: int = Field(description="Until so many hours before, a client may cancel it themselves.")
    move_notice_hours: int = Field(description="Until so many hours before, a client may move it themselves.")
    refund_tiers: list[RefundTier]
    no_show_fee: MoneySchema | None

    @classmethod
    def of(cls, service: Service, practice_notice_hours: int) -> Self:
        """The service's own terms; where it has no tiers, the practice's: everything until its notice."""
        tiers = service.refund_tiers
        if tiers is None:
            tiers = [{"hours_before": practice_notice_hours, "percent": 100}]
        return cls(
            cancel_notice_hours=service.cancel_notice_hours,
            move_notice_hours=service.move_notice_hours,
            refund_tiers=[RefundTier.model_validate(tier) for tier in tiers],
            no_show_fee=_money(service.no_show_fee_minor, service.currency),
        )


def _money(amount: int | None, currency: str) -> MoneySchema | None:
    return None if amount is None else MoneySchema.of(amount, currency)


class OfferedBy(BaseModel):
    """A practitioner who offers a service, and what it costs and how long it takes with them."""

    id: UUID
    price: MoneySchema
    duration_minutes: int


class OwnTerms(BaseModel):
    """A practitioner who offers a service; ``price`` and ``duration_minutes`` where theirs differ from the service's.

    A deposit is at most the practitioner's own price: where that is less, all of it is paid to book.
    """

    model_config = ConfigDict(extra="forbid")

    practitioner_id: UUID
    price: MoneySchema | None = None
    duration_minutes: Annotated[int, Field(ge=5, le=1440)] | None = None


class _ServiceFields(BaseModel):
    id: UUID
    name: str
    description: str
    duration_minutes: int
    price: MoneySchema
    deposit: MoneySchema | None = Field(description="Paid to book, if not all; never more than the price that applies.")
    buffer_before_minutes: int
    buffer_after_minutes: int
    location_kinds: list[str]
    practitioner_ids: list[UUID]
    requires_approval: bool = Field(description="A booking is a request, which the practice grants or not.")
    free_first_visit: bool = Field(description="A client's first appointment in the practice is free as one of these.")
    capacity: int | None = Field(description="Seats of each session of a group service; null: one client at a time.")
    colour: str | None
    position: int
    cancellation_policy: CancellationPolicy

    @classmethod
    def _values(cls, service: Service, links: Sequence[ServicePractitioner], notice_hours: int) -> dict[str, Any]:
        values = {name: getattr(service, name) for name in cls.model_fields if hasattr(service, name)}
        return values | {
            "price": MoneySchema.of(service.price_minor, service.currency),
            "deposit": _money(service.deposit_minor, service.currency),
            "practitioner_ids": [link.practitioner_id for link in links],
            "cancellation_policy": CancellationPolicy.of(service, notice_hours),
        }


class ServiceRead(_ServiceFields):
    """A kind of consultation, as everyone may see it."""

    practitioners: list[OfferedBy] = Field(description="Who offers it, at which price and length.")

    @classmethod
    def of(cls, service: Service, links: Sequence[ServicePractitioner], practice_notice_hours: int) -> Self:
        """From our own rows."""
        offered = [
            OfferedBy(
                id=link.practitioner_id,
                price=MoneySchema.of(
                    service.price_minor if link.price_minor is None else link.price_minor, service.currency
                ),
                duration_minutes=link.duration_minutes or service.duration_minutes,
            )
            for link in links
        ]
        return cls(**cls._values(service, links, practice_notice_hours), practitioners=offered)


class ServiceAdminRead(_ServiceFields):
    """The same for staff, with the rules of booking and the terms as they are set."""

    practitioners: list[OwnTerms] = Field(description="Who offers it; price and length only where theirs differ.")
    minimum_notice_minutes: int
    horizon_days: int
    grid_minutes: int
    max_per_day: int | None
    max_per_week: int | None
    approval_hours: int
    cancel_notice_hours: int
    move_notice_hours: int
    refund_tiers: list[RefundTier] | None
    no_show_fee: MoneySchema | None
    tax_treatment: TaxTreatment
    invoice_description: str | None = Field(description="What invoices say of it; null: its name.")
    reminder_minutes: list[int] | None
    follow_up_hours: int | None
    archived: bool
    created_at: datetime

    @classmethod
    def of(cls, service: Service, links: Sequence[ServicePractitioner], practice_notice_hours: int) -> Self:
        """From our own rows."""
        own = [
            OwnTerms(
                practitioner_id=link.practitioner_id,
                price=_money(link.price_minor, service.currency),
                duration_minutes=link.duration_minutes,
            )
            for link in links
        ]
        fee = _money(service.no_show_fee_minor, service.currency)
        return cls(**cls._values(service, links, practice_notice_hours), practitioners=own, no_show_fee=fee)


Minutes = Annotated[int, Field(ge=5, le=1440)]
Buffer = Annotated[int, Field(ge=0, le=480)]
Notice = Annotated[int, Field(ge=0, le=525_600)]
Horizon = Annotated[int, Field(ge=1, le=730)]
Cap = Annotated[int, Field(ge=1, le=1000, description="How many of it one practitioner gives; null: any number.")]
Capacity = Annotated[int, Field(ge=1, le=500, description="Seats of a session makes it a group service.")]
ApprovalHours = Annotated[int, Field(ge=1, le=720)]
NoticeHours = Annotated[int, Field(ge=0, le=720)]
RefundTiers = Annotated[
    list[RefundTier],
    Field(max_length=5, description="The longest notice first; null: the practice's, []: nothing ever comes back."),
    AfterValidator(_check_tiers),
]
Colour = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern="^#[0-9a-fA-F]{6}$")]
Position = Annotated[int, Field(ge=0, le=32_767, description="Lists are in the order of it, then of making.")]
LocationKinds = Annotated[
    list[LocationKind],
    Field(min_length=1, max_length=len(LocationKind)),
    AfterValidator(lambda kinds: list(dict.fromkeys(kinds))),
]
Ids = Annotated[list[UUID], Field(max_length=500)]


Reminders = Annotated[
    ReminderMinutes, Field(description="Minutes before it that reminders go out; null: the practice's, []: none.")
]
FollowUpHours = Annotated[
    int, Field(ge=1, le=720, description="So long after the visit the client is asked to come again; null: never.")
]


def _each_once(people: list[OwnTerms]) -> list[OwnTerms]:
    if len({one.practitioner_id for one in people}) < len(people):
        raise ValueError("each practitioner only once")
    return people


Offerers = Annotated[
    list[OwnTerms],
    Field(max_length=500, description="In place of `practitioner_ids`, which leaves their prices and lengths alone."),
    AfterValidator(_each_once),
]


def _either(body: "ServiceCreate | ServicePatch") -> None:
    if {"practitioner_ids", "practitioners"} <= body.model_fields_set:
        raise ValueError("practitioner_ids or practitioners, not both")


class ServiceCreate(BaseModel):
    """A new service. Money in the practice's currency; ``deposit`` is what a client pays to book, if not all.

    A practitioner may ask less than the deposit: then their price is what is due.
    """

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
    practitioners: Offerers = []
    minimum_notice_minutes: Notice = 60
    horizon_days: Horizon = 90
    grid_minutes: Minutes = 15
    max_per_day: Cap | None = None
    max_per_week: Cap | None = None
    capacity: Capacity | None = None
    requires_approval: bool = False
    approval_hours: ApprovalHours = 48
    cancel_notice_hours: NoticeHours = 0
    move_notice_hours: NoticeHours = 0
    refund_tiers: RefundTiers | None = None
    no_show_fee: MoneySchema | None = None
    free_first_visit: bool = False
    tax_treatment: TaxTreatment = TaxTreatment.EXEMPT_HEALTH
    invoice_description: Name | None = None
    reminder_minutes: Reminders | None = None
    follow_up_hours: FollowUpHours | None = None
    colour: Colour | None = None
    position: Position = 0
    archived: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        _either(self)
        return self


class ServicePatch(Patch):
    """Changes to a service; appointments that were booked keep their price, length and terms."""

    name: Name | None = None
    description: Prose | None = None
    duration_minutes: Minutes | None = None
    price: MoneySchema | None = None
    deposit: MoneySchema | None = None
    buffer_before_minutes: Buffer | None = None
    buffer_after_minutes: Buffer | None = None
    location_kinds: LocationKinds | None = None
    practitioner_ids: Ids | None = None
    practitioners: Offerers | None = None
    minimum_notice_minutes: Notice | None = None
    horizon_days: Horizon | None = None
    grid_minutes: Minutes | None = None
    max_per_day: Cap | None = None
    max_per_week: Cap | None = None
    capacity: Capacity | None = None
    requires_approval: bool | None = None
    approval_hours: ApprovalHours | None = None
    cancel_notice_hours: NoticeHours | None = None
    move_notice_hours: NoticeHours | None = None
    refund_tiers: RefundTiers | None = None
    no_show_fee: MoneySchema | None = None
    free_first_visit: bool | None = None
    tax_treatment: TaxTreatment | None = None
    invoice_description: Name | None = None
    reminder_minutes: Reminders | None = None
    follow_up_hours: FollowUpHours | None = None
    colour: Colour | None = None
    position: Position | None = None
    archived: bool | None = None

    _required = refuse_null(
        *(
            set(ServiceCreate.model_fields)
            - {
                "deposit",
                "max_per_day",
                "max_per_week",
                "capacity",
                "refund_tiers",
                "reminder_minutes",
                "follow_up_hours",
                "no_show_fee",
                "invoice_description",
                "colour",
            }
        )
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        _either(self)
        return self


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
    works_on_holidays: bool
    archived: bool
    created_at: datetime


class PractitionerCreate(BaseModel):
    """A new practitioner. ``timezone`` (default: the practice's) is the zone of their weekly hours.

    ``works_on_holidays``: their weekly hours count on the practice's public holidays too.
    """

    model_config = ConfigDict(extra="forbid")

    name: Name
    bio: Prose = ""
    photo_url: WebAddress | None = None
    timezone: ZoneName | None = None
    service_ids: Ids = []
    staff_id: UUID | None = None
    works_on_holidays: bool = False
    archived: bool = False


class PractitionerPatch(Patch):
    """Changes to a practitioner."""

    name: Name | None = None
    bio: Prose | None = None
    photo_url: WebAddress | None = None
    timezone: ZoneName | None = None
    service_ids: Ids | None = None
    staff_id: UUID | None = None
    works_on_holidays: bool | None = None
    archived: bool | None = None

    _required = refuse_null("name", "bio", "timezone", "service_ids", "works_on_holidays", "archived")
