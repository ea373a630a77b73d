"""Sessions of groups, as the practice hears of them."""

from datetime import datetime
from typing import Any

from scheduling.catalogue.models import ServicePractitioner
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.services.cancelling import cancel_session
from scheduling.group_sessions.services.moving import move_session
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import CANARY, DAY, WEDNESDAY, World
from tests.support.group_sessions import plan


async def planned(world: World, at: datetime = WEDNESDAY, **fields: Any) -> GroupSession:
    """The owner plans a session for a colleague."""
    offer = await world.offer(capacity=6, location_kinds=["practice", "online"])
    return await plan(world.runtime, world.practice, offer, at, actor=world.by_owner, **fields)


@shows("group_session_planned_practice")
async def an_owner_plans_a_session_for_a_colleague(world: World) -> None:
    await planned(world)
    await world.run()


@shows("group_session_planned_practice")
async def an_owner_plans_a_session_online(world: World) -> None:
    await planned(world, location_kind="online", meeting_url="https://meet.example.com/pilar")
    await world.run()


@shows("group_session_moved_practice")
async def a_session_is_moved(world: World) -> None:
    group = await planned(world)
    await world.run()
    async with world.session() as session:
        await move_session(session, group.id, WEDNESDAY + DAY, actor=world.by_owner)
    await world.run()


@shows("group_session_moved_practice")
async def a_session_goes_to_a_colleague(world: World) -> None:
    group = await planned(world)
    colleague_id, _ = await world.practitioner("colleague", "Rosa Font")
    async with world.session() as session:
        session.add(ServicePractitioner(service_id=group.service_id, practitioner_id=colleague_id))
    await world.run()
    async with world.session() as session:
        await move_session(session, group.id, WEDNESDAY, actor=world.by_owner, practitioner_id=colleague_id)
    await world.run()


@shows("group_session_cancelled_practice")
async def a_session_is_cancelled(world: World) -> None:
    group = await planned(world)
    await world.run()
    async with world.session() as session:
        await cancel_session(session, group.id, actor=world.by_owner, reason=CANARY)
    await world.run()
