"""Group services have the same line: a seat that is given up, or a session that is added, is offered."""

import asyncio
from datetime import timedelta

import pytest

from scheduling.appointments.history import Actor
from scheduling.appointments.services.cancelling import cancel_appointment
from tests.scheduling.conftest import MONDAY
from tests.support.group_sessions import make_group_offer, plan, seats_of, take
from tests.support.practices import make_client
from tests.support.scheduling import minutes
from tests.support.waitlist import NINE, Line
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")


async def test_a_seat_that_is_given_up_is_offered_to_the_first_in_line(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_group_offer(runtime, practice, capacity=2)
    group = await plan(runtime, practice, offer, NINE)
    attendees = [await make_client(runtime, practice) for _ in range(2)]
    seats = [await take(runtime, practice, offer, client, NINE) for client in attendees]
    line = Line(runtime, practice, offer, [])
    sits_there = await line.join(attendees[1])
    first, second = await line.join(), await line.join()
    async with runtime.database.tenant(practice) as session:
        await cancel_appointment(session, seats[0].id, actor=Actor.staff(new_id()))
    await asyncio.gather(*(line.hear(0) for _ in range(4)))
    assert await line.statuses(sits_there, first, second) == ["waiting", "offered", "waiting"]
    offered = await line.offered(first)
    assert offered.group_session_id == group.id
    live = [seat.status for seat in await seats_of(runtime, practice, group.id) if seat.status in ("held", "confirmed")]
    assert sorted(live) == ["confirmed", "held"]


async def test_a_session_that_is_added_is_offered_by_the_next_sweep_seat_by_seat(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_group_offer(runtime, practice, capacity=2)
    line = Line(runtime, practice, offer, [])
    entries = [await line.join() for _ in range(3)]
    await plan(runtime, practice, offer, NINE + timedelta(hours=1))
    with clock.at(MONDAY + minutes(15)):
        await line.run()
    assert await line.statuses(*entries) == ["offered", "offered", "waiting"]
