"""Private addresses under which a calendar can be subscribed to."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class FeedOwner(StrEnum):
    """Whose appointments a feed shows."""

    CLIENT = "client"
    PRACTITIONER = "practitioner"


class CalendarFeed(TenantBase):
    """One address, shown once and stored hashed. One lives per owner; a new one ends the old.

    ``made_by``: the member of staff who made a practitioner's (None: a client made their own). They have seen the
    address, so it ends when they may no more change that calendar.
    """

    __tablename__ = "calendar_feeds"
    __table_args__ = (
        Index(
            "ix_calendar_feeds_owner", "owner_kind", "owner_id", unique=True, postgresql_where=text("ended_at IS NULL")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(String(15))
    owner_id: Mapped[UUID]
    made_by: Mapped[UUID | None]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
