"""Clients whom mail does not reach, for the front desk to call."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class TaskReason(StrEnum):
    """Why they are to be called. ``failures``: several mails in a row did not arrive."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    FAILURES = "failures"


class TaskEnd(StrEnum):
    """How it ended: by a member of staff, or by itself."""

    DONE = "done"
    ADDRESS_CHANGED = "address_changed"
    DELIVERED = "delivered"


class MailTask(TenantBase):
    """Call this client: mail to ``address`` (in lower case) does not arrive. One is open at most for the two.

    ``email_log_id``: the mail that opened it, while the log has it. ``closed_by``: the member of staff, if it was one.
    """

    __tablename__ = "mail_tasks"
    __table_args__ = (
        CheckConstraint("reason IN ('hard_bounce', 'complaint', 'failures')", name="reason"),
        CheckConstraint("closed_as IN ('done', 'address_changed', 'delivered')", name="closed_as"),
        CheckConstraint("(closed_at IS NULL) = (closed_as IS NULL)", name="closed"),
        Index("uq_mail_tasks_open", "client_id", "address", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index("ix_mail_tasks_client_id", "client_id"),
        Index("ix_mail_tasks_email_log_id", "email_log_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"))
    address: Mapped[str] = mapped_column(String(320))
    reason: Mapped[str] = mapped_column(String(20))
    email_log_id: Mapped[UUID | None] = mapped_column(ForeignKey("email_logs.id", ondelete="SET NULL"))
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_as: Mapped[str | None] = mapped_column(String(20))
    closed_by: Mapped[UUID | None]
