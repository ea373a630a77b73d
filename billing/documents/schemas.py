"""Documents in the API, and what is said of who issues and receives them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from billing.documents.models import (
    BillingProfile,
    CorrectionMethod,
    Document,
    DocumentKind,
    DocumentLine,
    IssuerProfile,
    PendingDocument,
    PendingReason,
    SimplifiedLimit,
    TaxArea,
    TaxRate,
    TransmissionStatus,
)
from billing.documents.snapshot import PARTY
from billing.documents.taxes import TaxTreatment
from todoenbalance.kit.money import MoneySchema


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of printable characters")
    return value


def _printable(value: str) -> str:
    if any(not character.isprintable() and character != "\n" for character in value):
        raise ValueError("must be printable")
    return value


def _country(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _text(longest: int, shortest: int = 1) -> Any:
    return StringConstraints(strip_whitespace=True, min_length=shortest, max_length=longest)


Country = Annotated[str, BeforeValidator(_country), StringConstraints(pattern=r"^[A-Z]{2}$")]
Series = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z0-9]{1,10}$"),
    Field(description="First part of the number: `F` gives F-2026-0001. Each kind has one of its own."),
]


class PartyIn(BaseModel):
    """Legal name, tax id and address. A Spanish tax id (NIF, NIE, CIF) or an EU VAT number is checked."""

    model_config = ConfigDict(extra="forbid")

    legal_name: Annotated[str, _text(200), AfterValidator(_one_line)]
    tax_id: Annotated[str, _text(30, 2), AfterValidator(_one_line)]
    address: Annotated[str, _text(300), AfterValidator(_one_line)]
    postal_code: Annotated[str, _text(20), AfterValidator(_one_line)]
    city: Annotated[str, _text(100), AfterValidator(_one_line)]
    region: Annotated[str, _text(100), AfterValidator(_one_line)] | None = None
    country: Country = Field(description="ISO 3166-1.")


class BillingProfileIn(PartyIn):
    """To whom full invoices are made out."""


class BillingProfileRead(BaseModel):
    """The same, as it is kept; `tax_id` in its normal form."""

    model_config = ConfigDict(from_attributes=True)

    legal_name: str
    tax_id: str
    address: str
    postal_code: str
    city: str
    region: str | None
    country: str
    updated_at: datetime

    @classmethod
    def of(cls, profile: BillingProfile) -> Self:
        """From our row."""
        return cls.model_validate(profile)


class IssuerIn(PartyIn):
    """The practice as who issues, whole: what is left out has its default.

    `tax_area`: whose rules of indirect tax hold; Spain's three, or `other`. `simplified_limit`: `standard` is 400 €;
    `listed`, 3,000 €, is for the businesses of art. 4.2 of RD 1619/2012 (consultations at the client's home).
    """

    tax_area: TaxArea
    regime_note: Annotated[str, _text(500, 0), AfterValidator(_printable)] = ""
    exempt_note: Annotated[str, _text(500, 0), AfterValidator(_printable)] = ""
    footer: Annotated[str, _text(1000, 0), AfterValidator(_printable)] = ""
    simplified_series: Series = "S"
    full_series: Series = "F"
    rectifying_series: Series = "R"
    receipt_series: Series = "J"
    simplified_limit: SimplifiedLimit = SimplifiedLimit.STANDARD
    issues_automatically: bool = Field(default=True, description="As soon as a payment is received.")


class IssuerRead(BillingProfileRead):
    """The practice as who issues."""

    tax_area: TaxArea
    regime_note: str
    exempt_note: str
    footer: str
    simplified_series: str
    full_series: str
    rectifying_series: str
    receipt_series: str
    simplified_limit: SimplifiedLimit
    issues_automatically: bool

    @classmethod
    def of_issuer(cls, issuer: IssuerProfile) -> Self:
        """From our row."""
        return cls.model_validate(issuer)


class RateSchema(BaseModel):
    """A rate of the practice's own; `rate_bp` in hundredths of a percent (2100 is 21 %)."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    treatment: Literal["general", "reduced"]
    valid_from: date
    rate_bp: Annotated[int, Field(ge=0, le=10_000)]


class RatesSchema(BaseModel):
    """The practice's own rates, which come before the law's."""

    model_config = ConfigDict(extra="forbid")

    rates: Annotated[list[RateSchema], Field(max_length=50)]

    @classmethod
    def of(cls, rows: Sequence[TaxRate]) -> Self:
        """From our rows."""
        return cls(rates=[RateSchema.model_validate(row) for row in rows])


class SignedMoney(BaseModel):
    """Money that may be taken off: corrections by differences are negative."""

    amount: int
    currency: str


class LineRead(BaseModel):
    """One line, tax included in `gross`."""

    description: str
    quantity: int
    treatment: TaxTreatment
    rate_bp: int
    base: SignedMoney
    tax: SignedMoney
    gross: SignedMoney
    operation_on: date


class DocumentRead(BaseModel):
    """A document as its client may see it. `replaced_by`: another stands in its place now."""

    id: UUID
    kind: DocumentKind
    number: str
    issued_on: date
    locale: str
    base: SignedMoney
    tax: SignedMoney
    total: SignedMoney
    payment_id: UUID
    method: CorrectionMethod | None
    corrects: str | None
    replaces: str | None
    replaced_by: str | None
    mentions: list[str]
    lines: list[LineRead]

    @classmethod
    def values(
        cls,
        document: Document,
        lines: Sequence[DocumentLine],
        related: Mapping[UUID, Document],
        successor: Document | None,
    ) -> dict[str, Any]:
        """From our rows; ``related`` by the ids that the document refers to."""

        def money(minor: int) -> SignedMoney:
            return SignedMoney(amount=minor, currency=document.currency)

        def number_of(document_id: UUID | None) -> str | None:
            return related[document_id].number if document_id is not None else None

        plain = ("id", "kind", "number", "issued_on", "locale", "payment_id", "method")
        return {name: getattr(document, name) for name in plain} | {
            "base": money(document.base_minor),
            "tax": money(document.tax_minor),
            "total": money(document.total_minor),
            "corrects": number_of(document.corrects_id),
            "replaces": number_of(document.supersedes_id),
            "replaced_by": successor.number if successor is not None else None,
            "mentions": document.content["mentions"],
            "lines": [
                LineRead(
                    description=line.description,
                    quantity=line.quantity,
                    treatment=TaxTreatment(line.treatment),
                    rate_bp=line.rate_bp,
                    base=money(line.base_minor),
                    tax=money(line.tax_minor),
                    gross=money(line.gross_minor),
                    operation_on=line.operation_on,
                )
                for line in lines
            ],
        }


class RecipientRead(BaseModel):
    """To whom a full invoice was made out, as it says."""

    legal_name: str
    tax_id: str
    address: str
    postal_code: str
    city: str
    region: str | None
    country: str

    @classmethod
    def of(cls, document: Document) -> Self | None:
        """None: it names nobody, or not any more."""
        known = document.recipient
        return cls(**{name: known[name] for name in PARTY}) if known is not None else None


class StaffDocumentRead(DocumentRead):
    """The same for staff. `hash`: its link in the chain; `transmission`: what became of sending it."""

    client_id: UUID
    refund_id: UUID | None
    recipient: RecipientRead | None
    issued_by: str
    created_at: datetime
    hash: str | None = None
    transmission: TransmissionStatus | None = None


class DocumentCreate(BaseModel):
    """Which payment's document. `invoice`: full where the client's details are known, else simplified up to the
    law's limit; `full`: that or none; `receipt`: proof of payment that is no invoice."""

    model_config = ConfigDict(extra="forbid")

    payment_id: UUID
    kind: Literal["invoice", "full", "receipt"] = "invoice"


class RectifyRequest(BaseModel):
    """How to correct: `differences` takes `amount` off; `substitution` makes it out to the client's present details."""

    model_config = ConfigDict(extra="forbid")

    method: CorrectionMethod
    amount: MoneySchema | None = None
    reason: Annotated[str, _text(200), AfterValidator(_one_line)] | None = None


class PendingRead(BaseModel):
    """An invoice that waits, and for what."""

    model_config = ConfigDict(from_attributes=True)

    payment_id: UUID
    client_id: UUID
    reason: PendingReason
    created_at: datetime


class PendingList(BaseModel):
    """The oldest hundred of them."""

    items: list[PendingRead]

    @classmethod
    def of(cls, rows: Sequence[PendingDocument]) -> Self:
        """From our rows."""
        return cls(items=[PendingRead.model_validate(row) for row in rows])
