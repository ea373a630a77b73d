"""What was mailed: one row per message and recipient, with how far it got; and the development mailbox."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import PlatformBase, TenantBase


class EmailStatus(StrEnum):
    """``sending`` is committed before the adapter is called, and, without an attempt, when a mail is announced: it is
    queued. ``skipped``: it was no longer true, or not wanted.

    ``held``: it waits for its reader's digest. ``failed``: nobody tries any more; the reason says if it may have
    arrived.
    """

    SENDING = "sending"
    HELD = "held"
    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"


QUIET_HOURS = "quiet hours"
"""For what a mail that is queued waits: the end of its reader's night."""
NOT_TRUE = "no longer true"
"""Why a message was left out: what it was to say is not so any more."""
NOBODY = "nobody to write to"
"""Its reader is gone, or has no address."""
SUPPRESSED = "suppressed"
"""Mail to this address bounced, or its reader complained."""
SUBJECT_LIMIT, REFERENCE_LIMIT, FAILURE_LIMIT = 500, 255, 500
"""How many characters of a subject, of a provider's reference and of a reason are kept."""


class Delivery(StrEnum):
    """What became of a sent mail, by what the provider told; a mail that nothing was told of has none."""

    DEFERRED = "deferred"
    DROPPED = "dropped"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class EmailLog(TenantBase):
    """One message to one recipient. ``dedupe_key`` (kind, subject, version, recipient) makes it once-only.

    The key ends with the recipient's kind and id; of a client or member of staff the id is its last 36 characters.
    ``announced_at``: when it was queued; ``not_before``: until when it waits, if it does (``failure``: for what);
    ``created_at``: when it was first taken up, or taken up after it was given up, which is what limits go by; queued as
    long as it was not. As long as it is queued the line has neither address nor words.
    ``delivery`` and ``delivery_reason`` are what the provider's events come to (``notifications.tracking``).
    """

    __tablename__ = "email_logs"
    __table_args__ = (
        CheckConstraint("status IN ('sending', 'held', 'sent', 'skipped', 'failed')", name="status"),
        CheckConstraint(
            "delivery IN ('deferred', 'dropped', 'delivered', 'bounced', 'complained')",
            name="delivery",
        ),
        Index("ix_email_logs_subject_id", "subject_id"),
        Index("ix_email_logs_recipient", "recipient", "created_at"),
        Index("ix_email_logs_reader", text('"right"(dedupe_key, 36)')),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    dedupe_key: Mapped[str] = mapped_column(String(300), unique=True)
    subject_id: Mapped[UUID | None]
    recipient: Mapped[str] = mapped_column(String(320))
    locale: Mapped[str] = mapped_column(String(10))
    subject: Mapped[str] = mapped_column(String(SUBJECT_LIMIT), server_default=text("''"))
    status: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    provider: Mapped[str | None] = mapped_column(String(20))
    provider_ref: Mapped[str | None] = mapped_column(String(REFERENCE_LIMIT))
    failure: Mapped[str | None] = mapped_column(String(FAILURE_LIMIT))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    delivery: Mapped[str | None] = mapped_column(String(20))
    delivery_reason: Mapped[str | None] = mapped_column(String(300))
    announced_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]

    @property
    def is_queued(self) -> bool:
        """Whether nobody has tried to send it yet."""
        return self.status == EmailStatus.SENDING and not self.attempts


class _Mailbox:
    """Columns of the development mailbox: what a real mail server would have been given."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recipient: Mapped[str] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(String(SUBJECT_LIMIT))
    text: Mapped[str]
    html: Mapped[str]
    headers: Mapped[dict[str, Any]]
    attachments: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class MailboxMessage(_Mailbox, TenantBase):
    """A mail that a practice 'sent' outside production. ``id`` is the message's own, so a repeat is dropped."""

    __tablename__ = "mailbox_messages"


class PlatformMailboxMessage(_Mailbox, PlatformBase):
    """A mail that the platform 'sent' outside production."""

    __tablename__ = "mailbox_messages"
