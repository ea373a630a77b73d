"""Many at once over connections of their own: seats never outnumber the capacity, a person's time is never twice."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from scheduling.appointments.history import Actor
from scheduling.appointments.services.approving import approve_request
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.confirming import ConfirmOutcome, confirm_paid, expire_hold
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.group_sessions.services.cancelling import cancel_session
from scheduling.group_sessions.services.moving import move_session
from scheduling.group_sessions.services.planning import Plan, change_session, plan_sessions
from tests.conftest import HttpFactory
from tests.scheduling.conftest import MONDAY
from tests.support.blocked import until_blocked
from tests.support.group_sessions import make_group_offer, plan, seats_of, stored_session, take
from tests.support.practices import make_client
from tests.support.scheduling import Offer, make_offer, make_service, minutes
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")
TEN = datetime(2026, 3, 3, 9, tzinfo=UTC)
STAFF = Actor.staff(new_id())
LIVE = ("held", "confirmed")


async def outcomes(*work: Awaitable[Any]) -> list[str]:
    """What became of each: `done`, or the code of the failure. Anything else (a deadlock) is an error."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ProblemError):
            raise result
    return [result.code if isinstance(result, ProblemError) else "done" for result in results]


async def live_seats(runtime: Runtime, practice: TenantContext, group_id: UUID) -> int:
    """How many seats are taken."""
    return sum(seat.status in LIVE for seat in await seats_of(runtime, practice, group_id))


async def overlaps(runtime: Runtime, practice: TenantContext) -> int:
    """Pairs of a person's parties that overlap: appointments of their own and scheduled sessions."""
    async with runtime.database.tenant(practice) as session:
        counted = await session.execute(
            text("""
            WITH parties AS (
                SELECT id, practitioner_id, occupied FROM appointments
                WHERE status IN ('held', 'confirmed') AND group_session_id IS NULL
                UNION ALL SELECT id, practitioner_id, occupied FROM group_sessions WHERE status = 'scheduled'
            )
            SELECT count(*) FROM parties a JOIN parties b
            ON a.practitioner_id = b.practitioner_id AND a.occupied && b.occupied AND a.id < b.id
            """)
        )
        return int(counted.scalar_one())


async def misplaced(runtime: Runtime, practice: TenantContext) -> int:
    """Live seats that are not where their session is, or in one that does not take place."""
    async with runtime.database.tenant(practice) as session:
        counted = await session.execute(
            text("""
            SELECT count(*) FROM appointments a JOIN group_sessions g ON g.id = a.group_session_id
            WHERE a.status IN ('held', 'confirmed') AND (
                g.status <> 'scheduled' OR a.occupied <> g.occupied OR a.practitioner_id <> g.practitioner_id
                OR a.starts_at <> g.starts_at
            )
            """)
        )
        return int(counted.scalar_one())


@pytest.mark.parametrize(("price_minor", "status"), [(0, "confirmed"), (4500, "held")])
async def test_of_fifty_who_want_ten_seats_exactly_ten_get_one(
    runtime: Runtime, practice: TenantContext, http: HttpFactory, price_minor: int, status: str
) -> None:
    offer = await make_group_offer(runtime, practice, 10, price_minor=price_minor)
    group = await plan(runtime, practice, offer, TEN)
    clients = [http(practice, headers=(await make_client(runtime, practice)).headers) for _ in range(50)]
    body = {"service_id": str(offer.service_id), "starts_at": TEN.isoformat()}

    async def ask(client: httpx.AsyncClient) -> tuple[int, str | None]:
        answer = await client.post("/api/v1/appointments", json=body)
        return answer.status_code, answer.json().get("code")

    assert Counter(await asyncio.gather(*map(ask, clients))) == {(201, None): 10, (409, "slot_taken"): 40}
    assert [seat.status for seat in await seats_of(runtime, practice, group.id)] == [status] * 10


async def test_one_person_who_asks_many_times_at_once_gets_one_seat(runtime: Runtime, practice: TenantContext) -> None:
    offer = await make_group_offer(runtime, practice, 10)
    group = await plan(runtime, practice, offer, TEN)
    client = await make_client(runtime, practice)
    found = await outcomes(*(take(runtime, practice, offer, client, TEN) for _ in range(10)))
    assert Counter(found) == {"done": 1, "already_booked": 9}
    assert await live_seats(runtime, practice, group.id) == 1


