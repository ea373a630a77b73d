"""As whom a practice writes: its own row, and in the shared schema who has shown which domain to be theirs."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import PlatformBase, TenantBase


class Trouble(StrEnum):
    """What stands in the way, besides the records that are shown.

    ``taken``: another practice has shown the domain to be its own. ``provider_waits``: the records are right, and the
    mail provider has not seen that yet. ``unanswered``: no DNS server, or not the provider, gave an answer.
    ``not_offered``: the operator offers no addresses of practices' own any more. ``refused``: whoever carries the mails
    did not take the address, whatever the records say; ``broken_at`` is when.
    """

    TAKEN = "taken"
    PROVIDER_WAITS = "provider_waits"
    UNANSWERED = "unanswered"
    NOT_OFFERED = "not_offered"
    REFUSED = "refused"


class MailSender(TenantBase):
    """The practice's choices, and what was found of its domain; without a row everything is as it is by default.

    ``name`` and ``reply_to``: None is the practice's name, and its contact address. ``address``: the sender's address
    of its own, with its ``domain`` in ASCII (IDNA); it is used while ``verified_at`` is set. ``token``: what only this
    practice is told to enter in the domain's DNS. ``records``: those that are wanted, as they were found by
    ``checked_at``. ``broken_at``: since when a domain that was verified is so no more. ``trouble``: what stands in
    the way besides the records. ``unanswered``: so many checks in a row came to no result. ``due_at``: the next check.
    """

    __tablename__ = "mail_sender"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("(address IS NULL) = (domain IS NULL)", name="domain"),
        CheckConstraint("verified_at IS NULL OR (address IS NOT NULL AND broken_at IS NULL)", name="verified"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(100))
    reply_to: Mapped[str | None] = mapped_column(String(320))
    address: Mapped[str | None] = mapped_column(String(320))
    domain: Mapped[str | None] = mapped_column(String(253))
    token: Mapped[str | None] = mapped_column(String(64))
    records: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    trouble: Mapped[str | None] = mapped_column(String(40))
    unanswered: Mapped[int] = mapped_column(server_default=text("0"))
    checked_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    broken_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class MailDomain(PlatformBase):
    """The domain that a practice asks to write from, one at most. Verified, it is nobody else's.

    ``provider_ref``: the mail provider's id of it, one for all practices that name the domain. ``is_ours``: we had the
    provider make it, so that we may have it removed.
    """

    __tablename__ = "mail_domains"
    __table_args__ = (
        Index(
            "uq_mail_domains_verified", "domain", unique=True, postgresql_where=text("verified_at IS NOT NULL")
        ),
        Index("ix_mail_domains_domain", "domain"),
    )  # fmt: skip

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenants.id"), primary_key=True)
    domain: Mapped[str] = mapped_column(String(253))
    provider_ref: Mapped[str | None] = mapped_column(String(40))
    is_ours: Mapped[bool] = mapped_column(server_default=text("false"))
    verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
