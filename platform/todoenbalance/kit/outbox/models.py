"""The queue of events and delayed jobs of all practices: one table in the shared schema."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import PlatformBase


class OutboxEvent(PlatformBase):
    """One event or delayed job, written in the transaction of the change that caused it.

    Carries ids, never personal data. ``tenant`` is the practice's key (its role's name; row-level
    security makes it equal ``current_user``) and empty for the platform's own events. ``attempts`` counts
    hand-overs to Celery; ``started_attempt`` is the last of them that a worker began, so a message that
    the broker delivers twice is begun once. ``failures`` counts those that were begun and came to nothing,
    also when the worker died of them.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "run_at", postgresql_where=text("parked_at IS NULL")),
        Index("ix_outbox_tenant", "tenant"),
        Index("ix_outbox_parked", "parked_at", postgresql_where=text("parked_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant: Mapped[str | None] = mapped_column(String(63))
    topic: Mapped[str] = mapped_column(String(100))
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    run_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    started_attempt: Mapped[int] = mapped_column(server_default=text("0"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None]
    parked_at: Mapped[datetime | None]
