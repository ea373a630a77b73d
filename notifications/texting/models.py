"""Who agreed to text messages, what was sent, and whether the practice wants any sent."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class GivenBy(StrEnum):
    """By which way a client agreed."""

    PAGE = "page"
    API = "api"


class WithdrawnBy(StrEnum):
    """``reply``: the number answered STOP. ``renewed``: another number took this one's place. ``staff``: the client
    asked them to."""

    CLIENT = "client"
    REPLY = "reply"
    RENEWED = "renewed"
    STAFF = "staff"


class TextStatus(StrEnum):
    """``sending`` is committed before the gateway is called. ``skipped``: not true any more, or not to be sent.

    ``failed``: nobody tries any more; the reason says if it may have arrived.
    """

    SENDING = "sending"
    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"


class TextDelivery(StrEnum):
    """What the gateway reported of a message that it took."""

    DELIVERED = "delivered"
    FAILED = "failed"


class TextConsent(TenantBase):
    """That a client agreed to reminders at a number (E.164) by a channel, and to which ``sentence``.

    It counts once the code that was sent to the number came back (``confirmed_at``), until ``withdrawn_at``, and only
    while the number is the account's. ``tries``: wrong codes so far.
    """

    __tablename__ = "text_consents"
    __table_args__ = (
        CheckConstraint("channel IN ('sms', 'whatsapp')", name="channel"),
        CheckConstraint("given_by IN ('page', 'api')", name="given_by"),
        CheckConstraint("withdrawn_by IN ('client', 'reply', 'renewed', 'staff')", name="withdrawn_by"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn"),
        Index(
            "uq_text_consents_active",
            "client_id",
            "channel",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index("ix_text_consents_number", "number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(10))
    number: Mapped[str] = mapped_column(String(16))
    sentence: Mapped[str] = mapped_column(String(600))
    locale: Mapped[str] = mapped_column(String(10))
    given_at: Mapped[datetime]
    given_by: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    confirmed_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None] = mapped_column(String(10))


class TextStop(TenantBase):
    """That a number answered STOP. ``digest`` is a keyed one of number and channel: the number itself is not kept."""

    __tablename__ = "text_stops"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    said_at: Mapped[datetime]


class TextLog(TenantBase):
    """One text message to one number. ``dedupe_key`` (kind, subject, version, client, channel) makes it once-only.

    Its words are not kept. ``segments``: what it costs by.
    """

    __tablename__ = "text_logs"
    __table_args__ = (
        CheckConstraint("channel IN ('sms', 'whatsapp')", name="channel"),
        CheckConstraint("status IN ('sending', 'sent', 'skipped', 'failed')", name="status"),
        CheckConstraint("delivery IN ('delivered', 'failed')", name="delivery"),
        Index("ix_text_logs_client_id", "client_id"),
        Index("ix_text_logs_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    dedupe_key: Mapped[str] = mapped_column(String(300), unique=True)
    subject_id: Mapped[UUID]
    client_id: Mapped[UUID]
    channel: Mapped[str] = mapped_column(String(10))
    number: Mapped[str] = mapped_column(String(16), server_default=text("''"))
    locale: Mapped[str] = mapped_column(String(10))
    segments: Mapped[int] = mapped_column(server_default=text("0"))
    status: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    provider_ref: Mapped[str | None] = mapped_column(String(255))
    failure: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    delivery: Mapped[str | None] = mapped_column(String(20))
    delivery_at: Mapped[datetime | None]


class TextChoice(TenantBase):
    """That the practice wants text messages sent, and how many segments a month at most. Without a row: none."""

    __tablename__ = "text_choices"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("monthly_limit BETWEEN 0 AND 1000000", name="monthly_limit"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_on: Mapped[bool]
    monthly_limit: Mapped[int]
    changed_at: Mapped[datetime]
