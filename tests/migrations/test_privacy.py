"""What the revision of identity makes of a practice that has clients already."""

import asyncio

from alembic import command
from sqlalchemy import select

from migrations.render import config
from tenants.privacy.events import HOUSEKEEPING
from tenants.privacy.models import Consent
from tests.migrations.test_streams import bound
from tests.support.events import queued
from tests.support.practices import make_client, make_practice
from todoenbalance.kit.runtime import Runtime


async def test_clients_have_agreed_to_the_first_version_and_housekeeping_is_queued(runtime: Runtime) -> None:
    practice = await make_practice(runtime)
    client = await make_client(runtime, practice)
    before = [row for row in await queued(runtime, practice) if row.topic == HOUSEKEEPING]
    stream = config("tenant")
    with bound(runtime.settings, practice.key) as connection:
        stream.attributes["connection"] = connection
        await asyncio.to_thread(command.downgrade, stream, "t0001")
        await asyncio.to_thread(command.upgrade, stream, "head")
        connection.commit()
    async with runtime.database.tenant(practice) as session:
        (row,) = (await session.scalars(select(Consent))).all()
    assert (row.client_id, row.document, row.version) == (client.id, "privacy", "1")
    after = [row for row in await queued(runtime, practice) if row.topic == HOUSEKEEPING]
    assert len(after) == len(before) + 1
