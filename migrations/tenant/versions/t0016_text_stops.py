"""Numbers that answered STOP, and consents that staff withdraw for a client who asks them to.

The previous release keeps running while this goes on: it does not know the table, and never reads who withdrew.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "t0016"
down_revision: str | None = "t0015"
branch_labels: str | None = None
depends_on: str | None = None

CHECK = "ck_text_consents_withdrawn_by"


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.create_table(
        "text_stops",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_text_stops")),
    )
    op.drop_constraint(op.f(CHECK), "text_consents")
    op.create_check_constraint(op.f(CHECK), "text_consents", "withdrawn_by IN ('client', 'reply', 'renewed', 'staff')")


def downgrade() -> None:
    """Back to the revision before; that a number answered STOP is forgotten."""
    op.execute("UPDATE text_consents SET withdrawn_by = 'client' WHERE withdrawn_by = 'staff'")
    op.drop_constraint(op.f(CHECK), "text_consents")
    op.create_check_constraint(op.f(CHECK), "text_consents", "withdrawn_by IN ('client', 'reply', 'renewed')")
    op.drop_table("text_stops")
