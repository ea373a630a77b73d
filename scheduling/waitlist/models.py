"""Who waits for a time."""

from datetime import date, datetime, time
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class WaitlistStatus(StrEnum):
    """``waiting`` in line; ``offered`` a time that is kept for them; ``booked`` it; ``left`` the line; ``over``."""

    WAITING = "waiting"
    OFFERED = "offered"
    BOOKED = "booked"
    LEFT = "left"
    OVER = "over"


class WaitlistEntry(TenantBase):
    """A client's wish for a time of a service that was not free.

    Days are inclusive, ``weekdays`` ISO (None: any), times of day the practice's (a start from ``earliest`` on and
    not after ``latest``). In line by ``created_at``. ``appointment_id`` is the offered time while ``offered`` or
    after: a held appointment, so nobody else can have it. ``offers`` counts those that ran out without an answer.
    """

    __tablename__ = "waitlist_entries"
    __table_args__ = (
        CheckConstraint("first_day <= last_day", name="days"),
        CheckConstraint("status IN ('waiting', 'offered', 'booked', 'left', 'over')", name="status"),
        ForeignKeyConstraint(
            ["dependant_id", "client_id"],
            ["dependants.id", "dependants.client_id"],
            name="fk_waitlist_entries_dependant",
        ),
        Index(
            "ix_waitlist_entries_line", "service_id", "created_at", "id", postgresql_where=text("status = 'waiting'")
        ),
        Index("ix_waitlist_entries_client_id", "client_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"))
    dependant_id: Mapped[UUID | None]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    practitioner_id: Mapped[UUID | None] = mapped_column(ForeignKey("practitioners.id", ondelete="CASCADE"))
    location_kind: Mapped[str | None] = mapped_column(String(20))
    first_day: Mapped[date]
    last_day: Mapped[date]
    weekdays: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    earliest: Mapped[time | None]
    latest: Mapped[time | None]
    status: Mapped[str] = mapped_column(String(10), server_default=text("'waiting'"))
    appointment_id: Mapped[UUID | None] = mapped_column(ForeignKey("appointments.id", ondelete="SET NULL"), unique=True)
    offers: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
