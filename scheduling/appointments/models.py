"""Appointments, and the constraint that makes double booking impossible."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import MinorUnits, TenantBase


class AppointmentStatus(StrEnum):
    """``held`` keeps its time until paid or until ``hold_expires_at``; ``expired`` and ``cancelled`` free it."""

    HELD = "held"
    CONFIRMED = "confirmed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    EXPIRED = "expired"


LIVE_STATUSES = (
    AppointmentStatus.HELD,
    AppointmentStatus.CONFIRMED,
    AppointmentStatus.COMPLETED,
    AppointmentStatus.NO_SHOW,
)
"""The statuses whose time is taken. Mirrored by the exclusion constraint."""


class Appointment(TenantBase):
    """One booking. ``occupied`` is its time with buffers; price and terms are as they were when booked.

    ``version`` rises with each change that a reader must be told of (moved, cancelled) and is the
    iCalendar SEQUENCE; a mail made for an older version is not sent. ``amount_due_minor`` is what must be
    paid for the booking to stand (the deposit where there is one). ``refund_deadline`` is set where moving
    must not renew the right to cancel for free: the client moved it when that had run out already.
    ``dependant_id``: for whom the client booked, None for themselves.
    """

    __tablename__ = "appointments"
    __table_args__ = (
        ExcludeConstraint(
            ("practitioner_id", "="),
            ("occupied", "&&"),
            where=text("status IN ('held', 'confirmed', 'completed', 'no_show')"),
            using="gist",
            name="ex_appointments_no_overlap",
        ),
        CheckConstraint(
            "status IN ('held', 'confirmed', 'completed', 'cancelled', 'no_show', 'expired')", name="status"
        ),
        ForeignKeyConstraint(
            ["dependant_id", "client_id"], ["dependants.id", "dependants.client_id"], name="fk_appointments_dependant"
        ),
        CheckConstraint("starts_at < ends_at", name="times"),
        CheckConstraint("occupied @> tstzrange(starts_at, ends_at)", name="occupied_covers"),
        CheckConstraint("(status = 'held') = (hold_expires_at IS NOT NULL)", name="hold"),
        Index("ix_appointments_client_id", "client_id", "starts_at"),
        Index("ix_appointments_starts_at", "starts_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id"), index=True)
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id"), index=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"))
    dependant_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(String(20))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    occupied: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    currency: Mapped[str] = mapped_column(String(3))
    price_minor: Mapped[MinorUnits]
    amount_due_minor: Mapped[MinorUnits]
    hold_expires_at: Mapped[datetime | None]
    location_kind: Mapped[str] = mapped_column(String(20))
    meeting_url: Mapped[str | None] = mapped_column(String(2000))
    notes: Mapped[str | None]
    cancellation_notice_hours: Mapped[int]
    refund_deadline: Mapped[datetime | None]
    cancelled_by: Mapped[str | None] = mapped_column(String(10))
    cancelled_at: Mapped[datetime | None]
    cancellation_reason: Mapped[str | None] = mapped_column(String(500))
    version: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    @property
    def refundable_until(self) -> datetime:
        """Until when a client who cancels gets everything back, by the terms of the booking."""
        return self.refund_deadline or self.starts_at - timedelta(hours=self.cancellation_notice_hours)


class AppointmentChange(TenantBase):
    """The history of an appointment: what changed, when, by whom (``actor_kind``: client, staff, system)."""

    __tablename__ = "appointment_changes"
    __table_args__ = (Index("ix_appointment_changes_appointment_id", "appointment_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    appointment_id: Mapped[UUID] = mapped_column(ForeignKey("appointments.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(30))
    actor_kind: Mapped[str] = mapped_column(String(10))
    actor_id: Mapped[UUID | None]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime]