async def test_appointments_sessions_and_seats_never_share_a_persons_time(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_group_offer(runtime, practice, 4)
    async with runtime.database.tenant(practice) as session:
        alone = (await make_service(session, offer.practitioner_id, buffer_after_minutes=10)).id
    clients = [await make_client(runtime, practice) for _ in range(6)]
    times = [TEN + minutes(30 * n) for n in range(4)]

    async def make(at: datetime) -> None:
        wanted = Plan(service_id=offer.service_id, practitioner_id=offer.practitioner_id, starts_at=at)
        async with runtime.database.tenant(practice) as session:
            await plan_sessions(session, wanted)

    async def book(number: int, at: datetime) -> None:
        single = Offer(offer.practitioner_id, alone)
        await take(runtime, practice, single, clients[number % 6], at)

    async def seat(number: int, at: datetime) -> None:
        await take(runtime, practice, offer, clients[number % 6], at)

    for day in range(3):
        then = [at + timedelta(days=day) for at in times]
        work = [job for n, at in enumerate(then * 2) for job in (book(n, at), make(at), seat(n, at), seat(n + 1, at))]
        found = await outcomes(*work)
        assert set(found) <= {"done", "slot_taken", "slot_not_offered", "already_booked"}
        assert "done" in found
    assert await overlaps(runtime, practice) == 0
    assert await misplaced(runtime, practice) == 0


async def test_a_session_that_is_cancelled_while_seats_are_booked_keeps_none(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_group_offer(runtime, practice, 20)
    clients = [await make_client(runtime, practice) for _ in range(8)]
    for day in range(4):
        at = TEN + timedelta(days=day)
        group = await plan(runtime, practice, offer, at)

        async def cancel(group_id: UUID = group.id) -> None:
            async with runtime.database.tenant(practice) as session:
                await cancel_session(session, group_id, actor=STAFF)

        bookings = [take(runtime, practice, offer, client, at) for client in clients]
        found = await outcomes(*bookings[:4], cancel(), *bookings[4:])
        assert found[4] == "done"
        assert set(found) <= {"done", "slot_not_offered"}
        assert await live_seats(runtime, practice, group.id) == 0
        assert (await stored_session(runtime, practice, group.id)).status == "cancelled"


async def test_a_session_that_moves_while_seats_are_booked_given_up_and_moved_takes_all_along(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_group_offer(runtime, practice, 20)
    clients = [await make_client(runtime, practice) for _ in range(6)]
    for day in range(4):
        at = TEN + timedelta(days=day)
        group = await plan(runtime, practice, offer, at)
        other = await plan(runtime, practice, offer, at + timedelta(days=20))
        seats = [await take(runtime, practice, offer, client, at) for client in clients[:4]]

        an_hour_later = at + minutes(60)

        async def move(group_id: UUID = group.id, to: datetime = an_hour_later) -> None:
            async with runtime.database.tenant(practice) as session:
                await move_session(session, group_id, to, actor=STAFF)

        async def give_up(seat_id: UUID) -> None:
            async with runtime.database.tenant(practice) as session:
                await cancel_appointment(session, seat_id, actor=STAFF)

        async def change(seat_id: UUID, to: datetime = other.starts_at) -> None:
            async with runtime.database.tenant(practice) as session:
                await reschedule_appointment(session, seat_id, to)

        found = await outcomes(
            take(runtime, practice, offer, clients[4], at),
            give_up(seats[0].id),
            move(),
            change(seats[1].id),
            take(runtime, practice, offer, clients[5], at),
        )
        assert found[1:4] == ["done"] * 3
        assert {found[0], found[4]} <= {"done", "slot_not_offered"}
        booked = [found[0], found[4]].count("done")
        assert await live_seats(runtime, practice, group.id) == 2 + booked
        assert (await stored_session(runtime, practice, group.id)).starts_at == an_hour_later
    assert await misplaced(runtime, practice) == 0


async def test_capacity_that_is_lowered_while_seats_are_booked_is_never_below_them(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_group_offer(runtime, practice, 10)
    clients = [await make_client(runtime, practice) for _ in range(10)]
    for day in range(4):
        at = TEN + timedelta(days=day)
        group = await plan(runtime, practice, offer, at)

        async def lower(group_id: UUID = group.id) -> None:
            async with runtime.database.tenant(practice) as session:
                await change_session(session, group_id, {"capacity": 5}, actor=STAFF)

        bookings = [take(runtime, practice, offer, client, at) for client in clients]
        found = await outcomes(*bookings[:3], lower(), *bookings[3:])
        changed = found.pop(3)
        taken = await live_seats(runtime, practice, group.id)
        assert changed in {"done", "seats_taken"}
        assert (await stored_session(runtime, practice, group.id)).capacity == (5 if changed == "done" else 10)
        assert taken == found.count("done") == (5 if changed == "done" else 10)


async def test_late_money_and_bookings_for_the_last_seats_never_fill_more_than_there_are(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_group_offer(runtime, practice, 3, price_minor=4500)
    clients = [await make_client(runtime, practice) for _ in range(9)]
    for day in range(3):
        at = TEN + timedelta(days=day)
        group = await plan(runtime, practice, offer, at)
        late = [await take(runtime, practice, offer, client, at) for client in clients[:3]]

        async def pay(seat_id: UUID) -> ConfirmOutcome:
            async with runtime.database.tenant(practice) as session:
                return await confirm_paid(session, seat_id)

        # Some pay and some book a minute before the holds run out, some after it, by their own clocks.
        async def at_minute(number: int, work: Awaitable[Any]) -> Any:
            with clock.at(MONDAY + minutes(number)):
                return await work

        payments = [at_minute(14 if n else 40, pay(seat.id)) for n, seat in enumerate(late)]
        bookings = [at_minute(40, take(runtime, practice, offer, client, at)) for client in clients[3:]]
        mixed = itertools.chain.from_iterable(itertools.zip_longest(bookings, payments))
        found = await outcomes(*(one for one in mixed if one is not None))
        assert set(found) <= {"done", "slot_taken"}
        with clock.at(MONDAY + minutes(40)):
            assert await live_seats(runtime, practice, group.id) == 3


async def overfull(runtime: Runtime, practice: TenantContext, now: datetime) -> int:
    """Sessions with more seats taken than they have."""
    async with runtime.database.tenant(practice) as session:
        counted = await session.execute(
            text("""
            SELECT count(*) FROM group_sessions g WHERE g.capacity < (
                SELECT count(*) FROM appointments a WHERE a.group_session_id = g.id
                AND (a.status = 'confirmed' OR (a.status = 'held' AND a.hold_expires_at > :now))
            )
            """),
            {"now": now},
        )
        return int(counted.scalar_one())


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_happens_at_once_leaves_every_session_in_order(
    runtime: Runtime, practice: TenantContext, seed: int
) -> None:
    chance = random.Random(seed)
    offer = await make_group_offer(runtime, practice, 3, price_minor=4500, grid_minutes=30)
    async with runtime.database.tenant(practice) as session:
        alone = Offer(offer.practitioner_id, (await make_service(session, offer.practitioner_id)).id)
    clients = [await make_client(runtime, practice) for _ in range(8)]
    groups = [await plan(runtime, practice, offer, TEN + timedelta(days=day)) for day in range(3)]
    seats = [await take(runtime, practice, offer, clients[n], groups[n % 3].starts_at) for n in range(6)]

    async def in_session(act: Callable[[TenantSession], Awaitable[Any]]) -> None:
        async with runtime.database.tenant(practice) as session:
            await act(session)

    def some_act() -> Awaitable[Any]:
        group, seat, client = chance.choice(groups), chance.choice(seats), chance.choice(clients)
        at = TEN + timedelta(days=chance.randrange(3), minutes=30 * chance.randrange(-2, 4))
        to = chance.choice(groups).starts_at
        wanted = Plan(service_id=offer.service_id, practitioner_id=offer.practitioner_id, starts_at=at)
        acts: list[Callable[[], Awaitable[Any]]] = [
            lambda: take(runtime, practice, offer, client, to),
            lambda: take(runtime, practice, offer, client, to),
            lambda: take(runtime, practice, alone, client, at),
            lambda: in_session(lambda session: plan_sessions(session, wanted)),
            lambda: in_session(lambda session: confirm_paid(session, seat.id)),
            lambda: in_session(lambda session: expire_hold(session, seat.id)),
            lambda: in_session(lambda session: cancel_appointment(session, seat.id, actor=STAFF)),
            lambda: in_session(lambda session: reschedule_appointment(session, seat.id, to)),
            lambda: in_session(lambda session: move_session(session, group.id, at, actor=STAFF)),
            lambda: in_session(
                lambda session: change_session(session, group.id, {"capacity": chance.randint(1, 3)}, actor=STAFF)
            ),
            lambda: in_session(lambda session: cancel_session(session, group.id, actor=STAFF)),
        ]
        weights = [4, 4, 2, 2, 4, 1, 2, 4, 3, 2, 1]
        return chance.choices(acts, weights)[0]()

    for minute in (0, 10, 40):
        now = MONDAY + minutes(minute)
        with clock.at(now):
            found = await outcomes(*(some_act() for _ in range(24)))
        assert "done" in found
        assert await overlaps(runtime, practice) == 0
        assert await misplaced(runtime, practice) == 0
        assert await overfull(runtime, practice, now) == 0


async def test_a_request_that_is_granted_in_its_last_moment_keeps_its_time_from_a_session(
    runtime: Runtime, practice: TenantContext
) -> None:
    asked = await make_offer(runtime, practice, requires_approval=True, approval_hours=1)
    async with runtime.database.tenant(practice) as session:
        group = await make_service(session, asked.practitioner_id, capacity=3)
    request = await take(runtime, practice, asked, await make_client(runtime, practice), TEN)
    is_granted = asyncio.Event()

    async def grant() -> None:
        async with runtime.database.tenant(practice) as session:
            with clock.at(MONDAY + minutes(59)):
                await approve_request(session, request.id, actor=STAFF)
            is_granted.set()
            await until_blocked(session)

    async def plan_there() -> None:
        await is_granted.wait()
        with clock.at(MONDAY + minutes(61)):
            await plan(runtime, practice, Offer(asked.practitioner_id, group.id), TEN)

    assert await outcomes(grant(), plan_there()) == ["done", "slot_taken"]
    assert await overlaps(runtime, practice) == 0
