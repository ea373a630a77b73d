"""What readers chose: which topics they get."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class ChangedBy(StrEnum):
    """By which way a choice was made: on a page or by the account's API, by the button of a mail program
    (RFC 8058), or by staff whom the reader asked."""

    PAGE = "page"
    ONE_CLICK = "one_click"
    STAFF = "staff"


class MailPreference(TenantBase):
    """That an account wants a topic's optional mails, or does not. Without a row it gets them."""

    __tablename__ = "mail_preferences"
    __table_args__ = (
        CheckConstraint("account_kind IN ('client', 'staff')", name="account_kind"),
        CheckConstraint("changed_by IN ('page', 'one_click', 'staff')", name="changed_by"),
    )

    account_kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(30), primary_key=True)
    is_on: Mapped[bool]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(String(10))
