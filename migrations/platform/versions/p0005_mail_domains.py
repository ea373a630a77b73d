"""Which practice has shown which domain to be its own, so that no two write from one.

The previous release keeps running while this goes on: it does not know the table.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "p0005"
down_revision: str | None = "p0004"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "mail_domains",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("provider_ref", sa.String(length=40), nullable=True),
        sa.Column("is_ours", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["platform.tenants.id"], name=op.f("fk_mail_domains_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_mail_domains")),
        schema="platform",
    )
    op.create_index("ix_mail_domains_domain", "mail_domains", ["domain"], schema="platform")
    op.create_index(
        "uq_mail_domains_verified",
        "mail_domains",
        ["domain"],
        unique=True,
        schema="platform",
        postgresql_where=sa.text("verified_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_table("mail_domains", schema="platform")
