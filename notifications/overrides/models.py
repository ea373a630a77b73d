"""Mails as practices wrote them, and the drafts that were sent to their writers to look at."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, String, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class MailTemplate(TenantBase):
    """A practice's own words for one kind of mail in one language; without a row the built-in words are sent.

    ``failed_at`` and ``failure``: it could not be written for a mail lately, which went out in the built-in words.
    Saving it again clears them.
    """

    __tablename__ = "mail_templates"
    __table_args__ = (
        UniqueConstraint("kind", "language", name="uq_mail_templates_kind"),
        CheckConstraint("language IN ('es', 'en')", name="language"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    language: Mapped[str] = mapped_column(String(10))
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime]
    failed_at: Mapped[datetime | None]
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class MailTemplateTest(TenantBase):
    """A draft that somebody has mailed to themselves; it is read when the mail is made, and gone the next day."""

    __tablename__ = "mail_template_tests"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    language: Mapped[str] = mapped_column(String(10))
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
