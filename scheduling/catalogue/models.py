"""What a practice offers: services, who gives them, and when they work."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import MinorUnits, TenantBase


class Service(TenantBase):
    """A kind of consultation. Durations and buffers in minutes, prices in minor units of ``currency``.

    ``grid_minutes``: starts are offered at multiples of it past local midnight. ``minimum_notice_minutes``
    and ``horizon_days``: the nearest and the farthest start that a client may book.
    """

    __tablename__ = "services"
    __table_args__ = (
        CheckConstraint("duration_minutes BETWEEN 5 AND 1440", name="duration_minutes"),
        CheckConstraint("price_minor >= 0", name="price_minor"),
        CheckConstraint("deposit_minor IS NULL OR deposit_minor BETWEEN 1 AND price_minor", name="deposit_minor"),
        CheckConstraint("buffer_before_minutes BETWEEN 0 AND 480", name="buffer_before_minutes"),
        CheckConstraint("buffer_after_minutes BETWEEN 0 AND 480", name="buffer_after_minutes"),
        CheckConstraint("minimum_notice_minutes BETWEEN 0 AND 525600", name="minimum_notice_minutes"),
        CheckConstraint("horizon_days BETWEEN 1 AND 730", name="horizon_days"),
        CheckConstraint("grid_minutes BETWEEN 5 AND 1440", name="grid_minutes"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(server_default=text("''"))
    duration_minutes: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    price_minor: Mapped[MinorUnits]
    deposit_minor: Mapped[MinorUnits | None]
    buffer_before_minutes: Mapped[int] = mapped_column(server_default=text("0"))
    buffer_after_minutes: Mapped[int] = mapped_column(server_default=text("0"))
    minimum_notice_minutes: Mapped[int] = mapped_column(server_default=text("60"))
    horizon_days: Mapped[int] = mapped_column(server_default=text("90"))
    grid_minutes: Mapped[int] = mapped_column(server_default=text("15"))
    location_kinds: Mapped[list[str]] = mapped_column(ARRAY(String(20)), server_default=text("'{practice}'"))
    archived: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Practitioner(TenantBase):
    """Someone who sees clients; ``timezone`` is the zone of their weekly hours."""

    __tablename__ = "practitioners"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="SET NULL"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    bio: Mapped[str] = mapped_column(server_default=text("''"))
    photo_url: Mapped[str | None] = mapped_column(String(2000))
    timezone: Mapped[str] = mapped_column(String(64))
    archived: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class ServicePractitioner(TenantBase):
    """Who offers what."""

    __tablename__ = "service_practitioners"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    practitioner_id: Mapped[UUID] = mapped_column(
        ForeignKey("practitioners.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class RecurringTimeSlot(TenantBase):
    """Weekly hours in the practitioner's zone: ISO weekday, local wall times, optionally dated (inclusive)."""

    __tablename__ = "recurring_time_slots"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday"),
        CheckConstraint("start_time < end_time", name="times"),
        CheckConstraint("valid_from IS NULL OR valid_until IS NULL OR valid_from <= valid_until", name="validity"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id", ondelete="CASCADE"), index=True)
    weekday: Mapped[int]
    start_time: Mapped[time]
    end_time: Mapped[time]
    valid_from: Mapped[date | None]
    valid_until: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class TimeSlot(TenantBase):
    """A one-off opening, on top of the weekly hours."""

    __tablename__ = "time_slots"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="times"),
        Index("ix_time_slots_practitioner_id", "practitioner_id", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class BlockedTimeSlot(TenantBase):
    """A period in which nothing is offered, whatever the hours say."""

    __tablename__ = "blocked_time_slots"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="times"),
        Index("ix_blocked_time_slots_practitioner_id", "practitioner_id", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
