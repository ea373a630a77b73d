"""A desk for each test."""

import pytest

from tests.support.checkout import Desk, make_desk
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    """A fresh practice that can be booked and paid."""
    return await make_desk(runtime, practice)
