"""Mails of every feature can be composed, and every feature's personal data are known."""

import pytest

from todoenbalance.subscriptions import register_composers, register_personal_data_sources


@pytest.fixture(autouse=True)
def _features() -> None:
    register_composers()
    register_personal_data_sources()
