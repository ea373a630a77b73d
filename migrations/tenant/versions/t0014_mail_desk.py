"""What the front desk does with mails: tasks, what was sent for a while, and lifting at the provider's lists too.

The previous release keeps running while this goes on: it does not know the new tables, and what it writes may leave
out the new columns.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "t0014"
down_revision: str | None = "t0013"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_index("ix_email_logs_reader", "email_logs", [sa.text('"right"(dedupe_key, 36)')])
    op.add_column(
        "email_events", sa.Column("is_elsewhere", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("mail_suppressions", sa.Column("provider_state", sa.String(length=20), nullable=True))
    op.add_column("mail_suppressions", sa.Column("provider_failure", sa.String(length=200), nullable=True))
    op.create_check_constraint(
        op.f("ck_mail_suppressions_provider_state"),
        "mail_suppressions",
        "provider_state IN ('queued', 'cleared', 'failed')",
    )
    op.add_column(
        "practice_settings", sa.Column("mail_body_days", sa.Integer(), server_default=sa.text("30"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_practice_settings_mail_body_days"), "practice_settings", "mail_body_days BETWEEN 0 AND 365"
    )
    op.create_table(
        "mail_bodies",
        sa.Column("email_log_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("html", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["email_log_id"], ["email_logs.id"], name=op.f("fk_mail_bodies_email_log_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("email_log_id", name=op.f("pk_mail_bodies")),
    )
    op.create_index("ix_mail_bodies_created_at", "mail_bodies", ["created_at"])
    op.create_table(
        "mail_tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("email_log_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_as", sa.String(length=20), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("reason IN ('hard_bounce', 'complaint', 'failures')", name=op.f("ck_mail_tasks_reason")),
        sa.CheckConstraint(
            "closed_as IN ('done', 'address_changed', 'delivered')", name=op.f("ck_mail_tasks_closed_as")
        ),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_as IS NULL)", name=op.f("ck_mail_tasks_closed")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_mail_tasks_client_id")),
        sa.ForeignKeyConstraint(
            ["email_log_id"], ["email_logs.id"], name=op.f("fk_mail_tasks_email_log_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_tasks")),
    )
    op.create_index(
        "uq_mail_tasks_open",
        "mail_tasks",
        ["client_id", "address"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_mail_tasks_client_id", "mail_tasks", ["client_id"])
    op.create_index("ix_mail_tasks_email_log_id", "mail_tasks", ["email_log_id"])


def downgrade() -> None:
    """Back to the revision before; tasks and what was sent are forgotten."""
    op.drop_table("mail_tasks")
    op.drop_table("mail_bodies")
    op.drop_constraint(op.f("ck_practice_settings_mail_body_days"), "practice_settings", type_="check")
    op.drop_column("practice_settings", "mail_body_days")
    op.drop_constraint(op.f("ck_mail_suppressions_provider_state"), "mail_suppressions", type_="check")
    op.drop_column("mail_suppressions", "provider_failure")
    op.drop_column("mail_suppressions", "provider_state")
    op.drop_column("email_events", "is_elsewhere")
    op.drop_index("ix_email_logs_reader", table_name="email_logs")
