"""A deployment with a gateway of its own, and a practice that wants text messages."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from notifications.texting.choices import choose
from tests.support.practices import SignedIn, make_client
from tests.support.providers.text_gateway import TextGateway
from todoenbalance.kit.database import Database
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

PHONE = "+34 611 222 333"
NUMBER = "+34611222333"


@pytest.fixture
def gateway() -> Iterator[TextGateway]:
    """An unexpected violation of the contract fails the test at its end."""
    with TextGateway() as server:
        yield server
        server.hold.set()
    server.assert_clean()


@pytest.fixture
async def runtime(settings: Settings, engine: AsyncEngine, gateway: TextGateway) -> AsyncIterator[Runtime]:
    """Everybody's, with that gateway."""
    own = settings.model_copy(update={"texts": gateway.settings()})
    made = replace(Runtime.from_settings(own), database=Database(engine))
    yield made
    await made.close()


@pytest.fixture
async def texting(runtime: Runtime, practice: TenantContext) -> TenantContext:
    """The practice, with text messages switched on."""
    async with runtime.database.tenant(practice) as session:
        await choose(session, runtime.settings, is_on=True, monthly_limit=500)
    return practice


@pytest.fixture
async def client(runtime: Runtime, texting: TenantContext) -> SignedIn:
    """A client with a mobile number."""
    return await make_client(runtime, texting, phone=PHONE)
