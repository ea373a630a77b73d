"""A connected calendar that can't be read."""

from uuid import UUID

from scheduling.external_calendars import service
from scheduling.external_calendars.schemas import ExternalCalendarCreate
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import World
from tests.support.calendar_server import calendar_server
from tests.support.external_calendars import ics, private_addresses, refreshes
from tests.support.scheduling import make_practitioner


@shows("external_calendar_stale")
async def a_calendar_is_out_of_reach(world: World) -> None:
    practitioner_id, _ = await world.practitioner()
    await lose(world, practitioner_id)


@shows("external_calendar_stale")
async def the_calendar_of_somebody_without_an_account_is_out_of_reach(world: World) -> None:
    async with world.session() as session:
        practitioner_id = (await make_practitioner(session, name="Rosa Font")).id
    await lose(world, practitioner_id)


async def lose(world: World, practitioner_id: UUID) -> None:
    """It was read once, and then can't be three times in a row."""
    with private_addresses(world.runtime), calendar_server() as server:
        server.serves(ics())
        async with world.session() as session:
            new = ExternalCalendarCreate(practitioner_id=practitioner_id, name="iCloud", address=server.url())
            await service.add_calendar(session, world.runtime, new)
        await world.run()
        server.serves(b"", status=404)
        for _ in range(3):
            (row,) = await refreshes(world.runtime, world.practice)
            await world.run(row.run_at)
