"""The inbox of a practice for its providers' webhooks: verified, stored once, handled by the queue."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class ProviderEvent(TenantBase):
    """One verified webhook event. Unique by provider and the provider's own event id, so a repeat is harmless."""

    __tablename__ = "provider_events"
    __table_args__ = (
        Index("uq_provider_events_event", "provider", "event_id", unique=True),
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
