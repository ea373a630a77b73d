"""A practice whose Stripe account keeps cards."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.billing.providers.stripe.conftest import account, desk, stripe_server, stripe_side
from tests.support.checkout import Desk
from todoenbalance.app import Surfaces, create_app
from todoenbalance.kit.runtime import Runtime

__all__ = ["account", "desk", "stripe_server", "stripe_side"]


@pytest.fixture
async def stripe_http(stripe_side: Runtime, surfaces: Surfaces, desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """The desk's client at the practice's host, in an application that has Stripe."""
    transport = httpx.ASGITransport(create_app(stripe_side, surfaces), raise_app_exceptions=False)
    host = f"http://{desk.practice.slug}.localhost:8000"
    async with httpx.AsyncClient(transport=transport, base_url=host, headers=desk.client.headers) as client:
        yield client
