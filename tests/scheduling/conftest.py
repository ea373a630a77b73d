"""Time stands still where a test of scheduling asks for it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from todoenbalance.kit import clock

MONDAY = datetime(2026, 3, 2, 7, tzinfo=UTC)
"""8 in the morning in Madrid, an hour before the usual hours begin."""


@pytest.fixture
def monday_morning() -> Iterator[datetime]:
    """It is :data:`MONDAY`."""
    with clock.at(MONDAY):
        yield MONDAY
