"""What the mail provider told of each mail, and the addresses that get no optional mail any more."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class EventKind(StrEnum):
    """What was told. ``blocked``: turned away for now (reputation, a full server); the address may be right."""

    PROCESSED = "processed"
    DEFERRED = "deferred"
    DROPPED = "dropped"
    DELIVERED = "delivered"
    BLOCKED = "blocked"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class EmailEvent(TenantBase):
    """One thing that the provider told of a mail; ``sg_event_id`` makes it count once.

    ``is_elsewhere``: it names another address than the one that the mail has in the log. A mail that is handed over
    again after its answer was lost goes to the address that its reader has by then; what is told of the copy that went
    to the one before says nothing of the new one.
    """

    __tablename__ = "email_events"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('processed', 'deferred', 'dropped', 'delivered', 'blocked', 'bounced', 'complained')",
            name="kind",
        ),
        Index("ix_email_events_email_log_id", "email_log_id", "occurred_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email_log_id: Mapped[UUID] = mapped_column(ForeignKey("email_logs.id", ondelete="CASCADE"))
    sg_event_id: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    occurred_at: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(String(300))
    is_elsewhere: Mapped[bool] = mapped_column(server_default=text("false"))
    received_at: Mapped[datetime]


class SuppressionReason(StrEnum):
    """Why an address gets no optional mail."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"


class ProviderState(StrEnum):
    """How far taking a lifted address off the provider's own lists has got."""

    QUEUED = "queued"
    CLEARED = "cleared"
    FAILED = "failed"


class MailSuppression(TenantBase):
    """An address (in lower case) that gets no optional mail of this practice until staff lift it.

    By address, so that a person who changes theirs is written to again. ``client_id`` is whose mail led to it, if it
    was a client's. A lifted one stays, so that what was told before that doesn't bring it back. ``provider_state`` is
    of a lifted one, where the provider has lists of its own; ``provider_failure`` says why it failed.
    """

    __tablename__ = "mail_suppressions"
    __table_args__ = (
        CheckConstraint("reason IN ('hard_bounce', 'complaint')", name="reason"),
        CheckConstraint("provider_state IN ('queued', 'cleared', 'failed')", name="provider_state"),
        Index("uq_mail_suppressions_active", "address", unique=True, postgresql_where=text("lifted_at IS NULL")),
        Index("ix_mail_suppressions_address", "address"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(String(320))
    client_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(String(20))
    since: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[UUID | None]
    provider_state: Mapped[str | None] = mapped_column(String(20))
    provider_failure: Mapped[str | None] = mapped_column(String(200))
