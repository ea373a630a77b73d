"""Calendars that practitioners keep elsewhere, whose busy time is theirs here too."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class ExternalCalendar(TenantBase):
    """An iCalendar address that is read again and again. The address opens the calendar, so it is sealed.

    ``host`` is what is shown of it. ``refreshed_at``: when it was last read well, which is how old the busy times
    are; ``tried_at``, ``failure`` (a code) and ``failures`` in a row: how the last try went. ``etag``: HTTP's.
    ``due_at``: when it is read next; of the queue's rows only the one that carries it does so.
    """

    __tablename__ = "external_calendars"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    address: Mapped[str]
    host: Mapped[str] = mapped_column(String(255))
    etag: Mapped[str | None] = mapped_column(String(300))
    refreshed_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(String(40))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class ExternalBusyTime(TenantBase):
    """A period in which another calendar has the practitioner busy; what for is not stored."""

    __tablename__ = "external_busy_times"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="times"),
        Index("ix_external_busy_times_practitioner_id", "practitioner_id", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("external_calendars.id", ondelete="CASCADE"), index=True)
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
