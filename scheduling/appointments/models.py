"""Appointments, and the constraint that makes double booking impossible."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, ExcludeConstraint, Range
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


class HoldKind(StrEnum):
    """What a ``held`` appointment waits for: money, the practice's yes, or the yes of the first in line."""

    PAYMENT = "payment"
    APPROVAL = "approval"
    OFFER = "offer"


class Appointment(TenantBase):
    """One booking. ``occupied`` is its time with buffers; price and ``terms`` are as they were when booked.

    ``version`` rises with each change that makes it another one (moved, cancelled): a mail or a link made for an
    older version is void. ``revision`` rises with each change of details (place, link) that leaves these as true as
    they were. ``sequence``, of both, is the iCalendar SEQUENCE. ``amount_due_minor`` is what must be
    paid for the booking to stand (the deposit where there is one). ``hold_kind`` says what a held one waits for
    (None in rows from before: payment). ``dependant_id``: for whom the client booked, None for themselves.

    ``terms`` is a :class:`~scheduling.appointments.terms.Terms`; rows from before have ``cancellation_notice_hours``
    and ``refund_deadline`` instead. ``refund_cap_percent``: no more than that share comes back, because a later
    move must not buy back a right that had run out.

    ``group_session_id``: it is a seat in that session, whose time it shares with the other seats.
    ``overlapping``: staff put it on top of another on purpose; it takes its time, but may overlap.
    ``series_id`` is common to appointments booked together. ``private_notes`` are the staff's own.
    ``no_show_fee_minor``: what a client who did not come still owes; None if they came, or it was waived.

    What it costs the client is ``price_minor`` less ``discount_minor`` (a code's, or all of it where it is their
    ``free_first_visit``), or nothing with a credit of ``package_purchase_id``.
    """

    __tablename__ = "appointments"
    __table_args__ = (
        ExcludeConstraint(
            ("practitioner_id", "="),
            ("occupied", "&&"),
            # Seats of one session share its time; everything else is a party of its own.
            (text("COALESCE(group_session_id, id)"), "<>"),
            where=text("status IN ('held', 'confirmed', 'completed', 'no_show') AND NOT overlapping"),
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
        CheckConstraint("hold_kind IN ('payment', 'approval', 'offer')", name="hold_kind"),
        CheckConstraint("refund_cap_percent BETWEEN 0 AND 100", name="refund_cap_percent"),
        CheckConstraint("no_show_fee_minor >= 0", name="no_show_fee_minor"),
        CheckConstraint("discount_minor BETWEEN 0 AND price_minor", name="discount_minor"),
        Index("ix_appointments_client_id", "client_id", "starts_at"),
        Index("ix_appointments_starts_at", "starts_at", "id"),
        # What availability asks: one person's time from here to there, however much lies behind.
        Index("ix_appointments_practitioner_id", "practitioner_id", "starts_at"),
        Index(
            "ix_appointments_group_session_id",
            "group_session_id",
            postgresql_where=text("group_session_id IS NOT NULL"),
        ),
        Index("ix_appointments_series_id", "series_id", postgresql_where=text("series_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id"), index=True)
    practitioner_id: Mapped[UUID] = mapped_column(ForeignKey("practitioners.id"))
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
    hold_kind: Mapped[str | None] = mapped_column(String(10))
    location_kind: Mapped[str] = mapped_column(String(20))
    meeting_url: Mapped[str | None] = mapped_column(String(2000))
    notes: Mapped[str | None]
    cancellation_notice_hours: Mapped[int]
    refund_deadline: Mapped[datetime | None]
    terms: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    refund_cap_percent: Mapped[int | None]
    group_session_id: Mapped[UUID | None] = mapped_column(ForeignKey("group_sessions.id"))
    series_id: Mapped[UUID | None]
    overlapping: Mapped[bool] = mapped_column(server_default=text("false"))
    private_notes: Mapped[str | None]
    no_show_fee_minor: Mapped[MinorUnits | None] = mapped_column(default=None)
    discount_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    free_first_visit: Mapped[bool] = mapped_column(server_default=text("false"))
    package_purchase_id: Mapped[UUID | None]
    attendance_confirmed_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None] = mapped_column(String(10))
    cancelled_at: Mapped[datetime | None]
    cancellation_reason: Mapped[str | None] = mapped_column(String(500))
    version: Mapped[int] = mapped_column(server_default=text("0"))
    revision: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    @property
    def sequence(self) -> int:
        """Rises with every change that a calendar shows."""
        return self.version + self.revision

    @property
    def has_means(self) -> bool:
        """Whether it was booked with something that is given back if it comes to nothing: a session, a code."""
        return self.package_purchase_id is not None or self.discount_minor > 0


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


class AppointmentLink(TenantBase):
    """A link in a mail that does one thing to an appointment as it was when the mail was made; used once.

    ``action``: ``confirm`` (I will come), ``move`` or ``cancel``. Stored hashed; void for another ``version``.
    """

    __tablename__ = "appointment_links"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    appointment_id: Mapped[UUID] = mapped_column(ForeignKey("appointments.id", ondelete="CASCADE"), index=True)
    action: Mapped[str] = mapped_column(String(10))
    version: Mapped[int]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
