"""The inbox of a practice for its providers' webhooks: verified, stored once, handled by the queue."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class ProviderEvent(TenantBase):
    """One verified webhook event. Unique by provider and the provider's own event id, so a repeat is harmless.

    ``subject``: what it is about. ``account_ref`` and ``is_live``: whose account at the provider, and whether real
    money. ``raw``: its bytes as they were signed, sealed by the vault and kept for so long as a dispute may need
    them; ``body_digest`` tells a repeat from other bytes under the same id. ``problem``: why it was not handled yet.
    """

    __tablename__ = "provider_events"
    __table_args__ = (
        Index("uq_provider_events_event", "provider", "event_id", unique=True),
        Index("ix_provider_events_undone", "received_at", postgresql_where=text("status IN ('received', 'failed')")),
        CheckConstraint("status IN ('received', 'handled', 'ignored', 'failed')", name="status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    event_id: Mapped[str] = mapped_column(String(255))
    event_type: Mapped[str] = mapped_column(String(100))
    object_ref: Mapped[str | None] = mapped_column(String(255))
    body: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(20), server_default=text("'received'"))
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    subject: Mapped[str] = mapped_column(String(20), server_default=text("'payment'"))
    account_ref: Mapped[str | None] = mapped_column(String(255))
    is_live: Mapped[bool | None]
    occurred_at: Mapped[datetime | None]
    attempt_id: Mapped[UUID | None]
    body_digest: Mapped[str | None] = mapped_column(String(64))
    raw: Mapped[str | None] = mapped_column(Text)
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    problem: Mapped[str | None] = mapped_column(String(200))
