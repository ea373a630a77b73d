"""Who listens to which event: upward talk between the areas, composed in one place."""

from collections.abc import Mapping, Sequence

from todoenbalance.kit.outbox.tasks import TenantHandler

SUBSCRIPTIONS: Mapping[str, Sequence[TenantHandler]] = {}


def register_composers() -> None:
    """Let the features tell notifications how to write their mails."""
