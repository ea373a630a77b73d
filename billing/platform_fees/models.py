"""What practices use and owe the platform, and how it charges them; in the shared schema."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import MinorUnits, PlatformBase

_TENANT = "platform.tenants.id"


class UsageKind(StrEnum):
    """What is counted. Amounts are signed: corrections are entries of their own, never changes."""

    BOOKED = "booked"
    PAID = "paid"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    FEE_TAKEN = "fee_taken"
    FEE_RETURNED = "fee_returned"
    FEE_ACCRUED = "fee_accrued"


class StatementStatus(StrEnum):
    """``open`` gathers; then ``to_invoice`` until the provider (``invoiced``) or an operator (``settled``) has it.

    ``nothing_due``: it came to nothing. ``invoicing``: handed to the provider, whose answer is not known yet.
    """

    OPEN = "open"
    TO_INVOICE = "to_invoice"
    INVOICING = "invoicing"
    INVOICED = "invoiced"
    SETTLED = "settled"
    NOTHING_DUE = "nothing_due"


class CheckoutStatus(StrEnum):
    """A wish to subscribe: written down, sent to the provider, taken, or over."""

    CREATED = "created"
    OPEN = "open"
    COMPLETED = "completed"
    ENDED = "ended"


class UsageEntry(PlatformBase):
    """One fact of a practice's use, once however often it is told: ``source_id`` is the row that proves it."""

    __tablename__ = "usage_entries"
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", "source_id"),
        Index("ix_usage_entries_month", "tenant_id", "month"),
        Index("ix_usage_entries_statement_id", "statement_id", postgresql_where=text("statement_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(_TENANT))
    kind: Mapped[str] = mapped_column(String(20))
    source_id: Mapped[UUID]
    month: Mapped[date]
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    quantity: Mapped[int] = mapped_column(server_default=text("0"))
    statement_id: Mapped[UUID | None] = mapped_column(ForeignKey("platform.fee_statements.id"))
    occurred_at: Mapped[datetime]


class UsageMonth(PlatformBase):
    """The sums of a practice's month in one currency, kept with each entry so that nobody adds up rows."""

    __tablename__ = "usage_months"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(_TENANT), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    appointments_booked: Mapped[int] = mapped_column(server_default=text("0"))
    payments_count: Mapped[int] = mapped_column(server_default=text("0"))
    payments_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    refunds_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    disputes_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    fees_taken_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    fees_returned_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    fees_accrued_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))


class FeeStatement(PlatformBase):
    """The accrued fees of a practice that became known in one month, in one currency; negative is in its favour."""

    __tablename__ = "fee_statements"
    __table_args__ = (
        UniqueConstraint("tenant_id", "month", "currency"),
        CheckConstraint(
            "status IN ('open', 'to_invoice', 'invoicing', 'invoiced', 'settled', 'nothing_due')", name="status"
        ),
        Index("ix_fee_statements_to_invoice", "month", postgresql_where=text("status = 'to_invoice'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(_TENANT))
    month: Mapped[date]
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(20))
    amount_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    provider_ref: Mapped[str | None] = mapped_column(String(255))
    note: Mapped[str | None] = mapped_column(String(500))
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SubscriptionCheckout(PlatformBase):
    """A wish to subscribe, committed before the provider is asked; its id makes the idempotency key."""

    __tablename__ = "subscription_checkouts"
    __table_args__ = (
        CheckConstraint("status IN ('created', 'open', 'completed', 'ended')", name="status"),
        Index(
            "uq_subscription_checkouts_open",
            "tenant_id",
            unique=True,
            postgresql_where=text("status IN ('created', 'open')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(_TENANT))
    plan_code: Mapped[str] = mapped_column(String(50))
    status: Mapped[str] = mapped_column(String(20))
    provider_ref: Mapped[str | None] = mapped_column(String(255))
    url: Mapped[str | None] = mapped_column(String(2000))
    requested_by_kind: Mapped[str] = mapped_column(String(10))
    requested_by_id: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]


class PlatformEvent(PlatformBase):
    """A verified webhook of the platform's own account at the provider, once. A hint: nothing of it is believed."""

    __tablename__ = "platform_events"
    __table_args__ = (
        Index("uq_platform_events_event", "provider", "event_id", unique=True),
        CheckConstraint("status IN ('received', 'handled', 'ignored')", name="status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    event_id: Mapped[str] = mapped_column(String(255))
    event_type: Mapped[str] = mapped_column(String(100))
    customer_ref: Mapped[str | None] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(20))
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
