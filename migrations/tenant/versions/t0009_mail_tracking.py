"""What became of each mail, and addresses that get no optional mail any more.

The previous release keeps running while this goes on: it does not know these tables, and the new columns of the log
may be left out of what it writes.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "t0009"
down_revision: str | None = "t0008"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.add_column("email_logs", sa.Column("delivery", sa.String(length=20), nullable=True))
    op.add_column("email_logs", sa.Column("delivery_reason", sa.String(length=300), nullable=True))
    op.create_check_constraint(
        op.f("ck_email_logs_delivery"),
        "email_logs",
        "delivery IN ('deferred', 'dropped', 'delivered', 'bounced', 'complained')",
    )
    op.create_table(
        "email_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email_log_id", sa.Uuid(), nullable=False),
        sa.Column("sg_event_id", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('processed', 'deferred', 'dropped', 'delivered', 'blocked', 'bounced', 'complained')",
            name=op.f("ck_email_events_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["email_log_id"], ["email_logs.id"], name=op.f("fk_email_events_email_log_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_events")),
        sa.UniqueConstraint("sg_event_id", name=op.f("uq_email_events_sg_event_id")),
    )
    op.create_index("ix_email_events_email_log_id", "email_events", ["email_log_id", "occurred_at"])
    op.create_table(
        "mail_suppressions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("reason IN ('hard_bounce', 'complaint')", name=op.f("ck_mail_suppressions_reason")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_suppressions")),
    )
    op.create_index(
        "uq_mail_suppressions_active",
        "mail_suppressions",
        ["address"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_index("ix_mail_suppressions_address", "mail_suppressions", ["address"])


def downgrade() -> None:
    """Back to the revision before; what became of mails is forgotten, and every address is written to again."""
    op.drop_table("mail_suppressions")
    op.drop_table("email_events")
    op.drop_constraint(op.f("ck_email_logs_delivery"), "email_logs", type_="check")
    op.drop_column("email_logs", "delivery_reason")
    op.drop_column("email_logs", "delivery")
