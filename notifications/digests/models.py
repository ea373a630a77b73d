"""Staff's choice of one mail a day, and what waits for it."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class DigestChoice(TenantBase):
    """That a member of staff has what may wait once a day, ``at`` this time of the practice's wall clock.

    Without a row they have it at once.
    """

    __tablename__ = "mail_digest_choices"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[time]
    changed_at: Mapped[datetime]


class DigestEntry(TenantBase):
    """A mail that waits for a digest, by its line of the log. ``payload`` is the event's: ids, and no words.

    ``digest`` is the version of the digest that took it, None as long as none has.
    """

    __tablename__ = "mail_digest_entries"
    __table_args__ = (Index("ix_mail_digest_entries_staff_id", "staff_id", "due_at"),)

    email_log_id: Mapped[UUID] = mapped_column(ForeignKey("email_logs.id", ondelete="CASCADE"), primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    payload: Mapped[dict[str, Any]]
    due_at: Mapped[datetime]
    digest: Mapped[UUID | None]
