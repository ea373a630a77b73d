"""Packages and purchases in the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from billing.discounts.schemas import ServiceIds
from billing.documents.taxes import TaxTreatment
from billing.packages.ledger import Balance
from billing.packages.models import CreditEntry, CreditKind, PackageProduct, PackagePurchase, PurchaseStatus, RefundRule
from todoenbalance.kit import clock
from todoenbalance.kit.money import MoneySchema


def _printable(value: str) -> str:
    if "\x00" in value:  # the one character that PostgreSQL's text can't hold
        raise ValueError("must not contain NUL")
    return value


PackageName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000), AfterValidator(_printable)]
ReasonText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_printable)
]
Sessions = Annotated[int, Field(ge=1, le=500)]
ValidityDays = Annotated[int, Field(ge=1, le=3650, description="From the day it is paid; null: for ever.")]


class PackageRead(BaseModel):
    """A package on sale: so many `sessions` for one `price`."""

    id: UUID
    name: str
    description: str
    service_ids: list[UUID] | None = Field(description="The services that it is good for; null: all.")
    sessions: int
    price: MoneySchema
    validity_days: int | None
    refund_rule: RefundRule = Field(
        description="Given back, it gives the worth of its unused sessions (`proportional`) or nothing back."
    )

    @classmethod
    def of(cls, product: PackageProduct) -> Self:
        """From our row."""
        values = {name: getattr(product, name) for name in cls.model_fields if name != "price"}
        return cls(**values, price=MoneySchema.of(product.price_minor, product.currency))


class PackageAdminRead(PackageRead):
    """The same for staff."""

    tax_treatment: str
    archived: bool
    created_at: datetime


class PackageCreate(BaseModel):
    """A new package, in the practice's currency."""

    model_config = ConfigDict(extra="forbid")

    name: PackageName
    description: Description = ""
    service_ids: ServiceIds | None = None
    sessions: Sessions
    price: MoneySchema
    validity_days: ValidityDays | None = None
    refund_rule: RefundRule = RefundRule.PROPORTIONAL
    tax_treatment: TaxTreatment = TaxTreatment.EXEMPT_HEALTH
    archived: bool = False


class PackagePatch(BaseModel):
    """Changes to a package; who bought it keeps what they bought."""

    model_config = ConfigDict(extra="forbid")

    name: PackageName | None = None
    description: Description | None = None
    service_ids: ServiceIds | None = None
    sessions: Sessions | None = None
    price: MoneySchema | None = None
    validity_days: ValidityDays | None = None
    refund_rule: RefundRule | None = None
    tax_treatment: TaxTreatment | None = None
    archived: bool | None = None

    @field_validator("name", "description", "sessions", "price", "refund_rule", "tax_treatment", "archived")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("must not be null")
        return value

    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class PurchaseRequest(BaseModel):
    """Which package, and a discount code if there is one."""

    model_config = ConfigDict(extra="forbid")

    discount_code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)] | None = None


class PurchaseRead(BaseModel):
    """A client's package. `available` can be booked with now; `reserved` are booked and have not taken place."""

    id: UUID
    package_id: UUID
    name: str
    service_ids: list[UUID] | None
    status: PurchaseStatus = Field(description="`pending`: pay for it with `POST /payments`.")
    sessions: int
    available: int
    reserved: int
    price: MoneySchema = Field(description="What it costs, less the `discount`.")
    discount: MoneySchema
    refund_rule: RefundRule
    pays_until: datetime | None
    granted_at: datetime | None
    expires_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, purchase: PackagePurchase, balance: Balance | None) -> Self:
        """From our rows; a package that has run out is so at once, noticed by a job or not."""
        balance = balance or Balance()
        computed = {"status", "available", "reserved", "price", "discount"}
        values = {name: getattr(purchase, name) for name in cls.model_fields if name not in computed}
        status, available = PurchaseStatus(purchase.status), balance.available
        if status is PurchaseStatus.ACTIVE and purchase.expires_at is not None and purchase.expires_at <= clock.now():
            status, available = PurchaseStatus.EXPIRED, 0
        return cls(
            **values,
            status=status,
            available=available,
            reserved=balance.reserved,
            price=MoneySchema.of(purchase.price_minor, purchase.currency),
            discount=MoneySchema.of(purchase.discount_minor, purchase.currency),
        )


class EntryRead(BaseModel):
    """One line of a package's ledger: `credits` sessions were granted, reserved, used, and so on."""

    kind: CreditKind
    credits: int
    available_after: int
    reserved_after: int
    appointment_id: UUID | None
    cause: str
    created_at: datetime

    @classmethod
    def of(cls, entry: CreditEntry) -> Self:
        """From our row."""
        computed = {"appointment_id"}
        values = {name: getattr(entry, name) for name in cls.model_fields if name not in computed}
        return cls(**values, appointment_id=entry.used_for_id)


class StaffEntryRead(EntryRead):
    """The same for staff, with the reason that one of them gave."""

    reason: str | None
    actor_kind: str
    actor_id: UUID | None


class PurchaseDetail(PurchaseRead):
    """A client's package with what became of its sessions, oldest first."""

    entries: list[EntryRead]

    @classmethod
    def with_entries(cls, purchase: PackagePurchase, balance: Balance | None, entries: Sequence[CreditEntry]) -> Self:
        """From our rows."""
        read = PurchaseRead.of(purchase, balance)
        return cls(**read.model_dump(), entries=[EntryRead.of(entry) for entry in entries])
