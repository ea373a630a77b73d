"""Sign-ins as rows, second factors, social identities, dependants, consents, erasures.

The previous release keeps running while this goes on; who signs in with it meanwhile has to sign in once more.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "t0002"
down_revision: str | None = "t0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "email_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_kind", sa.String(length=10), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("old_email", sa.String(length=320), nullable=False),
        sa.Column("new_email", sa.String(length=320), nullable=False),
        sa.Column("sign_in_id", sa.Uuid(), nullable=False),
        sa.Column("old_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("new_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_changes")),
    )
    op.create_index(op.f("ix_email_changes_account_id"), "email_changes", ["account_id"], unique=False)
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("receipt", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("blocked_until", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("client_id", name=op.f("uq_erasures_client_id")),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index("ix_sign_in_attempts_last_failed_at", "sign_in_attempts", ["last_failed_at"], unique=False)
    op.create_table(
        "sign_ins",
        sa.Column("account_kind", sa.String(length=10), nullable=False),
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
        sa.CheckConstraint("account_kind IN ('client', 'staff')", name=op.f("ck_sign_ins_account_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
    )
    op.create_index("ix_sign_ins_account", "sign_ins", ["account_kind", "account_id"], unique=False)
    op.create_table(
        "social_handoffs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("is_email_vouched", sa.Boolean(), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("link_client_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_social_handoffs")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_social_handoffs_token_hash")),
    )
    op.create_table(
        "social_provider_accounts",
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("client_secret", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("provider IN ('google', 'facebook')", name=op.f("ck_social_provider_accounts_provider")),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_social_provider_accounts")),
    )
    op.create_table(
        "social_sign_ups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("code_hash", sa.String(length=64), nullable=True),
        sa.Column("codes_sent", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_social_sign_ups")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_social_sign_ups_token_hash")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.String(length=20), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_consents_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index("ix_consents_client_id", "consents", ["client_id", "document", "accepted_at"], unique=False)
    op.create_table(
        "dependants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("relationship", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "relationship IN ('child', 'partner', 'parent', 'other')", name=op.f("ck_dependants_relationship")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_dependants_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dependants")),
        sa.UniqueConstraint("id", "client_id", name=op.f("uq_dependants_id_client_id")),
    )
    op.create_index(op.f("ix_dependants_client_id"), "dependants", ["client_id"], unique=False)
    op.create_table(
        "passkeys",
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
        sa.ForeignKeyConstraint(["account_id"], ["staff.id"], name=op.f("fk_passkeys_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index(op.f("ix_passkeys_account_id"), "passkeys", ["account_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["staff.id"], name=op.f("fk_recovery_codes_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("account_id", "code_hash", name=op.f("uq_recovery_codes_account_id_code_hash")),
    )
    op.create_table(
        "social_identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("provider IN ('google', 'facebook')", name=op.f("ck_social_identities_provider")),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_social_identities_client_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_social_identities")),
        sa.UniqueConstraint("client_id", "provider", name=op.f("uq_social_identities_client_id_provider")),
        sa.UniqueConstraint("provider", "subject", name=op.f("uq_social_identities_provider_subject")),
    )
    op.create_table(
        "totp_authenticators",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["staff.id"], name=op.f("fk_totp_authenticators_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_totp_authenticators")),
    )
    op.create_index(
        "uq_totp_authenticators_account_id",
        "totp_authenticators",
        ["account_id", sa.literal_column("(activated_at IS NULL)")],
        unique=True,
    )
    op.add_column("appointments", sa.Column("dependant_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_appointments_dependant", "appointments", "dependants", ["dependant_id", "client_id"], ["id", "client_id"]
    )
    op.add_column("clients", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("clients", "hashed_password", existing_type=sa.VARCHAR(length=1024), nullable=True)
    op.add_column("one_time_tokens", sa.Column("subject_id", sa.Uuid(), nullable=True))
    op.add_column(
        "practice_settings",
        sa.Column("second_factor_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "practice_settings",
        sa.Column("practitioners_see_all", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "practice_settings",
        sa.Column("privacy_policy_version", sa.String(length=40), server_default=sa.text("'1'"), nullable=False),
    )
    op.add_column("practice_settings", sa.Column("privacy_policy_url", sa.String(length=2000), nullable=True))
    op.add_column(
        "practice_settings", sa.Column("records_years", sa.Integer(), server_default=sa.text("5"), nullable=False)
    )
    op.add_column(
        "practice_settings", sa.Column("invoice_years", sa.Integer(), server_default=sa.text("6"), nullable=False)
    )

    op.create_check_constraint(
        op.f("ck_practice_settings_records_years"), "practice_settings", "records_years BETWEEN 5 AND 30"
    )
    op.create_check_constraint(
        op.f("ck_practice_settings_invoice_years"), "practice_settings", "invoice_years BETWEEN 4 AND 30"
    )
    # Clients agreed when they registered, to the only version that there was.
    op.execute(
        """
        INSERT INTO consents (id, client_id, document, version, locale, accepted_at)
        SELECT gen_random_uuid(), id, 'privacy', '1', locale, privacy_accepted_at FROM clients
        """
    )
    # The practice's daily housekeeping: one row that comes again each day, at an hour of its own.
    op.execute(
        """
        INSERT INTO platform.outbox (id, tenant, topic, payload, run_at)
        VALUES (gen_random_uuid(), current_user, 'practice.housekeeping', '{}', now() + random() * interval '1 day')
        """
    )
    # Everybody who is signed in stays so: a family of refresh tokens was a sign-in without a row of its own.
    op.execute(
        """
        INSERT INTO sign_ins (id, account_kind, account_id, method, created_at, authenticated_at, last_seen_at, expires_at,
                              user_agent, address)
        SELECT family_id, account_kind, account_id, 'password', min(created_at), min(created_at), max(created_at),
               max(expires_at), '', ''
        FROM refresh_tokens
        GROUP BY family_id, account_kind, account_id
        HAVING bool_and(revoked_at IS NULL)
        """
    )


def downgrade() -> None:
    """Take it back; sign-ins made since end."""
    op.drop_column("practice_settings", "invoice_years")
    op.drop_column("practice_settings", "records_years")
    op.drop_column("practice_settings", "privacy_policy_url")
    op.drop_column("practice_settings", "privacy_policy_version")
    op.drop_column("practice_settings", "practitioners_see_all")
    op.drop_column("practice_settings", "second_factor_required")
    op.drop_column("one_time_tokens", "subject_id")
    op.execute("UPDATE clients SET hashed_password = '!' WHERE hashed_password IS NULL")
    op.alter_column("clients", "hashed_password", existing_type=sa.VARCHAR(length=1024), nullable=False)
    op.drop_column("clients", "erased_at")
    op.drop_constraint("fk_appointments_dependant", "appointments", type_="foreignkey")
    op.drop_column("appointments", "dependant_id")
    op.drop_index("uq_totp_authenticators_account_id", table_name="totp_authenticators")
    op.drop_table("totp_authenticators")
    op.drop_table("social_identities")
    op.drop_table("recovery_codes")
    op.drop_index(op.f("ix_passkeys_account_id"), table_name="passkeys")
    op.drop_table("passkeys")
    op.drop_index(op.f("ix_dependants_client_id"), table_name="dependants")
    op.drop_table("dependants")
    op.drop_index("ix_consents_client_id", table_name="consents")
    op.drop_table("consents")
    op.drop_table("social_sign_ups")
    op.drop_table("social_provider_accounts")
    op.drop_table("social_handoffs")
    op.drop_index("ix_sign_ins_account", table_name="sign_ins")
    op.drop_table("sign_ins")
    op.drop_index("ix_sign_in_attempts_last_failed_at", table_name="sign_in_attempts")
    op.drop_table("sign_in_attempts")
    op.drop_table("erasures")
    op.drop_index(op.f("ix_email_changes_account_id"), table_name="email_changes")
    op.drop_table("email_changes")
