"""Mails to operators, what they want of them, and what they have been told of.

The previous release keeps running while this goes on: it knows nothing of the tables, and leaves the columns as they
are by default. The index reads the queue once, and whoever publishes meanwhile waits for that (below a second for a
million rows).
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "p0006"
down_revision: str | None = "p0005"
branch_labels: str | None = None
depends_on: str | None = None

_TIME = sa.DateTime(timezone=True)
_EMPTY = sa.text("''")


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.add_column("operators", sa.Column("locale", sa.String(length=10), nullable=True), schema="platform")
    op.add_column(
        "operators",
        sa.Column("wants_news", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        schema="platform",
    )
    op.create_table(
        "operator_mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.String(length=320), server_default=_EMPTY, nullable=False),
        sa.Column("locale", sa.String(length=10), server_default=_EMPTY, nullable=False),
        sa.Column("subject", sa.String(length=500), server_default=_EMPTY, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=True),
        sa.Column("provider_ref", sa.String(length=255), nullable=True),
        sa.Column("failure", sa.String(length=500), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("delivery", sa.String(length=20), nullable=True),
        sa.Column("delivery_at", _TIME, nullable=True),
        sa.Column("delivery_reason", sa.String(length=300), nullable=True),
        sa.CheckConstraint("status IN ('sending', 'sent', 'skipped', 'failed')", name=op.f("ck_operator_mails_status")),
        sa.CheckConstraint(
            "delivery IN ('deferred', 'dropped', 'delivered', 'bounced', 'complained')",
            name=op.f("ck_operator_mails_delivery"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["platform.operators.id"], ondelete="CASCADE", name=op.f("fk_operator_mails_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_mails")),
        sa.UniqueConstraint(
            "kind",
            "subject_id",
            "version",
            "operator_id",
            name=op.f("uq_operator_mails_kind_subject_id_version_operator_id"),
        ),
        schema="platform",
    )
    op.create_index("ix_operator_mails_created_at", "operator_mails", ["created_at"], schema="platform")
    op.create_index(op.f("ix_operator_mails_operator_id"), "operator_mails", ["operator_id"], schema="platform")
    op.create_table(
        "waiting_news",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("told", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("news_on", sa.Date(), nullable=True),
        sa.Column("alarmed_at", _TIME, nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_waiting_news_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_news")),
        schema="platform",
    )
    op.create_table(
        "books_disagreeing",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["platform.tenants.id"], ondelete="CASCADE", name=op.f("fk_books_disagreeing_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_books_disagreeing")),
        schema="platform",
    )
    # The last: who changes a practice publishes that afterwards, and would wait here with a lock that we wait for.
    op.create_index(
        "ix_outbox_parked",
        "outbox",
        ["parked_at"],
        schema="platform",
        postgresql_where=sa.text("parked_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_table("books_disagreeing", schema="platform")
    op.drop_table("waiting_news", schema="platform")
    op.drop_table("operator_mails", schema="platform")
    op.drop_index("ix_outbox_parked", "outbox", schema="platform")
    op.drop_column("operators", "wants_news", schema="platform")
    op.drop_column("operators", "locale", schema="platform")
