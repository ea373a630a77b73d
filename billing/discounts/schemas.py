"""Discount codes in the staff's API."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from billing.discounts.models import DiscountCode, DiscountKind, DiscountRedemption
from todoenbalance.kit.money import MoneySchema

CodeText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=40, pattern=r"^[A-Za-z0-9_-]+$"),
    Field(description="Letters, digits, `-` and `_`; capitals make no difference."),
]
Percent = Annotated[int, Field(ge=1, le=100)]
UseLimit = Annotated[int, Field(ge=1, le=1_000_000)]
ServiceIds = Annotated[list[UUID], Field(min_length=1, max_length=500, description="null: all services.")]


def _printable(value: str) -> str:
    if "\x00" in value:  # the one character that PostgreSQL's text can't hold
        raise ValueError("must not contain NUL")
    return value


Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_printable)]


class DiscountCreate(BaseModel):
    """A new code: `percent` of a price, or an `amount` of the practice's currency."""

    model_config = ConfigDict(extra="forbid")

    code: CodeText
    description: Line = ""
    kind: DiscountKind
    percent: Percent | None = None
    amount: MoneySchema | None = None
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    total_limit: UseLimit | None = Field(default=None, description="How often it may be used; null: any number.")
    client_limit: UseLimit | None = Field(default=None, description="How often by one client; null: any number.")
    first_visit_only: bool = False
    minimum: MoneySchema | None = Field(default=None, description="Only for prices from there on.")
    service_ids: ServiceIds | None = None
    for_appointments: bool = True
    for_packages: bool = Field(default=False, description="Needs `service_ids` to be null.")
    active: bool = True


class DiscountPatch(BaseModel):
    """Changes to a code; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    code: CodeText | None = None
    description: Line | None = None
    kind: DiscountKind | None = None
    percent: Percent | None = None
    amount: MoneySchema | None = None
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    total_limit: UseLimit | None = None
    client_limit: UseLimit | None = None
    first_visit_only: bool | None = None
    minimum: MoneySchema | None = None
    service_ids: ServiceIds | None = None
    for_appointments: bool | None = None
    for_packages: bool | None = None
    active: bool | None = None

    @field_validator("code", "description", "kind", "first_visit_only", "for_appointments", "for_packages", "active")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("must not be null")
        return value

    def changes(self) -> dict[str, object]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class DiscountRead(BaseModel):
    """A code. `uses`: how often it is in use; what came to nothing does not count."""

    id: UUID
    code: str
    description: str
    kind: DiscountKind
    percent: int | None
    amount: MoneySchema | None
    valid_from: datetime | None
    valid_until: datetime | None
    total_limit: int | None
    client_limit: int | None
    first_visit_only: bool
    minimum: MoneySchema | None
    service_ids: list[UUID] | None
    for_appointments: bool
    for_packages: bool
    active: bool
    uses: int
    created_at: datetime

    @classmethod
    def of(cls, code: DiscountCode, uses: int) -> Self:
        """From our row."""
        computed = {"amount", "minimum", "uses"}
        values = {name: getattr(code, name) for name in cls.model_fields if name not in computed}
        amount, minimum = code.amount_minor, code.minimum_minor
        return cls(
            **values,
            amount=None if amount is None else MoneySchema.of(amount, code.currency),
            minimum=MoneySchema.of(minimum, code.currency) if minimum else None,
            uses=uses,
        )


class RedemptionRead(BaseModel):
    """One use of a code: by whom, for which appointment or purchase, and by how much its price was lowered."""

    id: UUID
    client_id: UUID
    subject_kind: str
    subject_id: UUID
    amount: MoneySchema
    created_at: datetime
    released_at: datetime | None = Field(description="It came to nothing and counts no more.")

    @classmethod
    def of(cls, row: DiscountRedemption, currency: str) -> Self:
        """From our row."""
        values = {name: getattr(row, name) for name in cls.model_fields if name != "amount"}
        return cls(**values, amount=MoneySchema.of(row.amount_minor, currency))
