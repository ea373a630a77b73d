"""A payment has a receipt for each amount that it came to.

The previous release keeps running while this goes on: it answers a payment's first receipt.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "t0008"
down_revision: str | None = "t0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    op.drop_index("uq_documents_receipt_of_payment", table_name="documents")


def downgrade() -> None:
    """Back to the revision before, which has no room for a second receipt: it fails if there is one."""
    op.create_index(
        "uq_documents_receipt_of_payment",
        "documents",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'receipt'"),
    )
