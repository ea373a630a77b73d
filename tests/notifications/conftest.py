"""The features' composers are registered, as start-up does it."""

import pytest

from tests.support.providers.fixtures import sendgrid_server
from todoenbalance.subscriptions import register_composers

__all__ = ["sendgrid_server"]


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()
