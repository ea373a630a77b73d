"""Kept cards.

The previous release keeps running while this goes on: the new column may be left out of what it writes.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "t0007"
down_revision: str | None = "t0006"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "saved_cards",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("setup_ref", sa.String(length=255), nullable=True),
        sa.Column("next_url", sa.String(length=2000), nullable=True),
        sa.Column("return_url", sa.String(length=2000), nullable=True),
        sa.Column("cancel_url", sa.String(length=2000), nullable=True),
        sa.Column("customer_ref", sa.String(length=255), nullable=True),
        sa.Column("method_ref", sa.String(length=255), nullable=True),
        sa.Column("brand", sa.String(length=20), nullable=True),
        sa.Column("last_four", sa.String(length=4), nullable=True),
        sa.Column("expires_month", sa.Integer(), nullable=True),
        sa.Column("expires_year", sa.Integer(), nullable=True),
        sa.Column("consent_text", sa.String(length=500), nullable=False),
        sa.Column("consent_locale", sa.String(length=10), nullable=False),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_because", sa.String(length=20), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('pending', 'active', 'failed', 'removed')", name=op.f("ck_saved_cards_status")),
        sa.CheckConstraint(
            "status <> 'active' OR (customer_ref IS NOT NULL AND method_ref IS NOT NULL)",
            name=op.f("ck_saved_cards_active"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["payment_accounts.id"], name=op.f("fk_saved_cards_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_cards")),
    )
    op.create_index(
        "uq_saved_cards_active",
        "saved_cards",
        ["client_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index("uq_saved_cards_payment_id", "saved_cards", ["payment_id"], unique=True)
    op.create_index("ix_saved_cards_client_id", "saved_cards", ["client_id", "id"])
    op.add_column("payments", sa.Column("saved_card_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_payments_saved_card_id"), "payments", "saved_cards", ["saved_card_id"], ["id"])


def downgrade() -> None:
    """Back to the revision before; cards are forgotten here, and stay with their provider."""
    op.drop_constraint(op.f("fk_payments_saved_card_id"), "payments", type_="foreignkey")
    op.drop_column("payments", "saved_card_id")
    op.drop_table("saved_cards")
