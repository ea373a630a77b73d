"""The features' composers are registered, as start-up does it."""

import pytest

from todoenbalance.subscriptions import register_composers


@pytest.fixture(autouse=True)
def composers() -> None:
    """Doing it again changes nothing."""
    register_composers()
