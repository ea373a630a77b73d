"""What an export and an erasure do with a client's places in the waiting list."""

import json
from datetime import timedelta

import pytest

from scheduling.waitlist.models import WaitlistEntry
from scheduling.waitlist.personal_data import ENDED_ENTRIES
from tests.conftest import HttpFactory
from tests.support.mails import logs_of
from tests.support.practices import make_client
from tests.support.scheduling import stored
from tests.support.waitlist import Line
from todoenbalance.kit import clock
from todoenbalance.kit.retention import delete_batch
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_personal_data_sources

pytestmark = pytest.mark.usefixtures("monday_morning")


async def test_they_are_exported_and_go_and_what_is_offered_goes_to_the_next(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    register_personal_data_sources()
    line = await Line.make(runtime, practice)
    client = await make_client(runtime, practice)
    entry, second = await line.join(client, earliest="09:30"), await line.join()
    await line.free(1)
    await line.run()
    offered = await line.offered(entry)
    here = http(practice, headers=client.headers)
    exported = (await here.get("/api/v1/users/me/export")).json()
    [waited] = exported["data"]["waitlist"]["waitlist"]
    assert (waited["status"], waited["earliest"], waited["service"]) == ("offered", "09:30", "Primera visita")
    receipt = await here.delete("/api/v1/users/me")
    assert receipt.status_code == 200, receipt.text
    assert '"waitlist"' in json.dumps(receipt.json()["classes"])
    await line.run()
    async with runtime.database.tenant(practice) as session:
        assert await session.get(WaitlistEntry, entry.id) is None
    assert (await stored(runtime, practice, offered.id)).status == "cancelled"
    assert await line.statuses(second) == ["offered"]
    for kind in ("waitlist_joined", "waitlist_offered"):
        assert client.email not in [log.recipient for log in await logs_of(runtime, practice, kind)]


async def test_what_has_ended_goes_after_ninety_days(runtime: Runtime, practice: TenantContext) -> None:
    line = await Line.make(runtime, practice)
    waiting, ended = await line.join(), await line.join()
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(WaitlistEntry, ended.id)).status = "left"
    for days, left in [(89, 2), (91, 1)]:
        with clock.at(clock.now() + timedelta(days=days)):
            async with runtime.database.tenant(practice) as session:
                await delete_batch(session, ENDED_ENTRIES)
        async with runtime.database.tenant(practice) as session:
            found = [await session.get(WaitlistEntry, one.id) for one in (waiting, ended)]
        assert sum(one is not None for one in found) == left
