"""Plans, what practices use, and what they owe.

The previous release keeps running while this goes on.
"""

revision: str = "p0004"
down_revision: str | None = "p0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""


def downgrade() -> None:
    """Back to the revision before."""
