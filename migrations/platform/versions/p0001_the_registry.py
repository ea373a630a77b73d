"""The registry, operators, the event queue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "p0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("request_id", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        schema="platform",
    )
    op.create_index("ix_audit_log_created_at", "audit_log", ["created_at", "id"], unique=False, schema="platform")
    op.create_table(
        "mailbox_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("html", sa.String(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attachments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox_messages")),
        schema="platform",
    )
    op.create_table(
        "operators",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("hashed_password", sa.String(length=1024), nullable=False),
        sa.Column("first_name", sa.String(length=100), server_default=sa.text("''"), nullable=False),
        sa.Column("last_name", sa.String(length=100), server_default=sa.text("''"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        schema="platform",
    )
    op.create_index(
        "uq_operators_email", "operators", [sa.literal_column("lower(email)")], unique=True, schema="platform"
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=True),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        schema="platform",
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["run_at"],
        unique=False,
        schema="platform",
        postgresql_where=sa.text("parked_at IS NULL"),
    )
    op.create_index("ix_outbox_tenant", "outbox", ["tenant"], unique=False, schema="platform")
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=12), nullable=False),
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("status_reason", sa.String(), nullable=True),
        sa.Column("plan", sa.String(length=50), server_default=sa.text("'standard'"), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("database", sa.String(length=50), server_default=sa.text("'default'"), nullable=False),
        sa.Column("schema_revision", sa.String(length=32), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("key ~ '^t_[a-z0-9]{10}$'", name=op.f("ck_tenants_key_form")),
        sa.CheckConstraint(
            "status IN ('provisioning', 'active', 'suspended', 'closing')", name=op.f("ck_tenants_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("key", name=op.f("uq_tenants_key")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenants_slug")),
        schema="platform",
    )
    op.create_table(
        "domains",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("hostname", sa.String(length=253), nullable=False),
        sa.Column("verification_token", sa.String(length=64), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["platform.tenants.id"], name=op.f("fk_domains_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sa.UniqueConstraint("hostname", name=op.f("uq_domains_hostname")),
        schema="platform",
    )
    op.create_index(op.f("ix_domains_tenant_id"), "domains", ["tenant_id"], unique=False, schema="platform")
    op.create_table(
        "operator_refresh_tokens",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["platform.operators.id"],
            name=op.f("fk_operator_refresh_tokens_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_refresh_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_operator_refresh_tokens_token_hash")),
        schema="platform",
    )
    op.create_index(
        op.f("ix_operator_refresh_tokens_account_id"),
        "operator_refresh_tokens",
        ["account_id"],
        unique=False,
        schema="platform",
    )
    op.create_index(
        op.f("ix_operator_refresh_tokens_family_id"),
        "operator_refresh_tokens",
        ["family_id"],
        unique=False,
        schema="platform",
    )
    # Practices may add to the queue and do nothing else with it; row-level security makes a row's
    # practice the one that writes it, so none can forge another's. One group role holds that right, so
    # that making a practice changes no access list of the shared schema.
    op.execute(
        """
        DO $$
        DECLARE
            practices name := current_user || '_practices';
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = practices) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', practices);
            END IF;
            EXECUTE format('GRANT USAGE ON SCHEMA platform TO %I', practices);
            EXECUTE format('GRANT INSERT ON platform.outbox TO %I', practices);
            EXECUTE format(
                'CREATE POLICY practices_add_their_own ON platform.outbox'
                ' FOR INSERT TO %I WITH CHECK (tenant = current_user)', practices
            );
        END
        $$
        """
    )
    op.execute("ALTER TABLE platform.outbox ENABLE ROW LEVEL SECURITY")
    # Other processes hold practices in a cache by host; a change tells them (LISTEN in tenants.registry).
    op.execute(
        """
        CREATE FUNCTION platform.announce_tenant_change() RETURNS trigger
        LANGUAGE plpgsql SET search_path = '' AS $$
        BEGIN
            PERFORM pg_catalog.pg_notify('tenants_changed', '');
            RETURN NULL;
        END
        $$
        """
    )
    for table in ("tenants", "domains"):
        op.execute(
            f"CREATE TRIGGER announce_change AFTER INSERT OR UPDATE OR DELETE ON platform.{table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION platform.announce_tenant_change()"
        )


def downgrade() -> None:
    """Take everything away."""
    op.drop_table("operator_refresh_tokens", schema="platform")
    op.drop_table("domains", schema="platform")
    op.drop_table("tenants", schema="platform")
    op.drop_table("outbox", schema="platform")
    op.drop_table("operators", schema="platform")
    op.drop_table("mailbox_messages", schema="platform")
    op.drop_table("audit_log", schema="platform")
    op.execute("DROP FUNCTION platform.announce_tenant_change()")
