"""Disputes: a client asked their bank or PayPal for the money back, over the practice's head."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import MinorUnits, TenantBase


class Dispute(TenantBase):
    """One dispute of a payment, as the provider last told it; laid over the payment's own state.

    While it is undecided its ``amount_minor`` counts as disputed and nothing of the payment can be refunded. Lost,
    the amount is gone (a refund of cause ``dispute``); won, the payment is what its amounts say.
    ``evidence_due_by``: until when the practice may answer, at the provider. ``is_withdrawn``: the money has been
    taken from the practice's balance meanwhile.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        CheckConstraint("status IN ('needs_response', 'under_review', 'won', 'lost')", name="status"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        Index("uq_disputes_provider_ref", "provider", "provider_ref", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), index=True)
    provider: Mapped[str] = mapped_column(String(20))
    provider_ref: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(20))
    provider_status: Mapped[str] = mapped_column(String(60))
    reason: Mapped[str] = mapped_column(String(60))
    amount_minor: Mapped[MinorUnits]
    currency: Mapped[str] = mapped_column(String(3))
    is_withdrawn: Mapped[bool]
    evidence_due_by: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
