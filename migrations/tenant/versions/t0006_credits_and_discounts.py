"""Packages of sessions, discount codes, balances.

The previous release keeps running while this goes on: every new column may be left out of what it writes.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "t0006"
down_revision: str | None = "t0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    _add_columns()
    _make_packages()
    _make_discounts()


def _add_columns() -> None:
    op.add_column(
        "services", sa.Column("free_first_visit", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "appointments", sa.Column("discount_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "appointments", sa.Column("free_first_visit", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("appointments", sa.Column("package_purchase_id", sa.Uuid(), nullable=True))
    op.create_check_constraint(
        op.f("ck_appointments_discount_minor"), "appointments", "discount_minor BETWEEN 0 AND price_minor"
    )
    op.add_column("refunds", sa.Column("handed_over_kind", sa.String(length=20), nullable=True))
    op.add_column("refunds", sa.Column("handed_over_note", sa.String(length=500), nullable=True))
    op.add_column("refunds", sa.Column("handed_over_by_id", sa.Uuid(), nullable=True))


def _make_packages() -> None:
    op.create_table(
        "packages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("service_ids", postgresql.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=True),
        sa.Column("refund_rule", sa.String(length=20), server_default=sa.text("'proportional'"), nullable=False),
        sa.Column("tax_treatment", sa.String(length=30), server_default=sa.text("'exempt_health'"), nullable=False),
        sa.Column("archived", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sessions BETWEEN 1 AND 500", name=op.f("ck_packages_sessions")),
        sa.CheckConstraint("price_minor > 0", name=op.f("ck_packages_price_minor")),
        sa.CheckConstraint("validity_days BETWEEN 1 AND 3650", name=op.f("ck_packages_validity_days")),
        sa.CheckConstraint("refund_rule IN ('proportional', 'none')", name=op.f("ck_packages_refund_rule")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_packages")),
    )
    op.create_table(
        "package_purchases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("service_ids", postgresql.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=True),
        sa.Column("refund_rule", sa.String(length=20), nullable=False),
        sa.Column("tax_treatment", sa.String(length=30), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("pays_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'active', 'expired', 'revoked', 'lapsed')", name=op.f("ck_package_purchases_status")
        ),
        sa.CheckConstraint("sessions > 0", name=op.f("ck_package_purchases_sessions")),
        sa.CheckConstraint("price_minor >= 0 AND discount_minor >= 0", name=op.f("ck_package_purchases_price_minor")),
        sa.ForeignKeyConstraint(["package_id"], ["packages.id"], name=op.f("fk_package_purchases_package_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package_purchases")),
    )
    op.create_index("ix_package_purchases_client_id", "package_purchases", ["client_id", "id"])
    op.create_index("ix_package_purchases_package_id", "package_purchases", ["package_id"])
    op.create_table(
        "credit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("credits", sa.Integer(), nullable=False),
        sa.Column("available_after", sa.Integer(), nullable=False),
        sa.Column("reserved_after", sa.Integer(), nullable=False),
        sa.Column("used_for_id", sa.Uuid(), nullable=True),
        sa.Column("cause", sa.String(length=30), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('granted', 'reserved', 'used', 'restored', 'expired', 'revoked')",
            name=op.f("ck_credit_entries_kind"),
        ),
        sa.CheckConstraint("credits > 0", name=op.f("ck_credit_entries_credits")),
        sa.CheckConstraint("available_after >= 0 AND reserved_after >= 0", name=op.f("ck_credit_entries_balances")),
        sa.ForeignKeyConstraint(["purchase_id"], ["package_purchases.id"], name=op.f("fk_credit_entries_purchase_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_entries")),
        sa.UniqueConstraint("purchase_id", "number", name=op.f("uq_credit_entries_purchase_id_number")),
    )
    op.create_index(
        "ix_credit_entries_used_for_id",
        "credit_entries",
        ["used_for_id"],
        postgresql_where=sa.text("used_for_id IS NOT NULL"),
    )
    op.create_table(
        "credit_uses",
        sa.Column("used_for_id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('reserved', 'used', 'restored')", name=op.f("ck_credit_uses_status")),
        sa.ForeignKeyConstraint(["purchase_id"], ["package_purchases.id"], name=op.f("fk_credit_uses_purchase_id")),
        sa.PrimaryKeyConstraint("used_for_id", name=op.f("pk_credit_uses")),
    )
    op.create_index(op.f("ix_credit_uses_purchase_id"), "credit_uses", ["purchase_id"])


def _make_discounts() -> None:
    op.create_table(
        "discount_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("description", sa.String(length=200), server_default=sa.text("''"), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("total_limit", sa.Integer(), nullable=True),
        sa.Column("client_limit", sa.Integer(), nullable=True),
        sa.Column("first_visit_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("minimum_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("service_ids", postgresql.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("for_appointments", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("for_packages", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('percent', 'amount')", name=op.f("ck_discount_codes_kind")),
        sa.CheckConstraint(
            "(kind = 'percent' AND percent BETWEEN 1 AND 100 AND amount_minor IS NULL)"
            " OR (kind = 'amount' AND amount_minor > 0 AND percent IS NULL)",
            name=op.f("ck_discount_codes_worth"),
        ),
        sa.CheckConstraint("code = upper(code)", name=op.f("ck_discount_codes_code")),
        sa.CheckConstraint("total_limit > 0", name=op.f("ck_discount_codes_total_limit")),
        sa.CheckConstraint("client_limit > 0", name=op.f("ck_discount_codes_client_limit")),
        sa.CheckConstraint("minimum_minor >= 0", name=op.f("ck_discount_codes_minimum_minor")),
        sa.CheckConstraint("valid_from < valid_until", name=op.f("ck_discount_codes_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discount_codes")),
        sa.UniqueConstraint("code", name=op.f("uq_discount_codes_code")),
    )
    op.create_table(
        "discount_redemptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "subject_kind IN ('appointment', 'package')", name=op.f("ck_discount_redemptions_subject_kind")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_discount_redemptions_amount_minor")),
        sa.ForeignKeyConstraint(["code_id"], ["discount_codes.id"], name=op.f("fk_discount_redemptions_code_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discount_redemptions")),
    )
    op.create_index(
        "uq_discount_redemptions_subject", "discount_redemptions", ["subject_kind", "subject_id"], unique=True
    )
    op.create_index("ix_discount_redemptions_code_id", "discount_redemptions", ["code_id", "client_id"])
    op.create_index("ix_discount_redemptions_client_id", "discount_redemptions", ["client_id"])


def downgrade() -> None:
    """Back to the revision before."""
    for table in (
        "discount_redemptions",
        "discount_codes",
        "credit_uses",
        "credit_entries",
        "package_purchases",
        "packages",
    ):
        op.drop_table(table)
    for column in ("handed_over_by_id", "handed_over_note", "handed_over_kind"):
        op.drop_column("refunds", column)
    op.drop_constraint(op.f("ck_appointments_discount_minor"), "appointments")
    for column in ("package_purchase_id", "free_first_visit", "discount_minor"):
        op.drop_column("appointments", column)
    op.drop_column("services", "free_first_visit")
