"""What the platform mailed to its operators, who belong to no practice."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import PlatformBase


class OperatorMail(PlatformBase):
    """One mail to one operator, made before it is handed over and kept up to date. What it said is not kept.

    ``status``, ``delivery`` and ``failure`` mean what they mean in a practice's log (``notifications.models``). Of what
    the provider told, the gravest is kept, with when it happened and why.
    """

    __tablename__ = "operator_mails"
    __table_args__ = (
        UniqueConstraint("kind", "subject_id", "version", "operator_id"),
        CheckConstraint("status IN ('sending', 'sent', 'skipped', 'failed')", name="status"),
        CheckConstraint(
            "delivery IN ('deferred', 'dropped', 'delivered', 'bounced', 'complained')",
            name="delivery",
        ),
        Index("ix_operator_mails_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    subject_id: Mapped[UUID]
    version: Mapped[str] = mapped_column(String(100))
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("platform.operators.id", ondelete="CASCADE"), index=True)
    recipient: Mapped[str] = mapped_column(String(320), server_default=text("''"))
    locale: Mapped[str] = mapped_column(String(10), server_default=text("''"))
    subject: Mapped[str] = mapped_column(String(500), server_default=text("''"))
    status: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    provider: Mapped[str | None] = mapped_column(String(20))
    provider_ref: Mapped[str | None] = mapped_column(String(255))
    failure: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    delivery: Mapped[str | None] = mapped_column(String(20))
    delivery_at: Mapped[datetime | None]
    delivery_reason: Mapped[str | None] = mapped_column(String(300))
