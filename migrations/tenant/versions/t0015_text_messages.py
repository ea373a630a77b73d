"""Text messages: who agreed to them, what was sent, and whether the practice wants any.

The previous release keeps running while this goes on: it does not know these tables.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "t0015"
down_revision: str | None = "t0014"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "text_consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("sentence", sa.String(length=600), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_by", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=10), nullable=True),
        sa.CheckConstraint("channel IN ('sms', 'whatsapp')", name=op.f("ck_text_consents_channel")),
        sa.CheckConstraint("given_by IN ('page', 'api')", name=op.f("ck_text_consents_given_by")),
        sa.CheckConstraint(
            "withdrawn_by IN ('client', 'reply', 'renewed')", name=op.f("ck_text_consents_withdrawn_by")
        ),
        sa.CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name=op.f("ck_text_consents_withdrawn")),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_text_consents_client_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_consents")),
    )
    op.create_index(
        "uq_text_consents_active",
        "text_consents",
        ["client_id", "channel"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_index("ix_text_consents_number", "text_consents", ["number"])
    op.create_table(
        "text_logs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("dedupe_key", sa.String(length=300), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("number", sa.String(length=16), server_default=sa.text("''"), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("segments", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("provider_ref", sa.String(length=255), nullable=True),
        sa.Column("failure", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivery", sa.String(length=20), nullable=True),
        sa.Column("delivery_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("channel IN ('sms', 'whatsapp')", name=op.f("ck_text_logs_channel")),
        sa.CheckConstraint("status IN ('sending', 'sent', 'skipped', 'failed')", name=op.f("ck_text_logs_status")),
        sa.CheckConstraint("delivery IN ('delivered', 'failed')", name=op.f("ck_text_logs_delivery")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_logs")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_text_logs_dedupe_key")),
    )
    op.create_index("ix_text_logs_client_id", "text_logs", ["client_id"])
    op.create_index("ix_text_logs_created_at", "text_logs", ["created_at"])
    op.create_table(
        "text_choices",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("monthly_limit", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_text_choices_only_one")),
        sa.CheckConstraint("monthly_limit BETWEEN 0 AND 1000000", name=op.f("ck_text_choices_monthly_limit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_choices")),
    )


def downgrade() -> None:
    """Back to the revision before; who agreed to text messages is forgotten."""
    op.drop_table("text_choices")
    op.drop_table("text_logs")
    op.drop_table("text_consents")
