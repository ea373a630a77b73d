"""What was written to clients, kept for a while."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from notifications.models import SUBJECT_LIMIT
from todoenbalance.kit.database import TenantBase


class MailBody(TenantBase):
    """The words of one mail to a client, without what opens anything: see ``notifications.bodies.redaction``."""

    __tablename__ = "mail_bodies"
    __table_args__ = (Index("ix_mail_bodies_created_at", "created_at"),)

    email_log_id: Mapped[UUID] = mapped_column(ForeignKey("email_logs.id", ondelete="CASCADE"), primary_key=True)
    subject: Mapped[str] = mapped_column(String(SUBJECT_LIMIT))
    text: Mapped[str]
    html: Mapped[str]
    created_at: Mapped[datetime]
