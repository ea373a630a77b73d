"""A browser at a practice that can be booked."""

import httpx
import pytest

from tests.conftest import HttpFactory
from tests.support.pages import HTML
from tests.support.scheduling import Offer, make_offer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
def browser(http: HttpFactory, practice: TenantContext) -> httpx.AsyncClient:
    """Someone's browser on the practice's host."""
    return http(practice, headers=HTML)


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    """An hour for 45 euros, with someone who works every day."""
    return await make_offer(runtime, practice, price_minor=4500)
