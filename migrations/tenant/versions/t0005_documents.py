"""Receipts and invoices: who issues, to whom, what was issued, and the chain of its hashes.

Issued documents are guarded by triggers: nothing of the application may change or delete them, an erasure takes the
recipient away, and the outcome of a transmission is noted. The previous release keeps running while this goes on:
it does not know these tables, and the new columns of services have defaults.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "t0005"
down_revision: str | None = "t0004"
branch_labels: str | None = None
depends_on: str | None = None

# What may still change in a row of each table, and only so.
_GUARDS = {
    "documents": "to_jsonb(NEW) - 'recipient' = to_jsonb(OLD) - 'recipient' AND NEW.recipient IS NULL",
    "document_lines": "false",
    "document_records": (
        "to_jsonb(NEW) - ARRAY['transmission_status', 'transmission_ref', 'transmission_note']"
        " = to_jsonb(OLD) - ARRAY['transmission_status', 'transmission_ref', 'transmission_note']"
    ),
}


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.add_column(
        "services",
        sa.Column("tax_treatment", sa.String(length=20), server_default=sa.text("'exempt_health'"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_services_tax_treatment"),
        "services",
        "tax_treatment IN ('exempt_health', 'general', 'reduced', 'none')",
    )
    op.add_column("services", sa.Column("invoice_description", sa.String(length=200), nullable=True))

    op.create_table(
        "issuer_profiles",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tax_area", sa.String(length=20), nullable=False),
        sa.Column("regime_note", sa.String(length=500), server_default=sa.text("''"), nullable=False),
        sa.Column("exempt_note", sa.String(length=500), server_default=sa.text("''"), nullable=False),
        sa.Column("footer", sa.String(length=1000), server_default=sa.text("''"), nullable=False),
        sa.Column("simplified_series", sa.String(length=10), server_default=sa.text("'S'"), nullable=False),
        sa.Column("full_series", sa.String(length=10), server_default=sa.text("'F'"), nullable=False),
        sa.Column("rectifying_series", sa.String(length=10), server_default=sa.text("'R'"), nullable=False),
        sa.Column("receipt_series", sa.String(length=10), server_default=sa.text("'J'"), nullable=False),
        sa.Column("simplified_limit", sa.String(length=10), server_default=sa.text("'standard'"), nullable=False),
        sa.Column("issues_automatically", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("legal_name", sa.String(length=200), nullable=False),
        sa.Column("tax_id", sa.String(length=30), nullable=False),
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("postal_code", sa.String(length=20), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("region", sa.String(length=100), nullable=True),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.CheckConstraint(
            "(country = 'ES') = (tax_area <> 'other')", name=op.f("ck_issuer_profiles_tax_area_of_country")
        ),
        sa.CheckConstraint(
            "simplified_limit IN ('standard', 'listed')", name=op.f("ck_issuer_profiles_simplified_limit")
        ),
        sa.CheckConstraint(
            "tax_area IN ('es_common', 'es_canary', 'es_foral', 'other')", name=op.f("ck_issuer_profiles_tax_area")
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck_issuer_profiles_only_one")),
        sa.CheckConstraint(
            "simplified_series <> full_series AND simplified_series <> rectifying_series AND simplified_series <> receipt_series AND full_series <> rectifying_series AND full_series <> receipt_series AND rectifying_series <> receipt_series",
            name=op.f("ck_issuer_profiles_series_differ"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuer_profiles")),
    )
    op.create_table(
        "tax_rates",
        sa.Column("treatment", sa.String(length=20), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("rate_bp", sa.Integer(), nullable=False),
        sa.CheckConstraint("treatment IN ('general', 'reduced')", name=op.f("ck_tax_rates_treatment")),
        sa.CheckConstraint("rate_bp BETWEEN 0 AND 10000", name=op.f("ck_tax_rates_rate_bp")),
        sa.PrimaryKeyConstraint("treatment", "valid_from", name=op.f("pk_tax_rates")),
    )
    op.create_table(
        "document_series",
        sa.Column("code", sa.String(length=10), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("last_issued_on", sa.Date(), nullable=False),
        sa.CheckConstraint("last_number >= 0", name=op.f("ck_document_series_last_number")),
        sa.PrimaryKeyConstraint("code", "year", name=op.f("pk_document_series")),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("invoice_type", sa.String(length=2), nullable=True),
        sa.Column("series", sa.String(length=10), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=30), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("corrects_id", sa.Uuid(), nullable=True),
        sa.Column("supersedes_id", sa.Uuid(), nullable=True),
        sa.Column("method", sa.String(length=20), nullable=True),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recipient", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("recipient_digest", sa.String(length=64), nullable=True),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("issued_by_kind", sa.String(length=10), nullable=False),
        sa.Column("issued_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(kind = 'rectifying') = (corrects_id IS NOT NULL)", name=op.f("ck_documents_corrects")),
        sa.CheckConstraint("(kind = 'rectifying') = (method IS NOT NULL)", name=op.f("ck_documents_rectifying_method")),
        sa.CheckConstraint("kind IN ('simplified', 'full', 'rectifying', 'receipt')", name=op.f("ck_documents_kind")),
        sa.CheckConstraint("method IN ('differences', 'substitution')", name=op.f("ck_documents_method")),
        sa.CheckConstraint("base_minor + tax_minor = total_minor", name=op.f("ck_documents_sum")),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_documents_sequence")),
        sa.ForeignKeyConstraint(["corrects_id"], ["documents.id"], name=op.f("fk_documents_corrects_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_documents_payment_id")),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_documents_refund_id")),
        sa.ForeignKeyConstraint(["supersedes_id"], ["documents.id"], name=op.f("fk_documents_supersedes_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("number", name=op.f("uq_documents_number")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_documents_refund_id")),
        sa.UniqueConstraint("series", "year", "sequence", name=op.f("uq_documents_series_year_sequence")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_documents_supersedes_id")),
    )
    op.create_index("ix_documents_client_id", "documents", ["client_id", "id"], unique=False)
    op.create_index(op.f("ix_documents_corrects_id"), "documents", ["corrects_id"], unique=False)
    op.create_index("ix_documents_issued_on", "documents", ["issued_on", "id"], unique=False)
    op.create_index("ix_documents_payment_id", "documents", ["payment_id", "id"], unique=False)
    op.create_index(
        "uq_documents_invoice_of_payment",
        "documents",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("kind <> 'receipt' AND corrects_id IS NULL AND supersedes_id IS NULL"),
    )
    op.create_index(
        "uq_documents_receipt_of_payment",
        "documents",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'receipt'"),
    )
    op.create_table(
        "document_lines",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("treatment", sa.String(length=20), nullable=False),
        sa.Column("rate_bp", sa.Integer(), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("operation_on", sa.Date(), nullable=False),
        sa.CheckConstraint("base_minor + tax_minor = gross_minor", name=op.f("ck_document_lines_sum")),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_document_lines_document_id")),
        sa.PrimaryKeyConstraint("document_id", "position", name=op.f("pk_document_lines")),
    )
    op.create_table(
        "document_records",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("issuer_tax_id", sa.String(length=30), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=60), nullable=False),
        sa.Column("issued_on", sa.String(length=10), nullable=False),
        sa.Column("invoice_type", sa.String(length=2), nullable=False),
        sa.Column("tax_total", sa.String(length=20), nullable=False),
        sa.Column("total", sa.String(length=20), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("generated_at", sa.String(length=30), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.Column("transmission_status", sa.String(length=10), server_default=sa.text("'off'"), nullable=False),
        sa.Column("transmission_ref", sa.String(length=100), nullable=True),
        sa.Column("transmission_note", sa.String(length=500), nullable=True),
        sa.CheckConstraint(
            "transmission_status IN ('off', 'pending', 'accepted', 'rejected')",
            name=op.f("ck_document_records_transmission_status"),
        ),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_document_records_document_id")),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_document_records")),
        sa.UniqueConstraint("issuer_tax_id", "position", name=op.f("uq_document_records_issuer_tax_id_position")),
    )
    op.create_table(
        "billing_profiles",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("legal_name", sa.String(length=200), nullable=False),
        sa.Column("tax_id", sa.String(length=30), nullable=False),
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("postal_code", sa.String(length=20), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("region", sa.String(length=100), nullable=True),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_billing_profiles_client_id")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_billing_profiles")),
    )
    op.create_table(
        "pending_documents",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "reason IN ('client_data_needed', 'rate_missing', 'not_described', 'currency_not_supported')",
            name=op.f("ck_pending_documents_reason"),
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_pending_documents_payment_id")),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_pending_documents")),
    )
    op.create_index(op.f("ix_pending_documents_client_id"), "pending_documents", ["client_id"], unique=False)
    for table, allowed in _GUARDS.items():
        op.execute(
            f"""
            CREATE FUNCTION guard_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'UPDATE' THEN
                    IF {allowed} THEN
                        RETURN NEW;
                    END IF;
                END IF;
                RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation',
                    MESSAGE = TG_OP || ' of issued {table} is refused';
            END
            $$
            """
        )
        op.execute(
            f"CREATE TRIGGER guard_row BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION guard_{table}()"
        )
        op.execute(
            f"CREATE TRIGGER guard_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION guard_{table}()"
        )


def downgrade() -> None:
    """Back to the revision before."""
    for table in (
        "pending_documents",
        "billing_profiles",
        "document_records",
        "document_lines",
        "documents",
        "document_series",
        "tax_rates",
        "issuer_profiles",
    ):
        op.drop_table(table)
    for table in _GUARDS:
        op.execute(f"DROP FUNCTION guard_{table}()")
    op.drop_column("services", "invoice_description")
    op.drop_constraint(op.f("ck_services_tax_treatment"), "services")
    op.drop_column("services", "tax_treatment")
