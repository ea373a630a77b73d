"""Many at once, over connections of their own, with real commits: one time is offered to one, and one has one offer."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduling.appointments.errors import OfferOverError, SlotTakenError
from scheduling.appointments.history import Actor
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.confirming import expire_hold
from scheduling.waitlist import service
from scheduling.waitlist.errors import TooManyWaitlistEntriesError
from scheduling.waitlist.matching import Freed, offer_freed
from scheduling.waitlist.models import WaitlistEntry
from tests.scheduling.conftest import MONDAY
from tests.support.practices import make_client
from tests.support.scheduling import add_hours, make_practitioner, make_service, minutes, stored
from tests.support.waitlist import NINE, Line
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")
HOUR = timedelta(hours=1)


@pytest.fixture
async def line(runtime: Runtime, practice: TenantContext) -> Line:
    return await Line.make(runtime, practice)


async def check(line: Line, entries: list[WaitlistEntry]) -> list[WaitlistEntry]:
    """Whatever happened: an offer is one entry's, an entry has one, no time is held twice. Answers who has one."""
    held = await line.held()
    rows = [await line.entry(one) for one in entries]
    offered = [row for row in rows if row.status == "offered"]
    assert sorted(str(row.appointment_id) for row in offered) == sorted(str(row.id) for row in held)
    assert len({row.starts_at for row in held}) == len(held)
    return offered


async def test_ten_deliveries_of_one_freed_time_are_one_offer_to_the_first(line: Line) -> None:
    entries = [await line.join() for _ in range(5)]
    await line.free(1)
    await asyncio.gather(*(line.hear(1) for _ in range(10)))
    assert [row.id for row in await check(line, entries)] == [entries[0].id]


async def test_one_entry_gets_one_of_four_times_that_come_free_at_once(line: Line) -> None:
    entry = await line.join()
    await line.free(0, 1, 2, 3)
    await asyncio.gather(*(line.hear(hour) for hour in range(4) for _ in range(3)))
    assert len(await check(line, [entry])) == 1


async def test_four_times_go_to_four_of_six(line: Line) -> None:
    entries = [await line.join() for _ in range(6)]
    await line.free(0, 1, 2, 3)
    await asyncio.gather(*(line.hear(hour) for hour in range(4) for _ in range(2)))
    for hour in range(4):  # what lost a race is announced no more: the next delivery, or a sweep, finds it
        await line.hear(hour)
    offered = await check(line, entries)
    assert {row.id for row in offered} == {one.id for one in entries[:4]}


async def test_a_client_who_books_the_time_meanwhile_has_it_or_somebody_in_line_does(line: Line) -> None:
    for hour in range(4):
        entries = [await line.join() for _ in range(2)]
        stranger = await make_client(line.runtime, line.practice)
        await line.free(hour)

        async def book(client_id: Any = stranger.id, hour: int = hour) -> str:
            try:
                async with line.runtime.database.tenant(line.practice) as session:
                    await book_appointment(
                        session,
                        client_id=UUID(str(client_id)),
                        service_id=line.offer.service_id,
                        starts_at=NINE + hour * HOUR,
                    )
            except SlotTakenError:
                return "taken"
            return "booked"

        outcome, *_ = await asyncio.gather(book(), line.hear(hour), line.hear(hour))
        statuses = await line.statuses(*entries)
        assert statuses[0] == ("waiting" if outcome == "booked" else "offered")
        assert statuses[1] == "waiting"
        for entry in entries:
            async with line.runtime.database.tenant(line.practice) as session:
                await service.leave_line(session, entry.id, actor=Actor.client(entry.client_id))


async def test_an_entry_that_is_withdrawn_meanwhile_keeps_no_time(line: Line) -> None:
    for hour in range(4):
        first, second = await line.join(), await line.join()
        await line.free(hour)

        async def leave(entry: WaitlistEntry = first) -> None:
            async with line.runtime.database.tenant(line.practice) as session:
                await service.leave_line(session, entry.id, actor=Actor.client(entry.client_id))

        await asyncio.gather(line.hear(hour), leave(), line.hear(hour))
        await line.run()
        assert await line.statuses(first, second) == ["left", "offered"]
        await check(line, [first, second])
        async with line.runtime.database.tenant(line.practice) as session:
            await service.leave_line(session, second.id, actor=Actor.client(second.client_id))
        await line.run()


