"""What a practice may set for itself: one row in its own schema."""

from datetime import datetime, time
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, Integer, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase

REMINDERS_FIT = (
    "cardinality(reminder_minutes) <= 4 AND 15 <= ALL (reminder_minutes) AND 20160 >= ALL (reminder_minutes)"
)
"""At most four, from a quarter of an hour to fourteen days before."""


class PracticeSettings(TenantBase):
    """The practice's choices. ``hold_minutes``: how long an unpaid booking keeps its time.

    ``cancellation_notice_hours``: a client who cancels at least so long before gets everything back,
    later nothing. ``reminder_minutes``: how long before a visit reminders go out (empty: none do); where it is None
    there is one, ``reminder_hours`` before. A service may have a list of its own.
    ``second_factor_required``: of every member of staff. ``practitioners_see_all``: other practitioners'
    appointments and clients too. ``records_years``, ``invoice_years``: how long the record of a treatment (Ley
    41/2002, art. 17: at least five years) and the books (Código de Comercio, art. 30: six) outlive an erasure.
    ``holidays_country`` and ``holidays_region`` (ISO 3166-1 and -2, the region without its country): whose public
    holidays close the weekly hours. ``approved_hold_hours``: how long a granted request waits for its payment.
    ``waitlist_offer_minutes``: how long a freed time is kept for the first in line. ``waitlist_sweep_at``: when the
    waiting list is gone through next; None while nobody waits. ``connected_methods``: payment providers whose account
    works at present; of the chosen ``payment_methods`` those that need one are offered only then.
    ``quiet_from`` to ``quiet_until``, on each reader's own wall clock: mails that can wait do so until then (both None:
    they never wait). ``daily_mail_limit``: so many optional mails at most to one reader on one of their days.
    ``mail_body_days``: how long what clients were written is kept (0: not at all).
    """

    __tablename__ = "practice_settings"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("hold_minutes BETWEEN 1 AND 1440", name="hold_minutes"),
        CheckConstraint("cancellation_notice_hours BETWEEN 0 AND 720", name="cancellation_notice_hours"),
        CheckConstraint("reminder_hours BETWEEN 1 AND 168", name="reminder_hours"),
        CheckConstraint(REMINDERS_FIT, name="reminder_minutes"),
        CheckConstraint("records_years BETWEEN 5 AND 30", name="records_years"),
        CheckConstraint("invoice_years BETWEEN 4 AND 30", name="invoice_years"),
        CheckConstraint("holidays_region IS NULL OR holidays_country IS NOT NULL", name="holidays"),
        CheckConstraint("approved_hold_hours BETWEEN 1 AND 336", name="approved_hold_hours"),
        CheckConstraint("waitlist_offer_minutes BETWEEN 5 AND 2880", name="waitlist_offer_minutes"),
        CheckConstraint(
            "(quiet_from IS NULL AND quiet_until IS NULL) OR (quiet_from IS NOT NULL AND quiet_until IS NOT NULL"
            " AND quiet_from <> quiet_until)",
            name="quiet_hours",
        ),
        CheckConstraint("daily_mail_limit BETWEEN 1 AND 100", name="daily_mail_limit"),
        CheckConstraint("mail_body_days BETWEEN 0 AND 365", name="mail_body_days"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    payment_methods: Mapped[list[str]] = mapped_column(ARRAY(String(20)))
    connected_methods: Mapped[list[str]] = mapped_column(ARRAY(String(20)), server_default=text("'{}'"))
    hold_minutes: Mapped[int] = mapped_column(server_default=text("15"))
    cancellation_notice_hours: Mapped[int] = mapped_column(server_default=text("24"))
    reminder_hours: Mapped[int] = mapped_column(server_default=text("24"))
    reminder_minutes: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    reminders_since: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    reveal_taken_email: Mapped[bool] = mapped_column(server_default=text("false"))
    contact_email: Mapped[str | None] = mapped_column(String(320))
    second_factor_required: Mapped[bool] = mapped_column(server_default=text("false"))
    practitioners_see_all: Mapped[bool] = mapped_column(server_default=text("false"))
    privacy_policy_version: Mapped[str] = mapped_column(String(40), server_default=text("'1'"))
    privacy_policy_url: Mapped[str | None] = mapped_column(String(2000))
    records_years: Mapped[int] = mapped_column(server_default=text("5"))
    invoice_years: Mapped[int] = mapped_column(server_default=text("6"))
    holidays_country: Mapped[str | None] = mapped_column(String(2))
    holidays_region: Mapped[str | None] = mapped_column(String(10))
    approved_hold_hours: Mapped[int] = mapped_column(server_default=text("24"))
    waitlist_offer_minutes: Mapped[int] = mapped_column(server_default=text("120"))
    waitlist_sweep_at: Mapped[datetime | None]
    quiet_from: Mapped[time | None] = mapped_column(server_default=text("'21:00'"))
    quiet_until: Mapped[time | None] = mapped_column(server_default=text("'08:00'"))
    daily_mail_limit: Mapped[int] = mapped_column(server_default=text("6"))
    mail_body_days: Mapped[int] = mapped_column(server_default=text("30"))
    branding: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
