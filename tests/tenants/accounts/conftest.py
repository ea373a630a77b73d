"""A door with second factors: staff's, then operators'."""

import pytest

from tests.conftest import HttpFactory
from tests.support.doors import Door, make_door
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture(params=["staff", "operator"])
async def door(request: pytest.FixtureRequest, http: HttpFactory, runtime: Runtime, practice: TenantContext) -> Door:
    """One account of each kind in turn."""
    at = practice if request.param == "staff" else None
    return await make_door(http(at), runtime, at)
