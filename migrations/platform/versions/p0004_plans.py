"""Plans, what practices use, and what they owe.

The previous release keeps running while this goes on: it knows nothing of these tables and writes any code of a plan
into ``tenants.plan``, so there is no foreign key; a code that no plan has means no fee and no limit.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "p0004"
down_revision: str | None = "p0003"
branch_labels: str | None = None
depends_on: str | None = None

_NOW = sa.text("now()")
_ZERO = sa.text("0")
# Only what practices are served by; a renewal that changes nothing of that makes no process forget its cache.
_ANNOUNCED = {
    "plans": "INSERT OR DELETE OR UPDATE",
    "subscriptions": "INSERT OR DELETE OR UPDATE OF past_due_since, grace_until",
}


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "plans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("fee_basis_points", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("fee_fixed_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("fee_fixed_currency", sa.String(length=3), nullable=True),
        sa.Column("price_minor", sa.BigInteger(), nullable=True),
        sa.Column("price_currency", sa.String(length=3), nullable=True),
        sa.Column("stripe_price_id", sa.String(length=255), nullable=True),
        sa.Column("practitioner_limit", sa.Integer(), nullable=True),
        sa.Column("withheld", sa.ARRAY(sa.String(length=40)), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_public", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("archived", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("position", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("code ~ '^[a-z0-9-]{1,50}$'", name=op.f("ck_plans_code_form")),
        sa.CheckConstraint("fee_basis_points BETWEEN 0 AND 10000", name=op.f("ck_plans_fee_basis_points")),
        sa.CheckConstraint("fee_fixed_minor >= 0", name=op.f("ck_plans_fee_fixed_minor")),
        sa.CheckConstraint(
            "fee_fixed_minor = 0 OR fee_fixed_currency IS NOT NULL", name=op.f("ck_plans_fee_fixed_currency")
        ),
        sa.CheckConstraint("price_minor > 0", name=op.f("ck_plans_price_minor")),
        sa.CheckConstraint("(price_minor IS NULL) = (price_currency IS NULL)", name=op.f("ck_plans_price_currency")),
        sa.CheckConstraint("practitioner_limit > 0", name=op.f("ck_plans_practitioner_limit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("code", name=op.f("uq_plans_code")),
        sa.UniqueConstraint("stripe_price_id", name=op.f("uq_plans_stripe_price_id")),
        schema="platform",
    )
    op.create_table(
        "subscriptions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default=sa.text("'none'"), nullable=False),
        sa.Column("plan_code", sa.String(length=50), nullable=True),
        sa.Column("customer_ref", sa.String(length=255), nullable=True),
        sa.Column("subscription_ref", sa.String(length=255), nullable=True),
        sa.Column("item_ref", sa.String(length=255), nullable=True),
        sa.Column("current_period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current_period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("past_due_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("grace_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reads_begun", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("read_applied", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint(
            "status IN ('none', 'trialing', 'active', 'past_due', 'unpaid', 'canceled')",
            name=op.f("ck_subscriptions_status"),
        ),
        sa.CheckConstraint(
            "(past_due_since IS NULL) = (grace_until IS NULL)", name=op.f("ck_subscriptions_grace_until")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["platform.tenants.id"], name=op.f("fk_subscriptions_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint("customer_ref", name=op.f("uq_subscriptions_customer_ref")),
        sa.UniqueConstraint("subscription_ref", name=op.f("uq_subscriptions_subscription_ref")),
        schema="platform",
    )
    op.create_table(
        "subscription_checkouts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("plan_code", sa.String(length=50), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("provider_ref", sa.String(length=255), nullable=True),
        sa.Column("url", sa.String(length=2000), nullable=True),
        sa.Column("requested_by_kind", sa.String(length=10), nullable=False),
        sa.Column("requested_by_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('created', 'open', 'completed', 'ended')", name=op.f("ck_subscription_checkouts_status")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["platform.tenants.id"], name=op.f("fk_subscription_checkouts_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_checkouts")),
        schema="platform",
    )
    op.create_index(
        "uq_subscription_checkouts_open",
        "subscription_checkouts",
        ["tenant_id"],
        unique=True,
        schema="platform",
        postgresql_where=sa.text("status IN ('created', 'open')"),
    )
    op.create_table(
        "fee_statements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("provider_ref", sa.String(length=255), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('open', 'to_invoice', 'invoicing', 'invoiced', 'settled', 'nothing_due')",
            name=op.f("ck_fee_statements_status"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["platform.tenants.id"], name=op.f("fk_fee_statements_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fee_statements")),
        sa.UniqueConstraint("tenant_id", "month", "currency", name=op.f("uq_fee_statements_tenant_id_month_currency")),
        schema="platform",
    )
    op.create_index(
        "ix_fee_statements_to_invoice",
        "fee_statements",
        ["month"],
        schema="platform",
        postgresql_where=sa.text("status = 'to_invoice'"),
    )
    op.create_table(
        "usage_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("quantity", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["statement_id"], ["platform.fee_statements.id"], name=op.f("fk_usage_entries_statement_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["platform.tenants.id"], name=op.f("fk_usage_entries_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_entries")),
        sa.UniqueConstraint("tenant_id", "kind", "source_id", name=op.f("uq_usage_entries_tenant_id_kind_source_id")),
        schema="platform",
    )
    op.create_index("ix_usage_entries_month", "usage_entries", ["tenant_id", "month"], schema="platform")
    op.create_index(
        "ix_usage_entries_statement_id",
        "usage_entries",
        ["statement_id"],
        schema="platform",
        postgresql_where=sa.text("statement_id IS NOT NULL"),
    )
    op.create_table(
        "usage_months",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("appointments_booked", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("payments_count", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("payments_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("refunds_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("disputes_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("fees_taken_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("fees_returned_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("fees_accrued_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["platform.tenants.id"], name=op.f("fk_usage_months_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "month", "currency", name=op.f("pk_usage_months")),
        schema="platform",
    )
    op.create_table(
        "platform_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("customer_ref", sa.String(length=255), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('received', 'handled', 'ignored')", name=op.f("ck_platform_events_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_events")),
        schema="platform",
    )
    op.create_index(
        "uq_platform_events_event", "platform_events", ["provider", "event_id"], unique=True, schema="platform"
    )
    # What there was without saying so: no fee, no price, no limit. The other two are for operators to put a price on.
    op.execute(
        """
        INSERT INTO platform.plans
            (id, code, name, fee_basis_points, price_minor, price_currency, practitioner_limit, is_public, position)
        VALUES (gen_random_uuid(), 'standard', 'Standard', 0, NULL, NULL, NULL, false, 0),
               (gen_random_uuid(), 'starter', 'Starter', 150, NULL, NULL, 3, true, 10),
               (gen_random_uuid(), 'professional', 'Professional', 50, 2900, 'EUR', NULL, true, 20)
        """
    )
    # Codes that operators made up while a plan was but a word keep meaning what they meant.
    op.execute(
        """
        INSERT INTO platform.plans (id, code, name, archived, position)
        SELECT gen_random_uuid(), plan, plan, true, 100 FROM platform.tenants
        WHERE plan ~ '^[a-z0-9-]{1,50}$' GROUP BY plan
        ON CONFLICT (code) DO NOTHING
        """
    )
    for table, changes in _ANNOUNCED.items():
        op.execute(
            f"CREATE TRIGGER announce_change AFTER {changes} ON platform.{table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION platform.announce_tenant_change()"
        )


def downgrade() -> None:
    """Back to the revision before; what practices used and owe is forgotten."""
    for table in (
        "platform_events",
        "usage_months",
        "usage_entries",
        "fee_statements",
        "subscription_checkouts",
        "subscriptions",
        "plans",
    ):
        op.drop_table(table, schema="platform")
