"""Sessions with several seats."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class GroupSession(TenantBase):
    """One date of a group service: a practitioner's time, shared by up to ``capacity`` seats.

    A seat is an appointment with ``group_session_id``; it is taken under this row's lock. ``occupied`` is the
    session's time with its buffers. ``status``: ``scheduled`` or ``cancelled``; ``version`` rises when it is moved,
    also to another place, or cancelled, and ``changed_at`` is when it last did. ``moved_from`` (its start) and
    ``moved_from_practitioner_id`` are what it was before the last move.
    """

    __tablename__ = "group_sessions"
    __table_args__ = (
        ExcludeConstraint(
            ("practitioner_id", "="),
            ("occupied", "&&"),
            where=text("status = 'scheduled'"),
            using="gist",
            name="ex_group_sessions_no_overlap",
        ),
        CheckConstraint("starts_at < ends_at", name="times"),
        CheckConstraint("occupied @> tstzrange(starts_at, ends_at)", name="occupied_covers"),
        CheckConstraint("capacity BETWEEN 1 AND 500", name="capacity"),
        CheckConstraint("status IN ('scheduled', 'cancelled')", name="status"),
        Index("ix_group_sessions_service_id", "service_id", "starts_at"),
        Index("ix_group_sessions_starts_at", "starts_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id"))
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    occupied: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    capacity: Mapped[int]
    location_kind: Mapped[str] = mapped_column(String(20))
    meeting_url: Mapped[str | None] = mapped_column(String(2000))
    status: Mapped[str] = mapped_column(String(20), server_default=text("'scheduled'"))
    version: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    changed_at: Mapped[datetime | None]
    moved_from: Mapped[datetime | None]
    moved_from_practitioner_id: Mapped[UUID | None] = mapped_column(ForeignKey("practitioners.id", ondelete="SET NULL"))
