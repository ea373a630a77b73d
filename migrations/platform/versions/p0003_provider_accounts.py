"""Which practice a provider's account belongs to; webhooks that nobody could be found for.

The previous release keeps running while this goes on.
"""

revision: str = "p0003"
down_revision: str | None = "p0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Bring the schema here from the revision before."""


def downgrade() -> None:
    """Back to the revision before."""
