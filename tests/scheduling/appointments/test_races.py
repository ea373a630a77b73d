"""Many at once, over connections of their own, with real commits: one time has one appointment."""

import asyncio
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from scheduling.appointments.models import Appointment
from scheduling.appointments.services.booking import MAX_HOLDS, book_appointment
from scheduling.appointments.services.confirming import ConfirmOutcome, confirm_paid
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.catalogue.models import Practitioner
from tests.conftest import HttpFactory
from tests.scheduling.conftest import MONDAY
from tests.support.practices import SignedIn, make_client
from tests.support.scheduling import Offer, add_hours, make_offer, make_practitioner, make_service, minutes, stored
from todoenbalance.kit import clock
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")
TEN = datetime(2026, 3, 3, 9, tzinfo=UTC)


async def outcomes(*work: Any) -> Counter[str]:
    """What became of each: `done`, or the code of the failure. Anything else (a deadlock) is an error."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ProblemError):
            raise result
    return Counter(result.code if isinstance(result, ProblemError) else "done" for result in results)


async def book(runtime: Runtime, practice: TenantContext, client: SignedIn, offer: Offer, at: datetime) -> Appointment:
    """Book in a transaction of its own."""
    async with runtime.database.tenant(practice) as session:
        return await book_appointment(session, client_id=client.id, service_id=offer.service_id, starts_at=at)


async def move(runtime: Runtime, practice: TenantContext, appointment: Appointment, at: datetime) -> Appointment:
    """Move in a transaction of its own."""
    async with runtime.database.tenant(practice) as session:
        return await reschedule_appointment(session, appointment.id, at)


async def live_at(runtime: Runtime, practice: TenantContext, at: datetime) -> int:
    """How many live appointments begin then."""
    async with runtime.database.tenant(practice) as session:
        count = (
            select(func.count())
            .select_from(Appointment)
            .where(Appointment.starts_at == at, Appointment.status.in_(["held", "confirmed"]))
        )
        return (await session.execute(count)).scalar_one()


async def rows_at(runtime: Runtime, practice: TenantContext, at: datetime) -> list[Appointment]:
    """Every appointment of any status that takes time of the hour from then."""
    async with runtime.database.tenant(practice) as session:
        wanted = select(Appointment).where(Appointment.starts_at < at + minutes(60), Appointment.ends_at > at)
        return list((await session.scalars(wanted)).all())


@pytest.mark.parametrize(("price_minor", "status"), [(0, "confirmed"), (6000, "held")])
async def test_fifty_clients_who_want_one_time_are_one_booking_and_forty_nine_refusals(
    runtime: Runtime, practice: TenantContext, http: HttpFactory, price_minor: int, status: str
) -> None:
    offer = await make_offer(runtime, practice, price_minor=price_minor)
    clients = [http(practice, headers=(await make_client(runtime, practice)).headers) for _ in range(50)]
    body = {"service_id": str(offer.service_id), "starts_at": TEN.isoformat()}

    async def ask(client: httpx.AsyncClient) -> tuple[int, str | None]:
        answer = await client.post("/api/v1/appointments", json=body)
        return answer.status_code, answer.json().get("code")

    answers = Counter(await asyncio.gather(*map(ask, clients)))
    assert answers == {(201, None): 1, (409, "slot_taken"): 49}
    assert [(row.starts_at, row.status) for row in await rows_at(runtime, practice, TEN)] == [(TEN, status)]


async def test_twenty_five_who_move_and_twenty_five_who_book_share_out_one_time_to_one_of_them(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    async with runtime.database.tenant(practice) as session:
        practitioner_id = (await make_practitioner(session)).id
        await add_hours(session, practitioner_id)
        # Free ones are confirmed at once, paid ones are held: both kinds move and both are booked.
        services = [(await make_service(session, practitioner_id, price_minor=price)).id for price in (0, 6000)]
    offers = [Offer(practitioner_id, services[n % 2]) for n in range(25)]
    wanted = TEN + timedelta(days=7)
    earlier = [TEN + timedelta(days=n // 4, hours=n % 4 - 1) for n in range(25)]
    movers = [await make_client(runtime, practice) for _ in offers]
    bookers = [await make_client(runtime, practice) for _ in offers]
    made = [
        await book(runtime, practice, client, offer, at)
        for client, offer, at in zip(movers, offers, earlier, strict=True)
    ]
    assert Counter(one.status for one in made) == {"confirmed": 13, "held": 12}

    async def ask(client: SignedIn, path: str, **body: str) -> tuple[int, str | None]:
        answer = await http(practice, headers=client.headers).post(
            f"/api/v1/appointments{path}", json=body | {"starts_at": wanted.isoformat()}
        )
        return answer.status_code, answer.json().get("code")

    moves = [ask(client, f"/{one.id}/reschedule") for client, one in zip(movers, made, strict=True)]
    bookings = [
        ask(client, "", service_id=str(offer.service_id)) for client, offer in zip(bookers, offers, strict=True)
    ]
    mixed = itertools.chain.from_iterable(zip(moves, bookings, strict=True))
    answers = await asyncio.gather(*mixed)
    moved, booked = answers[::2], answers[1::2]
    assert Counter(answers)[409, "slot_taken"] == 49
    assert moved.count((200, None)) + booked.count((201, None)) == 1

    assert await live_at(runtime, practice, wanted) == 1
    [winner] = await rows_at(runtime, practice, wanted)
    winners = [one.id for one in made if one.id == winner.id]
    assert len(winners) == moved.count((200, None))
    for one, at, answer in zip(made, earlier, moved, strict=True):
        now = await stored(runtime, practice, one.id)
        won = answer == (200, None)
        assert (now.starts_at, now.status, now.version) == (wanted if won else at, one.status, int(won))


async def test_overlapping_times_of_one_person_meet_without_deadlock(runtime: Runtime, practice: TenantContext) -> None:
    offer = await make_offer(runtime, practice, grid_minutes=10)
    client = await make_client(runtime, practice)
    times = [TEN + minutes(10 * n) for n in range(12)]
    found = await outcomes(*(book(runtime, practice, client, offer, at) for at in [*times, *reversed(times)]))
    assert set(found) == {"done", "slot_taken"}
    async with runtime.database.tenant(practice) as session:
        spans = [
            (row.starts_at, row.ends_at)
            for row in await session.execute(
                select(Appointment.starts_at, Appointment.ends_at).order_by(Appointment.starts_at)
            )
        ]
    assert len(spans) == found["done"]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


async def test_as_many_get_a_time_as_there_are_people_for_it(runtime: Runtime, practice: TenantContext) -> None:
    async with runtime.database.tenant(practice) as session:
        people = [(await make_practitioner(session)).id for _ in range(4)]
        for one in people:
            await add_hours(session, one)
        service = await make_service(session, *people)
    client = await make_client(runtime, practice)
    offer = Offer(people[0], service.id)
    found = await outcomes(*(book(runtime, practice, client, offer, TEN) for _ in range(16)))
    assert found == {"done": 4, "slot_taken": 12}


async def test_one_of_those_who_want_the_time_of_a_hold_that_ran_out_gets_it(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_offer(runtime, practice, price_minor=6000)
    client = await make_client(runtime, practice)
    lost = await book(runtime, practice, client, offer, TEN)
    assert await outcomes(*(book(runtime, practice, client, offer, TEN) for _ in range(3))) == {"slot_taken": 3}
    with clock.at(MONDAY + timedelta(hours=1)):
        found = await outcomes(*(book(runtime, practice, client, offer, TEN) for _ in range(10)))
    assert found == {"done": 1, "slot_taken": 9}
    assert (await stored(runtime, practice, lost.id)).status == "expired"


async def test_late_money_and_bookings_for_the_same_time_leave_one_appointment(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_offer(runtime, practice, price_minor=6000)
    client = await make_client(runtime, practice)
    for day in range(3):
        at = TEN + timedelta(days=day)
        late = await book(runtime, practice, client, offer, at)

        async def pay(appointment: Appointment = late) -> ConfirmOutcome:
            async with runtime.database.tenant(practice) as session:
                return await confirm_paid(session, appointment.id)

        with clock.at(MONDAY + timedelta(hours=1)):
            results = await asyncio.gather(
                *(book(runtime, practice, client, offer, at) for _ in range(3)),
                pay(),
                *(book(runtime, practice, client, offer, at) for _ in range(3)),
                return_exceptions=True,
            )
        paid = results.pop(3)
        won = [one for one in results if not isinstance(one, BaseException)]
        assert all(isinstance(one, (Appointment, ProblemError)) for one in results)
        assert paid is (ConfirmOutcome.SLOT_TAKEN if won else ConfirmOutcome.CONFIRMED)
        assert len(won) == (1 if paid is ConfirmOutcome.SLOT_TAKEN else 0)
        assert await live_at(runtime, practice, at) == 1


async def test_moves_and_bookings_meet_without_deadlock_and_nothing_is_lost(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_offer(runtime, practice)
    client = await make_client(runtime, practice)
    first = await book(runtime, practice, client, offer, TEN)
    second = await book(runtime, practice, client, offer, TEN + minutes(60))
    third = TEN + minutes(120)
    found = await outcomes(
        move(runtime, practice, first, third),
        book(runtime, practice, client, offer, third),
        move(runtime, practice, second, third),
        book(runtime, practice, client, offer, third),
    )
    assert found == {"done": 1, "slot_taken": 3}
    assert await live_at(runtime, practice, third) == 1
    for one in (first, second):
        assert (await stored(runtime, practice, one.id)).status == "confirmed"


async def test_two_appointments_can_change_places_with_others_in_between(
    runtime: Runtime, practice: TenantContext
) -> None:
    async with runtime.database.tenant(practice) as session:
        people = [(await make_practitioner(session)).id for _ in range(2)]
        for one in people:
            await add_hours(session, one)
        service = await make_service(session, *people)
        assert len((await session.scalars(select(Practitioner))).all()) == 2
    client = await make_client(runtime, practice)
    offer = Offer(people[0], service.id)
    made = [await book(runtime, practice, client, offer, TEN) for _ in range(2)]

    async def swap(appointment: Appointment, to: datetime) -> Appointment:
        other = people[1] if appointment.practitioner_id == people[0] else people[0]
        async with runtime.database.tenant(practice) as session:
            return await reschedule_appointment(session, appointment.id, to, practitioner_id=other)

    for _ in range(4):
        found = await outcomes(*(swap(one, TEN + minutes(60)) for one in made), *(swap(one, TEN) for one in made))
        assert set(found) <= {"done", "slot_taken"}
    async with runtime.database.tenant(practice) as session:
        rows = (await session.scalars(select(Appointment))).all()
    assert len(rows) == 2
    assert len({(row.practitioner_id, row.starts_at) for row in rows}) == 2


async def test_a_client_who_books_twenty_times_at_once_holds_no_more_than_one_may(
    runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_offer(runtime, practice, price_minor=6000)
    client = await make_client(runtime, practice)
    found = await outcomes(*(book(runtime, practice, client, offer, TEN + timedelta(days=n)) for n in range(20)))
    assert found == {"done": MAX_HOLDS, "too_many_holds": 20 - MAX_HOLDS}


async def test_one_key_sent_twice_at_once_is_one_booking(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    offer = await make_offer(runtime, practice)
    client = http(practice, headers=(await make_client(runtime, practice)).headers)
    body = {"service_id": str(offer.service_id), "starts_at": TEN.isoformat()}

    async def ask() -> httpx.Response:
        return await client.post("/api/v1/appointments", json=body, headers={"Idempotency-Key": "double-click"})

    answers = await asyncio.gather(*(ask() for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
