"""Payment accounts, disputes, reconciliation, and what is kept of each try at a provider.

The previous release keeps running while this goes on: every new column may be left out of what it writes.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "t0004"
down_revision: str | None = "t0003"
branch_labels: str | None = None
depends_on: str | None = None


_ADDED = {
    "payments": (
        "disputed_minor",
        "fee_taken_minor",
        "fee_returned_minor",
        "flow",
        "locale",
        "saves_card",
    ),
    "payment_attempts": (
        "account_id",
        "mode",
        "charge_ref",
        "provider_fee_minor",
        "method_kind",
        "last_four",
        "read_at",
    ),
    "refunds": ("retry_of_id", "fee_returned_minor"),
    "provider_events": (
        "subject",
        "account_ref",
        "is_live",
        "occurred_at",
        "attempt_id",
        "body_digest",
        "raw",
        "failures",
        "problem",
    ),
    "practice_settings": ("connected_methods",),
}


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "payment_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("mode", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("account_ref", sa.String(length=255), nullable=True),
        sa.Column("publishable_key", sa.String(length=255), nullable=True),
        sa.Column("credentials", sa.Text(), nullable=True),
        sa.Column("webhook_ref", sa.String(length=255), nullable=True),
        sa.Column("webhook_secret", sa.Text(), nullable=True),
        sa.Column("charges_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("payouts_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "requirements",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("problem", sa.String(length=60), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disconnected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("provider IN ('stripe', 'paypal')", name=op.f("ck_payment_accounts_provider")),
        sa.CheckConstraint("kind IN ('connect', 'own_keys', 'credentials')", name=op.f("ck_payment_accounts_kind")),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("ck_payment_accounts_mode")),
        sa.CheckConstraint(
            "status IN ('pending', 'restricted', 'active', 'disconnected')", name=op.f("ck_payment_accounts_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_accounts")),
    )
    op.create_index(
        "uq_payment_accounts_provider",
        "payment_accounts",
        ["provider"],
        unique=True,
        postgresql_where=sa.text("status <> 'disconnected'"),
    )
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("provider_ref", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("provider_status", sa.String(length=60), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False),
        sa.Column("evidence_due_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('needs_response', 'under_review', 'won', 'lost')", name=op.f("ck_disputes_status")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_disputes_amount_minor")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_disputes_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
    )
    op.create_index(op.f("ix_disputes_payment_id"), "disputes", ["payment_id"])
    op.create_index("uq_disputes_provider_ref", "disputes", ["provider", "provider_ref"], unique=True)

    op.add_column("payments", sa.Column("disputed_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column(
        "payments", sa.Column("fee_taken_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "payments", sa.Column("fee_returned_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "payments", sa.Column("flow", sa.String(length=10), server_default=sa.text("'redirect'"), nullable=False)
    )
    op.add_column("payments", sa.Column("locale", sa.String(length=10), nullable=True))
    op.add_column("payments", sa.Column("saves_card", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_check_constraint(op.f("ck_payments_disputed_minor"), "payments", "disputed_minor >= 0")
    op.create_check_constraint(op.f("ck_payments_flow"), "payments", "flow IN ('redirect', 'elements')")

    op.add_column("payment_attempts", sa.Column("account_id", sa.Uuid(), nullable=True))
    op.add_column("payment_attempts", sa.Column("mode", sa.String(length=10), nullable=True))
    op.add_column("payment_attempts", sa.Column("charge_ref", sa.String(length=255), nullable=True))
    op.add_column("payment_attempts", sa.Column("provider_fee_minor", sa.BigInteger(), nullable=True))
    op.add_column("payment_attempts", sa.Column("method_kind", sa.String(length=40), nullable=True))
    op.add_column("payment_attempts", sa.Column("last_four", sa.String(length=4), nullable=True))
    op.add_column("payment_attempts", sa.Column("read_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        op.f("fk_payment_attempts_account_id"), "payment_attempts", "payment_accounts", ["account_id"], ["id"]
    )
    op.create_index(
        "ix_payment_attempts_charge_ref",
        "payment_attempts",
        ["charge_ref"],
        postgresql_where=sa.text("charge_ref IS NOT NULL"),
    )

    op.add_column("refunds", sa.Column("retry_of_id", sa.Uuid(), nullable=True))
    op.add_column(
        "refunds", sa.Column("fee_returned_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_foreign_key(op.f("fk_refunds_retry_of_id"), "refunds", "refunds", ["retry_of_id"], ["id"])
    op.create_index("ix_refunds_pending", "refunds", ["created_at"], postgresql_where=sa.text("status = 'pending'"))
    op.create_index("uq_refunds_provider_ref", "refunds", ["payment_id", "provider_ref"], unique=True)
    op.create_index("uq_refunds_retry_of_id", "refunds", ["retry_of_id"], unique=True)

    op.add_column(
        "provider_events",
        sa.Column("subject", sa.String(length=20), server_default=sa.text("'payment'"), nullable=False),
    )
    op.add_column("provider_events", sa.Column("account_ref", sa.String(length=255), nullable=True))
    op.add_column("provider_events", sa.Column("is_live", sa.Boolean(), nullable=True))
    op.add_column("provider_events", sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("provider_events", sa.Column("attempt_id", sa.Uuid(), nullable=True))
    op.add_column("provider_events", sa.Column("body_digest", sa.String(length=64), nullable=True))
    op.add_column("provider_events", sa.Column("raw", sa.Text(), nullable=True))
    op.add_column("provider_events", sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("provider_events", sa.Column("problem", sa.String(length=200), nullable=True))
    op.create_index(
        "ix_provider_events_undone",
        "provider_events",
        ["received_at"],
        postgresql_where=sa.text("status IN ('received', 'failed')"),
    )

    op.add_column(
        "practice_settings",
        sa.Column("connected_methods", sa.ARRAY(sa.String(length=20)), server_default=sa.text("'{}'"), nullable=False),
    )

    op.create_table(
        "reconciliations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_up_to", sa.Uuid(), nullable=True),
        sa.Column("checked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("mended", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("unreadable", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("disagreeing", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    op.create_table(
        "disagreements",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_disagreements_payment_id")),
        sa.PrimaryKeyConstraint("payment_id", "kind", name=op.f("pk_disagreements")),
    )
    # The daily comparison with the providers: one row that comes again each day, at an hour of the practice's own.
    op.execute(
        """
        INSERT INTO platform.outbox (id, tenant, topic, payload, run_at)
        VALUES (gen_random_uuid(), current_user, 'billing.reconcile', '{}', now() + random() * interval '1 day')
        """
    )


def downgrade() -> None:
    """Take it back; what disputes and accounts said is gone."""
    op.drop_table("disagreements")
    op.drop_table("reconciliations")
    op.drop_index("ix_provider_events_undone", table_name="provider_events")
    op.drop_index("uq_refunds_retry_of_id", table_name="refunds")
    op.drop_index("uq_refunds_provider_ref", table_name="refunds")
    op.drop_index("ix_refunds_pending", table_name="refunds")
    op.drop_index("ix_payment_attempts_charge_ref", table_name="payment_attempts")
    for table, columns in _ADDED.items():
        for column in columns:
            op.drop_column(table, column)
    op.drop_table("disputes")
    op.drop_table("payment_accounts")
