"""Mails and what can be paid for are registered, as at start-up."""

import pytest

from todoenbalance.subscriptions import register_composers, register_payable_kinds


@pytest.fixture(autouse=True)
def registered() -> None:
    """Doing it again changes nothing."""
    register_composers()
    register_payable_kinds()