async def test_accepting_declining_and_running_out_at_once_has_one_outcome(line: Line) -> None:
    outcomes: Counter[str] = Counter()
    for hour in range(4):
        entry = await line.join()
        await line.free(hour)
        await line.run()
        offered = await line.offered(entry)

        async def attempt(what: str, entry: WaitlistEntry = entry, appointment_id: UUID = offered.id) -> str | None:
            try:
                async with line.runtime.database.tenant(line.practice) as session:
                    if what == "accept":
                        await service.accept(session, entry.id, client_id=entry.client_id)
                    elif what == "decline":
                        await service.decline(session, entry.id, client_id=entry.client_id, stay=True)
                    elif what == "settle":
                        await service.settle_entry(session, entry.id)
                    else:
                        await expire_hold(session, appointment_id)
            except OfferOverError:
                return None
            return what

        # As the last second of the offer goes by for one of them.
        moves = ["accept", "decline", "expire", "settle"]
        done = await asyncio.gather(*(attempt(what) for what in (moves if hour % 2 else reversed(moves))))
        row = await stored(line.runtime, line.practice, offered.id)
        status = (await line.entry(entry)).status
        assert (row.status, status) in {("confirmed", "booked"), ("cancelled", "waiting")}
        assert ("accept" in done) == (status == "booked")
        assert ("decline" in done) == (status == "waiting")
        outcomes[status] += 1
        async with line.runtime.database.tenant(line.practice) as session:
            await service.leave_line(session, entry.id, actor=Actor.client(entry.client_id))
    assert sum(outcomes.values()) == 4


async def test_accepting_just_when_it_ran_out_comes_too_late_for_certain(line: Line) -> None:
    first, second = await line.join(), await line.join()
    await line.free(1)
    await line.run()
    offered = await line.offered(first)

    async def accept() -> bool:
        try:
            async with line.runtime.database.tenant(line.practice) as session:
                await service.accept(session, first.id, client_id=first.client_id)
        except OfferOverError:
            return False
        return True

    with clock.at(MONDAY + minutes(120)):
        answers = await asyncio.gather(accept(), line.run(), accept())
        await line.run()
    assert (answers[0], answers[2]) == (False, False)
    assert (await stored(line.runtime, line.practice, offered.id)).status == "expired"
    assert await line.statuses(first, second) == ["waiting", "offered"]


async def test_a_worker_that_is_killed_before_it_commits_leaves_nothing_and_the_next_delivery_does_it(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [await line.join() for _ in range(2)]
    await line.free(1, 2)
    commits = 0
    commit = line.runtime.database.commit

    async def die_before_the_third(session: Any) -> None:
        nonlocal commits
        commits += 1  # the look at the line, and an offer each
        if commits == 3:
            raise KeyboardInterrupt
        await commit(session)

    monkeypatch.setattr(line.runtime.database, "commit", die_before_the_third)
    freed = Freed(NINE, NINE + 4 * HOUR, line.offer.practitioner_id)
    with pytest.raises(KeyboardInterrupt):
        await offer_freed(line.runtime.database, line.practice, freed)
    monkeypatch.undo()
    assert len(await check(line, entries)) == 1
    await line.hear(1)
    await line.hear(2)
    assert len(await check(line, entries)) == 2


async def test_six_wishes_of_one_client_at_once_are_five(line: Line) -> None:
    client = await make_client(line.runtime, line.practice)

    async def join(number: int) -> bool:
        try:
            await line.join(client, last_day=NINE.date() + timedelta(days=number))
        except TooManyWaitlistEntriesError:
            return False
        return True

    assert Counter(await asyncio.gather(*map(join, range(8)))) == {True: service.MAX_ENTRIES, False: 3}


async def test_a_client_who_waits_for_two_things_is_not_offered_both_for_one_hour(line: Line) -> None:
    async with line.runtime.database.tenant(line.practice) as session:
        other = (await make_practitioner(session)).id
        await add_hours(session, other)
        service_id = (await make_service(session, other, grid_minutes=60)).id
    client = await make_client(line.runtime, line.practice)
    await line.join(client)
    await line.join(client, service_id=service_id)
    await line.free(0)
    news = [Freed(NINE, NINE + HOUR, one) for one in (line.offer.practitioner_id, other)]
    await asyncio.gather(*(offer_freed(line.runtime.database, line.practice, one) for one in news * 3))
    starts = [row.starts_at for row in await line.held()]
    assert len(starts) == len(set(starts))
