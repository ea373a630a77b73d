"""Operators' sign-ins as rows, their second factors, social sign-ins under way.

The previous release keeps running while this goes on; who signs in with it meanwhile has to sign in once more.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "p0002"
down_revision: str | None = "p0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "oauth_flows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("tenant_key", sa.String(length=20), nullable=False),
        sa.Column("hostname", sa.String(length=253), nullable=False),
        sa.Column("return_to", sa.String(length=2000), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("verifier", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=False),
        sa.Column("link_client_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_flows")),
        schema="platform",
    )
    op.create_index(op.f("ix_oauth_flows_expires_at"), "oauth_flows", ["expires_at"], unique=False, schema="platform")
    op.create_table(
        "operator_sign_in_attempts",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_operator_sign_in_attempts")),
        schema="platform",
    )
    op.create_index(
        "ix_operator_sign_in_attempts_last_failed_at",
        "operator_sign_in_attempts",
        ["last_failed_at"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "operator_one_time_tokens",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=30), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["platform.operators.id"],
            name=op.f("fk_operator_one_time_tokens_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_one_time_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_operator_one_time_tokens_token_hash")),
        schema="platform",
    )
    op.create_index(
        op.f("ix_operator_one_time_tokens_account_id"),
        "operator_one_time_tokens",
        ["account_id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "operator_passkeys",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("transports", sa.Text(), nullable=False),
        sa.Column("is_backed_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["platform.operators.id"], name=op.f("fk_operator_passkeys_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_operator_passkeys_credential_id")),
        schema="platform",
    )
    op.create_index(
        op.f("ix_operator_passkeys_account_id"), "operator_passkeys", ["account_id"], unique=False, schema="platform"
    )
    op.create_table(
        "operator_recovery_codes",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["platform.operators.id"],
            name=op.f("fk_operator_recovery_codes_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_recovery_codes")),
        sa.UniqueConstraint("account_id", "code_hash", name=op.f("uq_operator_recovery_codes_account_id_code_hash")),
        schema="platform",
    )
    op.create_table(
        "operator_sign_ins",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("second_factor_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=20), nullable=True),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["platform.operators.id"], name=op.f("fk_operator_sign_ins_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_sign_ins")),
        schema="platform",
    )
    op.create_index(
        op.f("ix_operator_sign_ins_account_id"), "operator_sign_ins", ["account_id"], unique=False, schema="platform"
    )
    op.create_table(
        "operator_totp_authenticators",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["platform.operators.id"],
            name=op.f("fk_operator_totp_authenticators_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_totp_authenticators")),
        schema="platform",
    )
    op.create_index(
        "uq_operator_totp_authenticators_account_id",
        "operator_totp_authenticators",
        ["account_id", sa.literal_column("(activated_at IS NULL)")],
        unique=True,
        schema="platform",
    )

    # Everybody who is signed in stays so: a family of refresh tokens was a sign-in without a row of its own.
    op.execute(
        """
        INSERT INTO platform.operator_sign_ins (id, account_id, method, created_at, authenticated_at, last_seen_at, expires_at,
                              user_agent, address)
        SELECT family_id, account_id, 'password', min(created_at), min(created_at), max(created_at),
               max(expires_at), '', ''
        FROM platform.operator_refresh_tokens
        GROUP BY family_id, account_id
        HAVING bool_and(revoked_at IS NULL)
        """
    )


def downgrade() -> None:
    """Take it back; sign-ins made since end."""
    op.drop_index(
        "uq_operator_totp_authenticators_account_id", table_name="operator_totp_authenticators", schema="platform"
    )
    op.drop_table("operator_totp_authenticators", schema="platform")
    op.drop_index(op.f("ix_operator_sign_ins_account_id"), table_name="operator_sign_ins", schema="platform")
    op.drop_table("operator_sign_ins", schema="platform")
    op.drop_table("operator_recovery_codes", schema="platform")
    op.drop_index(op.f("ix_operator_passkeys_account_id"), table_name="operator_passkeys", schema="platform")
    op.drop_table("operator_passkeys", schema="platform")
    op.drop_index(
        op.f("ix_operator_one_time_tokens_account_id"), table_name="operator_one_time_tokens", schema="platform"
    )
    op.drop_table("operator_one_time_tokens", schema="platform")
    op.drop_index(
        "ix_operator_sign_in_attempts_last_failed_at", table_name="operator_sign_in_attempts", schema="platform"
    )
    op.drop_table("operator_sign_in_attempts", schema="platform")
    op.drop_index(op.f("ix_oauth_flows_expires_at"), table_name="oauth_flows", schema="platform")
    op.drop_table("oauth_flows", schema="platform")
