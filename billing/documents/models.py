"""Receipts and invoices, whose rows never change once written, and what they are made from."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import MinorUnits, TenantBase


class DocumentKind(StrEnum):
    """``receipt`` proves a payment and is no tax document; the others are invoices (RD 1619/2012, art. 4, 6, 15)."""

    SIMPLIFIED = "simplified"
    FULL = "full"
    RECTIFYING = "rectifying"
    RECEIPT = "receipt"


INVOICES = (DocumentKind.SIMPLIFIED, DocumentKind.FULL, DocumentKind.RECTIFYING)


class CorrectionMethod(StrEnum):
    """How a rectifying invoice corrects (RD 1619/2012, art. 15.5): it adds the difference, or stands in its place."""

    DIFFERENCES = "differences"
    SUBSTITUTION = "substitution"


class InvoiceType(StrEnum):
    """As the tax agency names them: full, simplified, in exchange for simplified ones, rectifying."""

    F1 = "F1"
    F2 = "F2"
    F3 = "F3"
    R1 = "R1"
    R4 = "R4"
    R5 = "R5"


class TaxArea(StrEnum):
    """Whose rules of indirect tax the practice is under.

    Spain's common territory (IVA) and the Canaries (IGIC) fall under VERI*FACTU; the Basque and Navarrese
    treasuries have systems of their own, and other countries theirs.
    """

    ES_COMMON = "es_common"
    ES_CANARY = "es_canary"
    ES_FORAL = "es_foral"
    OTHER = "other"


class SimplifiedLimit(StrEnum):
    """Up to how much a simplified invoice may be (RD 1619/2012, art. 4): 400 €, or 3,000 € in the listed cases."""

    STANDARD = "standard"
    LISTED = "listed"


class PendingReason(StrEnum):
    """Why an invoice waits for somebody to do something."""

    CLIENT_DATA_NEEDED = "client_data_needed"
    RATE_MISSING = "rate_missing"
    NOT_DESCRIBED = "not_described"
    CURRENCY_NOT_SUPPORTED = "currency_not_supported"


class TransmissionStatus(StrEnum):
    """What became of sending a record to the tax agency. ``off``: nothing is sent."""

    OFF = "off"
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class PartyColumns:
    """Who issues or receives: legal name, tax id (as normalised by :mod:`billing.documents.tax_ids`), address."""

    legal_name: Mapped[str] = mapped_column(String(200))
    tax_id: Mapped[str] = mapped_column(String(30))
    address: Mapped[str] = mapped_column(String(300))
    postal_code: Mapped[str] = mapped_column(String(20))
    city: Mapped[str] = mapped_column(String(100))
    region: Mapped[str | None] = mapped_column(String(100))
    country: Mapped[str] = mapped_column(String(2))


class IssuerProfile(PartyColumns, TenantBase):
    """The practice as who issues invoices: one row, or none until its owner fills it in.

    Its row lock is what makes the practice's invoices one after another. ``exempt_note``: the mention of exempt
    health care where the law is not Spain's. ``regime_note`` is printed below the taxes, ``footer`` at the foot.
    """

    __tablename__ = "issuer_profiles"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("tax_area IN ('es_common', 'es_canary', 'es_foral', 'other')", name="tax_area"),
        CheckConstraint("(country = 'ES') = (tax_area <> 'other')", name="tax_area_of_country"),
        CheckConstraint("simplified_limit IN ('standard', 'listed')", name="simplified_limit"),
        CheckConstraint(
            "simplified_series <> full_series AND simplified_series <> rectifying_series"
            " AND simplified_series <> receipt_series AND full_series <> rectifying_series"
            " AND full_series <> receipt_series AND rectifying_series <> receipt_series",
            name="series_differ",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tax_area: Mapped[str] = mapped_column(String(20))
    regime_note: Mapped[str] = mapped_column(String(500), server_default=text("''"))
    exempt_note: Mapped[str] = mapped_column(String(500), server_default=text("''"))
    footer: Mapped[str] = mapped_column(String(1000), server_default=text("''"))
    simplified_series: Mapped[str] = mapped_column(String(10), server_default=text("'S'"))
    full_series: Mapped[str] = mapped_column(String(10), server_default=text("'F'"))
    rectifying_series: Mapped[str] = mapped_column(String(10), server_default=text("'R'"))
    receipt_series: Mapped[str] = mapped_column(String(10), server_default=text("'J'"))
    simplified_limit: Mapped[str] = mapped_column(String(10), server_default=text("'standard'"))
    issues_automatically: Mapped[bool] = mapped_column(server_default=text("true"))
    updated_at: Mapped[datetime]


class BillingProfile(PartyColumns, TenantBase):
    """To whom a client's full invoices are made out."""

    __tablename__ = "billing_profiles"

    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    updated_at: Mapped[datetime]


