"""Payment accounts, disputes, and what is kept of each try at a provider.

The previous release keeps running while this goes on.
"""

revision: str = "t0004"
down_revision: str | None = "t0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""


def downgrade() -> None:
    """Back to the revision before."""
