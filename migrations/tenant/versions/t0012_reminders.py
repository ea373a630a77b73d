"""Several reminders of a visit, a service's own, and a word after it.

The previous release keeps running while this goes on: it does not know the new columns, which may all be left out of
what it writes, and reminds once, `reminder_hours` before.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "t0012"
down_revision: str | None = "t0011"
branch_labels: str | None = None
depends_on: str | None = None

_FITS = "cardinality(reminder_minutes) <= 4 AND 15 <= ALL (reminder_minutes) AND 20160 >= ALL (reminder_minutes)"


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    for table in ("practice_settings", "services"):
        op.add_column(table, sa.Column("reminder_minutes", sa.ARRAY(sa.Integer()), nullable=True))
        op.create_check_constraint(op.f(f"ck_{table}_reminder_minutes"), table, _FITS)
    op.add_column("services", sa.Column("follow_up_hours", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_services_follow_up_hours"), "services", "follow_up_hours BETWEEN 1 AND 720")


def downgrade() -> None:
    """Back to the revision before; lists of reminders are forgotten, and every visit has one again."""
    for table in ("practice_settings", "services"):
        op.drop_constraint(op.f(f"ck_{table}_reminder_minutes"), table, type_="check")
        op.drop_column(table, "reminder_minutes")
    op.drop_constraint(op.f("ck_services_follow_up_hours"), "services", type_="check")
    op.drop_column("services", "follow_up_hours")
