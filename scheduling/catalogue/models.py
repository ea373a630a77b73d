"""What a practice offers: services, who gives them, and when they work."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tenants.settings.models import REMINDERS_FIT
from todoenbalance.kit.database import MinorUnits, TenantBase


class Service(TenantBase):
    """A kind of consultation. Durations and buffers in minutes, prices in minor units of ``currency``.

    ``grid_minutes``: starts are offered at multiples of it past local midnight. ``minimum_notice_minutes``
    and ``horizon_days``: the nearest and the farthest start that a client may book. ``max_per_day`` and
    ``max_per_week``: how many of it one practitioner gives in a local day or ISO week (None: any number).

    ``capacity``: None for one client at a time; a number makes it a group service, which is given in sessions of
    so many seats. ``requires_approval``: a booking is a request that staff grants within ``approval_hours``.

    The terms, fixed on an appointment when it is booked: ``cancel_notice_hours`` and ``move_notice_hours``, until
    when a client may cancel or move it (0: until it begins); ``refund_tiers``, ``[{hours_before, percent}]``, the
    longest first (None: everything until the practice's ``cancellation_notice_hours``, then nothing);
    ``free_first_visit``: a client's first appointment in the practice costs nothing if it is one of these.
    ``no_show_fee_minor``. ``tax_treatment`` is a ``TaxTreatment`` of billing's documents; ``invoice_description`` is
    what invoices say of it (None: its name), for a name that tells too much. ``position`` orders lists; ``colour``
    (``#rrggbb``) is the calendar's.

    ``reminder_minutes``: how long before it reminders go out (None: as the practice has it, empty: none do).
    ``follow_up_hours``: so long after its end the client is asked whether they want to come again (None: not).
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
        CheckConstraint("max_per_day > 0", name="max_per_day"),
        CheckConstraint("max_per_week > 0", name="max_per_week"),
        CheckConstraint("capacity BETWEEN 1 AND 500", name="capacity"),
        CheckConstraint("approval_hours BETWEEN 1 AND 720", name="approval_hours"),
        CheckConstraint("cancel_notice_hours BETWEEN 0 AND 720", name="cancel_notice_hours"),
        CheckConstraint("move_notice_hours BETWEEN 0 AND 720", name="move_notice_hours"),
        CheckConstraint("no_show_fee_minor >= 0", name="no_show_fee_minor"),
        CheckConstraint(REMINDERS_FIT, name="reminder_minutes"),
        CheckConstraint("follow_up_hours BETWEEN 1 AND 720", name="follow_up_hours"),
        CheckConstraint("colour ~ '^#[0-9a-f]{6}$'", name="colour"),
        CheckConstraint("tax_treatment IN ('exempt_health', 'general', 'reduced', 'none')", name="tax_treatment"),
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
    max_per_day: Mapped[int | None]
    max_per_week: Mapped[int | None]
    capacity: Mapped[int | None]
    requires_approval: Mapped[bool] = mapped_column(server_default=text("false"))
    approval_hours: Mapped[int] = mapped_column(server_default=text("48"))
    cancel_notice_hours: Mapped[int] = mapped_column(server_default=text("0"))
    move_notice_hours: Mapped[int] = mapped_column(server_default=text("0"))
    refund_tiers: Mapped[list[dict[str, int]] | None] = mapped_column(JSONB(none_as_null=True))
    no_show_fee_minor: Mapped[MinorUnits | None]
    free_first_visit: Mapped[bool] = mapped_column(server_default=text("false"))
    tax_treatment: Mapped[str] = mapped_column(String(20), server_default=text("'exempt_health'"))
    invoice_description: Mapped[str | None] = mapped_column(String(200))
    colour: Mapped[str | None] = mapped_column(String(7))
    reminder_minutes: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    reminders_since: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    follow_up_hours: Mapped[int | None]
    position: Mapped[int] = mapped_column(server_default=text("0"))
    archived: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Practitioner(TenantBase):
    """Someone who sees clients; ``timezone`` is the zone of their weekly hours.

    ``works_on_holidays``: their weekly hours count on the practice's public holidays too. ``last_assigned_at``:
    when a booking with "any practitioner" last fell to them; who waited longest comes first among equals.
    """

    __tablename__ = "practitioners"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="SET NULL"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    bio: Mapped[str] = mapped_column(server_default=text("''"))
    photo_url: Mapped[str | None] = mapped_column(String(2000))
    timezone: Mapped[str] = mapped_column(String(64))
    works_on_holidays: Mapped[bool] = mapped_column(server_default=text("false"))
    last_assigned_at: Mapped[datetime | None]
    archived: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class ServicePractitioner(TenantBase):
    """Who offers what; ``price_minor`` and ``duration_minutes`` where theirs differ from the service's."""

    __tablename__ = "service_practitioners"
    __table_args__ = (
        CheckConstraint("duration_minutes BETWEEN 5 AND 1440", name="duration_minutes"),
        CheckConstraint("price_minor >= 0", name="price_minor"),
    )

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    practitioner_id: Mapped[UUID] = mapped_column(
        ForeignKey("practitioners.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    price_minor: Mapped[MinorUnits | None]
    duration_minutes: Mapped[int | None]


class RecurringTimeSlot(TenantBase):
    """Weekly hours in the practitioner's zone: ISO weekday, local wall times, optionally dated (inclusive).

    ``end_time`` 00:00 is the end of the day (Python's time has no 24:00).
    ``rrule`` (RFC 5545, 3.3.10, without its name) with ``anchor_date``, its first day, leaves only some of the
    weekdays: every other week, the first Monday of a month. ``location_kinds``: where they work then (None: anywhere).
    """

    __tablename__ = "recurring_time_slots"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday"),
        CheckConstraint("start_time < end_time OR end_time = '00:00'", name="times"),
        CheckConstraint("valid_from IS NULL OR valid_until IS NULL OR valid_from <= valid_until", name="validity"),
        CheckConstraint("(rrule IS NULL) = (anchor_date IS NULL)", name="rule"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id", ondelete="CASCADE"), index=True)
    weekday: Mapped[int]
    start_time: Mapped[time]
    end_time: Mapped[time]
    valid_from: Mapped[date | None]
    valid_until: Mapped[date | None]
    rrule: Mapped[str | None] = mapped_column(String(200))
    anchor_date: Mapped[date | None]
    location_kinds: Mapped[list[str] | None] = mapped_column(ARRAY(String(20)))
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


class RecurringBlockedTimeSlot(TenantBase):
    """A blocked period that comes back, in the practitioner's zone: from ``start_time`` for ``duration_minutes``.

    ``rrule`` (RFC 5545, 3.3.10, without its name) counts from ``anchor_date``; ``valid_until`` is the last day.
    """

    __tablename__ = "recurring_blocked_time_slots"
    __table_args__ = (CheckConstraint("duration_minutes BETWEEN 5 AND 10080", name="duration_minutes"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id", ondelete="CASCADE"), index=True)
    rrule: Mapped[str] = mapped_column(String(200))
    anchor_date: Mapped[date]
    start_time: Mapped[time]
    duration_minutes: Mapped[int]
    valid_until: Mapped[date | None]
    reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
