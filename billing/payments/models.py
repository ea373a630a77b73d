"""Payments, their attempts at a provider, and the ledger of what money did."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import MinorUnits, TenantBase


class PaymentStatus(StrEnum):
    """The public states; derived from attempts and amounts by ``billing.payments.transitions``."""

    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


class AttemptStatus(StrEnum):
    """One try at the provider. ``unknown``: the answer was lost; only re-reading the provider leaves it."""

    CREATED = "created"
    AWAITING_CUSTOMER = "awaiting_customer"
    PROCESSING = "processing"
    CAPTURED = "captured"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class RefundStatus(StrEnum):
    """A refund is money only once it ``succeeded``; a failed one gives its amount back to the payment."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Payment(TenantBase):
    """Money asked for one payable (an appointment, by its id: billing knows no more of it).

    Amounts in minor units of ``currency``. ``captured_minor``, ``refund_pending_minor``, ``refunded_minor`` and
    ``disputed_minor`` (undecided disputes) are the facts; ``status`` follows from them. ``review_reason`` is set
    when the provider's facts contradict ours: nothing is settled then. ``applied_at``: when the owner of the
    payable drew the consequences of the money, which happens once, however often it hears of it.
    ``platform_fee_minor`` is the fee agreed on when the payment was opened; ``fee_taken_minor`` what the provider
    took of the money for the platform, ``fee_returned_minor`` what went back of that with refunds. ``flow``,
    ``locale`` and ``saves_card``: how the client is asked to pay. ``saved_card_id``: the kept card that is charged
    while they are away.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(
            "status IN ('requires_action', 'processing', 'succeeded', 'failed', 'cancelled',"
            " 'partially_refunded', 'refunded', 'disputed')",
            name="status",
        ),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("captured_minor >= 0", name="captured_minor"),
        CheckConstraint(
            "refunded_minor >= 0 AND refund_pending_minor >= 0"
            " AND refunded_minor + refund_pending_minor <= captured_minor",
            name="refunds_within_captured",
        ),
        CheckConstraint("disputed_minor >= 0", name="disputed_minor"),
        CheckConstraint("flow IN ('redirect', 'elements')", name="flow"),
        Index("ix_payments_payable_id", "payable_id"),
        Index("ix_payments_client_id", "client_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payable_kind: Mapped[str] = mapped_column(String(30))
    payable_id: Mapped[UUID]
    client_id: Mapped[UUID]
    method: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[MinorUnits]
    captured_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    refund_pending_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    refunded_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    disputed_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    platform_fee_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    fee_taken_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    fee_returned_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    flow: Mapped[str] = mapped_column(String(10), server_default=text("'redirect'"))
    locale: Mapped[str | None] = mapped_column(String(10))
    saves_card: Mapped[bool] = mapped_column(server_default=text("false"))
    saved_card_id: Mapped[UUID | None] = mapped_column(ForeignKey("saved_cards.id"))
    description: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    return_url: Mapped[str] = mapped_column(String(2000))
    cancel_url: Mapped[str] = mapped_column(String(2000))
    review_reason: Mapped[str | None] = mapped_column(String(100))
    applied_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def unpromised_minor(self) -> int:
        """What is here and is not promised back either."""
        return self.captured_minor - self.refunded_minor - self.refund_pending_minor


class PaymentAttempt(TenantBase):
    """One try of a payment at its provider, committed before the call; its id makes the idempotency key.

    ``account_id`` and ``mode``: the practice's account that it was made with, which alone can read or refund it.
    ``provider_ref`` names the order, ``charge_ref`` the money that came by it. ``provider_fee_minor``: what the
    provider kept. ``method_kind`` and ``last_four``: by what the client paid, as far as the provider says.
    """

    __tablename__ = "payment_attempts"
    __table_args__ = (
        CheckConstraint(
            "status IN ('created', 'awaiting_customer', 'processing', 'captured', 'declined', 'expired',"
            " 'cancelled', 'unknown')",
            name="status",
        ),
        Index("uq_payment_attempts_provider_ref", "provider", "provider_ref", unique=True),
        Index("ix_payment_attempts_charge_ref", "charge_ref", postgresql_where=text("charge_ref IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), index=True)
    provider: Mapped[str] = mapped_column(String(20))
    provider_ref: Mapped[str | None] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(20))
    provider_status: Mapped[str | None] = mapped_column(String(60))
    next_action: Mapped[dict[str, Any] | None]
    expires_at: Mapped[datetime | None]
    failure_code: Mapped[str | None] = mapped_column(String(60))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_accounts.id"))
    mode: Mapped[str | None] = mapped_column(String(10))
    charge_ref: Mapped[str | None] = mapped_column(String(255))
    provider_fee_minor: Mapped[MinorUnits | None]
    method_kind: Mapped[str | None] = mapped_column(String(40))
    last_four: Mapped[str | None] = mapped_column(String(4))
    read_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Refund(TenantBase):
    """One try to give money back; its id makes the provider's idempotency key.

    ``retry_of_id``: the failed one that this tries again. ``fee_returned_minor``: what of the platform's fee went
    back with it. Money of the desk is handed over by staff: ``handed_over_kind`` says how, ``handed_over_note`` what
    they wrote about it.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'succeeded', 'failed')", name="status"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        Index("ix_refunds_pending", "created_at", postgresql_where=text("status = 'pending'")),
        Index("uq_refunds_provider_ref", "payment_id", "provider_ref", unique=True),
        Index("uq_refunds_retry_of_id", "retry_of_id", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), index=True)
    retry_of_id: Mapped[UUID | None] = mapped_column(ForeignKey("refunds.id"))
    fee_returned_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    amount_minor: Mapped[MinorUnits]
    status: Mapped[str] = mapped_column(String(20))
    cause: Mapped[str] = mapped_column(String(30))
    reason: Mapped[str | None] = mapped_column(String(500))
    provider_ref: Mapped[str | None] = mapped_column(String(255))
    failure_code: Mapped[str | None] = mapped_column(String(60))
    requested_by_kind: Mapped[str] = mapped_column(String(10))
    requested_by_id: Mapped[UUID | None]
    handed_over_kind: Mapped[str | None] = mapped_column(String(20))
    handed_over_note: Mapped[str | None] = mapped_column(String(500))
    handed_over_by_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class LedgerEntry(TenantBase):
    """One line of the practice's books: signed minor units, cause, and what proves it. Only ever added."""

    __tablename__ = "ledger_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), index=True)
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey("refunds.id"))
    kind: Mapped[str] = mapped_column(String(30))
    amount_minor: Mapped[MinorUnits]
    currency: Mapped[str] = mapped_column(String(3))
    provider_ref: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime]


class SandboxOrder(TenantBase):
    """The sandbox provider's own record of an order: what a real provider would keep on its side."""

    __tablename__ = "sandbox_orders"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    attempt_id: Mapped[UUID] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(String(20))
    amount_minor: Mapped[MinorUnits]
    captured_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    refunded_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    currency: Mapped[str] = mapped_column(String(3))
    description: Mapped[str] = mapped_column(String(200))
    return_url: Mapped[str] = mapped_column(String(2000))
    cancel_url: Mapped[str] = mapped_column(String(2000))
    refunds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
