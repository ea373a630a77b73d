"""Which practice a provider's account belongs to; webhooks that nobody could be found for, or that failed.

The previous release keeps running while this goes on.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "p0003"
down_revision: str | None = "p0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "provider_accounts",
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("account_ref", sa.String(length=255), nullable=False),
        sa.Column("tenant_key", sa.String(length=12), nullable=False),
        sa.Column("mode", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "account_ref", name=op.f("pk_provider_accounts")),
        schema="platform",
    )
    op.create_index(op.f("ix_provider_accounts_tenant_key"), "provider_accounts", ["tenant_key"], schema="platform")
    op.create_table(
        "parked_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("account_ref", sa.String(length=255), nullable=True),
        sa.Column("is_live", sa.Boolean(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("tenant_key", sa.String(length=12), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('waiting', 'assigned', 'ignored')", name=op.f("ck_parked_events_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parked_events")),
        schema="platform",
    )
    op.create_index(op.f("ix_parked_events_account_ref"), "parked_events", ["account_ref"], schema="platform")
    op.create_index("uq_parked_events_event", "parked_events", ["provider", "event_id"], unique=True, schema="platform")
    op.create_table(
        "event_troubles",
        sa.Column("tenant_key", sa.String(length=12), nullable=False),
        sa.Column("provider_event_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("error", sa.String(length=200), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_key", "provider_event_id", name=op.f("pk_event_troubles")),
        schema="platform",
    )
    op.create_index(op.f("ix_event_troubles_first_seen_at"), "event_troubles", ["first_seen_at"], schema="platform")


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_table("event_troubles", schema="platform")
    op.drop_table("parked_events", schema="platform")
    op.drop_table("provider_accounts", schema="platform")