class TaxRate(TenantBase):
    """A practice's own rate of a treatment from a day on, before the law's; in hundredths of a percent."""

    __tablename__ = "tax_rates"
    __table_args__ = (
        CheckConstraint("treatment IN ('general', 'reduced')", name="treatment"),
        CheckConstraint("rate_bp BETWEEN 0 AND 10000", name="rate_bp"),
    )

    treatment: Mapped[str] = mapped_column(String(20), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    rate_bp: Mapped[int]


class DocumentSeries(TenantBase):
    """How far the numbers of a series have come in a year; its row is locked to take the next."""

    __tablename__ = "document_series"
    __table_args__ = (CheckConstraint("last_number >= 0", name="last_number"),)

    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_number: Mapped[int]
    last_issued_on: Mapped[date]


class Document(TenantBase):
    """One issued document. A trigger refuses every change and deletion but one: ``recipient`` may become NULL.

    ``content`` is what was printed besides lines and totals, as it was then (issuer, taxes, mentions, payment, QR),
    and names no client; ``recipient`` is to whom a full invoice was made out, so that an erasure can take it away
    and leave numbers, amounts and chain whole. ``recipient_digest`` still vouches for it (salted).
    ``corrects_id``: the invoice that a rectifying one is about. ``supersedes_id``: the one in whose place this one
    stands, with the same amounts, which therefore count once. ``content_digest`` covers content, lines and recipient.
    Amounts in minor units of ``currency``; rectifying ones by differences are signed.
    """

    __tablename__ = "documents"
    __table_args__ = (
        CheckConstraint("kind IN ('simplified', 'full', 'rectifying', 'receipt')", name="kind"),
        CheckConstraint("method IN ('differences', 'substitution')", name="method"),
        CheckConstraint("(kind = 'rectifying') = (corrects_id IS NOT NULL)", name="corrects"),
        CheckConstraint("(kind = 'rectifying') = (method IS NOT NULL)", name="rectifying_method"),
        CheckConstraint("base_minor + tax_minor = total_minor", name="sum"),
        CheckConstraint("sequence > 0", name="sequence"),
        UniqueConstraint("series", "year", "sequence"),
        UniqueConstraint("number"),
        UniqueConstraint("refund_id"),
        UniqueConstraint("supersedes_id"),
        # One invoice for a payment; what stands in its place or corrects it says so.
        Index(
            "uq_documents_invoice_of_payment",
            "payment_id",
            unique=True,
            postgresql_where=text("kind <> 'receipt' AND corrects_id IS NULL AND supersedes_id IS NULL"),
        ),
        Index("ix_documents_payment_id", "payment_id", "id"),
        Index("ix_documents_client_id", "client_id", "id"),
        Index("ix_documents_issued_on", "issued_on", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    invoice_type: Mapped[str | None] = mapped_column(String(2))
    series: Mapped[str] = mapped_column(String(10))
    year: Mapped[int]
    sequence: Mapped[int]
    number: Mapped[str] = mapped_column(String(30))
    issued_on: Mapped[date]
    locale: Mapped[str] = mapped_column(String(10))
    currency: Mapped[str] = mapped_column(String(3))
    base_minor: Mapped[MinorUnits]
    tax_minor: Mapped[MinorUnits]
    total_minor: Mapped[MinorUnits]
    client_id: Mapped[UUID]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey("refunds.id"))
    corrects_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id"), index=True)
    supersedes_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id"))
    method: Mapped[str | None] = mapped_column(String(20))
    content: Mapped[dict[str, Any]]
    recipient: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    recipient_digest: Mapped[str | None] = mapped_column(String(64))
    content_digest: Mapped[str] = mapped_column(String(64))
    issued_by_kind: Mapped[str] = mapped_column(String(10))
    issued_by_id: Mapped[UUID | None]
    created_at: Mapped[datetime]


class DocumentLine(TenantBase):
    """One line of a document; as immutable as it. ``rate_bp`` in hundredths of a percent."""

    __tablename__ = "document_lines"
    __table_args__ = (CheckConstraint("base_minor + tax_minor = gross_minor", name="sum"),)

    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    description: Mapped[str] = mapped_column(String(300))
    quantity: Mapped[int]
    treatment: Mapped[str] = mapped_column(String(20))
    rate_bp: Mapped[int]
    base_minor: Mapped[MinorUnits]
    tax_minor: Mapped[MinorUnits]
    gross_minor: Mapped[MinorUnits]
    operation_on: Mapped[date]


class DocumentRecord(TenantBase):
    """The record of an invoice (RD 1007/2023): what the chain of hashes is made of. Only ``transmission_*`` change.

    The text columns are the very texts that were hashed. ``seal`` is a hash of the previous seal, ``hash`` and the
    document's ``content_digest``: it chains what the official hash leaves out.
    """

    __tablename__ = "document_records"
    __table_args__ = (
        CheckConstraint(
            "transmission_status IN ('off', 'pending', 'accepted', 'rejected')", name="transmission_status"
        ),
        UniqueConstraint("issuer_tax_id", "position"),
    )

    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    issuer_tax_id: Mapped[str] = mapped_column(String(30))
    position: Mapped[int]
    number: Mapped[str] = mapped_column(String(60))
    issued_on: Mapped[str] = mapped_column(String(10))
    invoice_type: Mapped[str] = mapped_column(String(2))
    tax_total: Mapped[str] = mapped_column(String(20))
    total: Mapped[str] = mapped_column(String(20))
    previous_hash: Mapped[str] = mapped_column(String(64))
    generated_at: Mapped[str] = mapped_column(String(30))
    hash: Mapped[str] = mapped_column(String(64))
    seal: Mapped[str] = mapped_column(String(64))
    transmission_status: Mapped[str] = mapped_column(String(10), server_default=text("'off'"))
    transmission_ref: Mapped[str | None] = mapped_column(String(100))
    transmission_note: Mapped[str | None] = mapped_column(String(500))


class PendingDocument(TenantBase):
    """A payment whose invoice waits, and why; the row goes when it is issued."""

    __tablename__ = "pending_documents"
    __table_args__ = (
        CheckConstraint(
            "reason IN ('client_data_needed', 'rate_missing', 'not_described', 'currency_not_supported')",
            name="reason",
        ),
    )

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), primary_key=True)
    client_id: Mapped[UUID] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(String(30))
    created_at: Mapped[datetime]
