"""Who is told what and when: preferences, digests, quiet hours, and how many optional mails a day.

The previous release keeps running while this goes on: it does not know these tables, never writes the new status, and
leaves the new columns of settings at their defaults.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "t0010"
down_revision: str | None = "t0009"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.drop_constraint(op.f("ck_email_logs_status"), "email_logs", type_="check")
    op.create_check_constraint(
        op.f("ck_email_logs_status"), "email_logs", "status IN ('sending', 'held', 'sent', 'skipped', 'failed')"
    )
    op.create_index("ix_email_logs_recipient", "email_logs", ["recipient", "created_at"])
    op.add_column(
        "practice_settings", sa.Column("quiet_from", sa.Time(), server_default=sa.text("'21:00'"), nullable=True)
    )
    op.add_column(
        "practice_settings", sa.Column("quiet_until", sa.Time(), server_default=sa.text("'08:00'"), nullable=True)
    )
    op.add_column(
        "practice_settings", sa.Column("daily_mail_limit", sa.Integer(), server_default=sa.text("6"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_practice_settings_quiet_hours"),
        "practice_settings",
        "(quiet_from IS NULL AND quiet_until IS NULL) OR (quiet_from IS NOT NULL AND quiet_until IS NOT NULL"
        " AND quiet_from <> quiet_until)",
    )
    op.create_check_constraint(
        op.f("ck_practice_settings_daily_mail_limit"), "practice_settings", "daily_mail_limit BETWEEN 1 AND 100"
    )
    op.create_table(
        "mail_preferences",
        sa.Column("account_kind", sa.String(length=10), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(length=30), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=10), nullable=False),
        sa.CheckConstraint("account_kind IN ('client', 'staff')", name=op.f("ck_mail_preferences_account_kind")),
        sa.CheckConstraint("changed_by IN ('page', 'one_click', 'staff')", name=op.f("ck_mail_preferences_changed_by")),
        sa.PrimaryKeyConstraint("account_kind", "account_id", "topic", name=op.f("pk_mail_preferences")),
    )
    op.create_table(
        "mail_digest_choices",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.Time(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["staff.id"], name=op.f("fk_mail_digest_choices_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_mail_digest_choices")),
    )
    op.create_table(
        "mail_digest_entries",
        sa.Column("email_log_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["email_log_id"], ["email_logs.id"], name=op.f("fk_mail_digest_entries_email_log_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_mail_digest_entries_staff_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("email_log_id", name=op.f("pk_mail_digest_entries")),
    )
    op.create_index("ix_mail_digest_entries_staff_id", "mail_digest_entries", ["staff_id", "due_at"])


def downgrade() -> None:
    """Back to the revision before; what was chosen is forgotten, and what waits for a digest is never sent."""
    op.drop_table("mail_digest_entries")
    op.drop_table("mail_digest_choices")
    op.drop_table("mail_preferences")
    op.drop_constraint(op.f("ck_practice_settings_daily_mail_limit"), "practice_settings", type_="check")
    op.drop_constraint(op.f("ck_practice_settings_quiet_hours"), "practice_settings", type_="check")
    op.drop_column("practice_settings", "daily_mail_limit")
    op.drop_column("practice_settings", "quiet_until")
    op.drop_column("practice_settings", "quiet_from")
    op.drop_index("ix_email_logs_recipient", table_name="email_logs")
    op.execute("UPDATE email_logs SET status = 'skipped' WHERE status = 'held'")
    op.drop_constraint(op.f("ck_email_logs_status"), "email_logs", type_="check")
    op.create_check_constraint(
        op.f("ck_email_logs_status"), "email_logs", "status IN ('sending', 'sent', 'skipped', 'failed')"
    )
