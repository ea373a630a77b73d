"""Changed details of an appointment, mails that wait, and since when there are the reminders that were added.

The previous release keeps running while this goes on: what it writes may leave out the new columns, and it reads what
this one writes as it always did.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "t0017"
down_revision: str | None = "t0016"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.add_column("appointments", sa.Column("revision", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("email_logs", sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("email_logs", sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))
    op.add_column("services", sa.Column("reminders_since", JSONB(none_as_null=True), nullable=True))
    op.add_column("practice_settings", sa.Column("reminders_since", JSONB(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_column("practice_settings", "reminders_since")
    op.drop_column("services", "reminders_since")
    op.drop_column("email_logs", "not_before")
    op.drop_column("email_logs", "announced_at")
    op.drop_column("appointments", "revision")
