"""Scheduling: richer services and hours, groups, waiting list, other calendars, feeds, links, terms.

The previous release keeps running while this goes on: every new column may be left out of what it writes, and
what it books has its terms in the columns that it knows.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "t0003"
down_revision: str | None = "t0002"
branch_labels: str | None = None
depends_on: str | None = None


_ADDED = {
    "services": (
        "max_per_day",
        "max_per_week",
        "capacity",
        "requires_approval",
        "approval_hours",
        "cancel_notice_hours",
        "move_notice_hours",
        "refund_tiers",
        "no_show_fee_minor",
        "colour",
        "position",
    ),
    "service_practitioners": ("price_minor", "duration_minutes"),
    "practitioners": ("works_on_holidays", "last_assigned_at"),
    "recurring_time_slots": ("rrule", "anchor_date", "location_kinds"),
    "practice_settings": (
        "holidays_country",
        "holidays_region",
        "approved_hold_hours",
        "waitlist_offer_minutes",
        "waitlist_sweep_at",
    ),
    "appointments": (
        "hold_kind",
        "terms",
        "refund_cap_percent",
        "group_session_id",
        "series_id",
        "overlapping",
        "private_notes",
        "no_show_fee_minor",
        "attendance_confirmed_at",
    ),
}


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.add_column("services", sa.Column("max_per_day", sa.Integer(), nullable=True))
    op.add_column("services", sa.Column("max_per_week", sa.Integer(), nullable=True))
    op.add_column("services", sa.Column("capacity", sa.Integer(), nullable=True))
    op.add_column(
        "services", sa.Column("requires_approval", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("services", sa.Column("approval_hours", sa.Integer(), server_default=sa.text("48"), nullable=False))
    op.add_column(
        "services", sa.Column("cancel_notice_hours", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("services", sa.Column("move_notice_hours", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("services", sa.Column("refund_tiers", postgresql.JSONB(), nullable=True))
    op.add_column("services", sa.Column("no_show_fee_minor", sa.BigInteger(), nullable=True))
    op.add_column("services", sa.Column("colour", sa.String(length=7), nullable=True))
    op.add_column("services", sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f("ck_services_max_per_day"), "services", "max_per_day > 0")
    op.create_check_constraint(op.f("ck_services_max_per_week"), "services", "max_per_week > 0")
    op.create_check_constraint(op.f("ck_services_capacity"), "services", "capacity BETWEEN 1 AND 500")
    op.create_check_constraint(op.f("ck_services_approval_hours"), "services", "approval_hours BETWEEN 1 AND 720")
    op.create_check_constraint(
        op.f("ck_services_cancel_notice_hours"), "services", "cancel_notice_hours BETWEEN 0 AND 720"
    )
    op.create_check_constraint(op.f("ck_services_move_notice_hours"), "services", "move_notice_hours BETWEEN 0 AND 720")
    op.create_check_constraint(op.f("ck_services_no_show_fee_minor"), "services", "no_show_fee_minor >= 0")
    op.create_check_constraint(op.f("ck_services_colour"), "services", "colour ~ '^#[0-9a-f]{6}$'")
    op.add_column("service_practitioners", sa.Column("price_minor", sa.BigInteger(), nullable=True))
    op.add_column("service_practitioners", sa.Column("duration_minutes", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_service_practitioners_duration_minutes"),
        "service_practitioners",
        "duration_minutes BETWEEN 5 AND 1440",
    )
    op.create_check_constraint(
        op.f("ck_service_practitioners_price_minor"), "service_practitioners", "price_minor >= 0"
    )
    op.add_column(
        "practitioners", sa.Column("works_on_holidays", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("practitioners", sa.Column("last_assigned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("recurring_time_slots", sa.Column("rrule", sa.String(length=200), nullable=True))
    op.add_column("recurring_time_slots", sa.Column("anchor_date", sa.Date(), nullable=True))
    op.add_column(
        "recurring_time_slots", sa.Column("location_kinds", postgresql.ARRAY(sa.String(length=20)), nullable=True)
    )
    op.create_check_constraint(
        op.f("ck_recurring_time_slots_rule"), "recurring_time_slots", "(rrule IS NULL) = (anchor_date IS NULL)"
    )
    op.drop_constraint(op.f("ck_recurring_time_slots_times"), "recurring_time_slots")
    op.create_check_constraint(
        op.f("ck_recurring_time_slots_times"), "recurring_time_slots", "start_time < end_time OR end_time = '00:00'"
    )
    op.add_column("practice_settings", sa.Column("holidays_country", sa.String(length=2), nullable=True))
    op.add_column("practice_settings", sa.Column("holidays_region", sa.String(length=10), nullable=True))
    op.add_column(
        "practice_settings",
        sa.Column("approved_hold_hours", sa.Integer(), server_default=sa.text("24"), nullable=False),
    )
    op.add_column(
        "practice_settings",
        sa.Column("waitlist_offer_minutes", sa.Integer(), server_default=sa.text("120"), nullable=False),
    )
    op.add_column("practice_settings", sa.Column("waitlist_sweep_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_practice_settings_holidays"),
        "practice_settings",
        "holidays_region IS NULL OR holidays_country IS NOT NULL",
    )
    op.create_check_constraint(
        op.f("ck_practice_settings_approved_hold_hours"), "practice_settings", "approved_hold_hours BETWEEN 1 AND 336"
    )
    op.create_check_constraint(
        op.f("ck_practice_settings_waitlist_offer_minutes"),
        "practice_settings",
        "waitlist_offer_minutes BETWEEN 5 AND 2880",
    )
    op.create_table(
        "recurring_blocked_time_slots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practitioner_id", sa.Uuid(), nullable=False),
        sa.Column("rrule", sa.String(length=200), nullable=False),
        sa.Column("anchor_date", sa.Date(), nullable=False),
        sa.Column("start_time", sa.Time(), nullable=False),
        sa.Column("duration_minutes", sa.Integer(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "duration_minutes BETWEEN 5 AND 10080", name=op.f("ck_recurring_blocked_time_slots_duration_minutes")
        ),
        sa.ForeignKeyConstraint(
            ["practitioner_id"],
            ["practitioners.id"],
            name=op.f("fk_recurring_blocked_time_slots_practitioner_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recurring_blocked_time_slots")),
    )
    op.create_index(
        op.f("ix_recurring_blocked_time_slots_practitioner_id"),
        "recurring_blocked_time_slots",
        ["practitioner_id"],
        unique=False,
    )
    op.create_table(
        "external_calendars",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practitioner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("etag", sa.String(length=300), nullable=True),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.String(length=40), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["practitioner_id"],
            ["practitioners.id"],
            name=op.f("fk_external_calendars_practitioner_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_calendars")),
    )
    op.create_index(
        op.f("ix_external_calendars_practitioner_id"), "external_calendars", ["practitioner_id"], unique=False
    )
    op.create_table(
        "external_busy_times",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.Column("practitioner_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_external_busy_times_times")),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["external_calendars.id"],
            name=op.f("fk_external_busy_times_calendar_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["practitioner_id"],
            ["practitioners.id"],
            name=op.f("fk_external_busy_times_practitioner_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_busy_times")),
    )
    op.create_index(op.f("ix_external_busy_times_calendar_id"), "external_busy_times", ["calendar_id"], unique=False)
    op.create_index(
        "ix_external_busy_times_practitioner_id", "external_busy_times", ["practitioner_id", "ends_at"], unique=False
    )
    op.create_table(
        "group_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("practitioner_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occupied", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("location_kind", sa.String(length=20), nullable=False),
        sa.Column("meeting_url", sa.String(length=2000), nullable=True),
        sa.Column("status", sa.String(length=20), server_default=sa.text("'scheduled'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_from_practitioner_id", sa.Uuid(), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("practitioner_id"), "="),
            (sa.column("occupied"), "&&"),
            where=sa.text("status = 'scheduled'"),
            using="gist",
            name="ex_group_sessions_no_overlap",
        ),
        sa.CheckConstraint("status IN ('scheduled', 'cancelled')", name=op.f("ck_group_sessions_status")),
        sa.CheckConstraint("capacity BETWEEN 1 AND 500", name=op.f("ck_group_sessions_capacity")),
        sa.CheckConstraint("occupied @> tstzrange(starts_at, ends_at)", name=op.f("ck_group_sessions_occupied_covers")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_group_sessions_times")),
        sa.ForeignKeyConstraint(
            ["practitioner_id"], ["practitioners.id"], name=op.f("fk_group_sessions_practitioner_id")
        ),
        sa.ForeignKeyConstraint(
            ["moved_from_practitioner_id"],
            ["practitioners.id"],
            name=op.f("fk_group_sessions_moved_from_practitioner_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_group_sessions_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_sessions")),
    )
    op.create_index("ix_group_sessions_service_id", "group_sessions", ["service_id", "starts_at"], unique=False)
    op.create_index("ix_group_sessions_starts_at", "group_sessions", ["starts_at", "id"], unique=False)
    op.add_column("appointments", sa.Column("hold_kind", sa.String(length=10), nullable=True))
    op.add_column("appointments", sa.Column("terms", postgresql.JSONB(), nullable=True))
    op.add_column("appointments", sa.Column("refund_cap_percent", sa.Integer(), nullable=True))
    op.add_column("appointments", sa.Column("group_session_id", sa.Uuid(), nullable=True))
    op.add_column("appointments", sa.Column("series_id", sa.Uuid(), nullable=True))
    op.add_column(
        "appointments", sa.Column("overlapping", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("appointments", sa.Column("private_notes", sa.String(), nullable=True))
    op.add_column("appointments", sa.Column("no_show_fee_minor", sa.BigInteger(), nullable=True))
    op.add_column("appointments", sa.Column("attendance_confirmed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_appointments_hold_kind"), "appointments", "hold_kind IN ('payment', 'approval', 'offer')"
    )
    op.create_check_constraint(
        op.f("ck_appointments_refund_cap_percent"), "appointments", "refund_cap_percent BETWEEN 0 AND 100"
    )
    op.create_check_constraint(op.f("ck_appointments_no_show_fee_minor"), "appointments", "no_show_fee_minor >= 0")
    op.create_foreign_key(
        op.f("fk_appointments_group_session_id"), "appointments", "group_sessions", ["group_session_id"], ["id"]
    )
    op.create_index(
        "ix_appointments_group_session_id",
        "appointments",
        ["group_session_id"],
        postgresql_where=sa.text("group_session_id IS NOT NULL"),
    )
    op.create_index(
        "ix_appointments_series_id", "appointments", ["series_id"], postgresql_where=sa.text("series_id IS NOT NULL")
    )
    op.drop_index("ix_appointments_practitioner_id", table_name="appointments")
    op.create_index("ix_appointments_practitioner_id", "appointments", ["practitioner_id", "starts_at"], unique=False)
    op.drop_constraint("ex_appointments_no_overlap", "appointments")
    op.execute(
        """
        ALTER TABLE appointments ADD CONSTRAINT ex_appointments_no_overlap EXCLUDE USING gist (
            practitioner_id WITH =, occupied WITH &&, (COALESCE(group_session_id, id)) WITH <>
        ) WHERE (status IN ('held', 'confirmed', 'completed', 'no_show') AND NOT overlapping)
        """
    )
    op.create_table(
        "appointment_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("appointment_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointments.id"],
            name=op.f("fk_appointment_links_appointment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_appointment_links_token_hash")),
    )
    op.create_index(op.f("ix_appointment_links_appointment_id"), "appointment_links", ["appointment_id"], unique=False)
    op.create_table(
        "waitlist_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("dependant_id", sa.Uuid(), nullable=True),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("practitioner_id", sa.Uuid(), nullable=True),
        sa.Column("location_kind", sa.String(length=20), nullable=True),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("weekdays", sa.ARRAY(sa.Integer()), nullable=True),
        sa.Column("earliest", sa.Time(), nullable=True),
        sa.Column("latest", sa.Time(), nullable=True),
        sa.Column("status", sa.String(length=10), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("appointment_id", sa.Uuid(), nullable=True),
        sa.Column("offers", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('waiting', 'offered', 'booked', 'left', 'over')", name=op.f("ck_waitlist_entries_status")
        ),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_waitlist_entries_days")),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointments.id"],
            name=op.f("fk_waitlist_entries_appointment_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_waitlist_entries_client_id")),
        sa.ForeignKeyConstraint(
            ["dependant_id", "client_id"],
            ["dependants.id", "dependants.client_id"],
            name="fk_waitlist_entries_dependant",
        ),
        sa.ForeignKeyConstraint(
            ["practitioner_id"],
            ["practitioners.id"],
            name=op.f("fk_waitlist_entries_practitioner_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_waitlist_entries_service_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waitlist_entries")),
        sa.UniqueConstraint("appointment_id", name=op.f("uq_waitlist_entries_appointment_id")),
    )
    op.create_index("ix_waitlist_entries_client_id", "waitlist_entries", ["client_id", "created_at"], unique=False)
    op.create_index(
        "ix_waitlist_entries_line",
        "waitlist_entries",
        ["service_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_table(
        "calendar_feeds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.String(length=15), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_feeds")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_calendar_feeds_token_hash")),
    )
    op.create_index(
        "ix_calendar_feeds_owner",
        "calendar_feeds",
        ["owner_kind", "owner_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    """Take the schema back to the revision before; seats and what overlaps on purpose can't be told apart there."""
    for table in (
        "calendar_feeds",
        "waitlist_entries",
        "appointment_links",
        "external_busy_times",
        "external_calendars",
        "recurring_blocked_time_slots",
    ):
        op.drop_table(table)
    op.execute(
        """
        UPDATE appointments SET status = 'cancelled', hold_expires_at = NULL
        WHERE status IN ('held', 'confirmed', 'completed', 'no_show') AND (overlapping OR group_session_id IS NOT NULL)
        """
    )
    op.execute("UPDATE recurring_time_slots SET end_time = '23:59' WHERE end_time = '00:00' AND start_time < '23:59'")
    op.execute("DELETE FROM recurring_time_slots WHERE end_time = '00:00'")
    op.drop_constraint(op.f("ck_recurring_time_slots_times"), "recurring_time_slots")
    op.create_check_constraint(op.f("ck_recurring_time_slots_times"), "recurring_time_slots", "start_time < end_time")
    op.drop_index("ix_appointments_practitioner_id", table_name="appointments")
    op.create_index("ix_appointments_practitioner_id", "appointments", ["practitioner_id"], unique=False)
    op.drop_constraint("ex_appointments_no_overlap", "appointments")
    op.create_exclude_constraint(
        "ex_appointments_no_overlap",
        "appointments",
        ("practitioner_id", "="),
        ("occupied", "&&"),
        where=sa.text("status IN ('held', 'confirmed', 'completed', 'no_show')"),
        using="gist",
    )
    for table, columns in _ADDED.items():
        for column in columns:
            op.drop_column(table, column)
    op.drop_table("group_sessions")
