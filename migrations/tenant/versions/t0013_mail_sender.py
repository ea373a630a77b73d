"""As whom a practice writes: its sender's name, where answers go, an address of its own and what DNS says of it.

The previous release keeps running while this goes on: it does not know the table, and sends from the platform's
address.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "t0013"
down_revision: str | None = "t0012"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "mail_sender",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=True),
        sa.Column("reply_to", sa.String(length=320), nullable=True),
        sa.Column("address", sa.String(length=320), nullable=True),
        sa.Column("domain", sa.String(length=253), nullable=True),
        sa.Column("token", sa.String(length=64), nullable=True),
        sa.Column(
            "records", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("trouble", sa.String(length=40), nullable=True),
        sa.Column("unanswered", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("broken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_mail_sender_only_one")),
        sa.CheckConstraint("(address IS NULL) = (domain IS NULL)", name=op.f("ck_mail_sender_domain")),
        sa.CheckConstraint(
            "verified_at IS NULL OR (address IS NOT NULL AND broken_at IS NULL)", name=op.f("ck_mail_sender_verified")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_sender")),
    )


def downgrade() -> None:
    """Back to the revision before; every practice sends from the platform's address, under its own name."""
    op.drop_table("mail_sender")
