"""Availability against a slow, obvious model; what is offered against what is explained and what can be booked."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduling.appointments.errors import SlotNotOfferedError, SlotTakenError
from scheduling.appointments.services.booking import book_appointment
from scheduling.availability.explaining import explain_start
from scheduling.availability.rules import BY_OTHER_BOOKINGS, load_rules
from scheduling.availability.service import Verdict, list_slots
from tests.scheduling.availability.world import DAYS, FIRST_DAYS, TICK, Built, World, build, moments, worlds
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

MADRID = ZoneInfo("Europe/Madrid")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(world=worlds(), sample=st.lists(moments(FIRST_DAYS[0]), min_size=5, max_size=5))
async def test_what_is_offered_is_what_the_model_says(
    runtime: Runtime, practice: TenantContext, world: World, sample: list[datetime]
) -> None:
    with clock.at(world.now):
        # Never committed: each example finds the practice empty.
        async with TenantSession(runtime.database.engine, practice) as session:
            await compare(session, world, sample)


async def compare(session: TenantSession, world: World, sample: list[datetime]) -> None:
    """The list, the explanations and the bookings."""
    built = await build(session, world)
    rules = (await load_rules(session, built.service_id)).at_place(world.asked_kind)
    end_day = world.first + timedelta(days=DAYS)
    slots = (await list_slots(session, rules, world.first, end_day, MADRID)).get(built.practitioner_id, [])
    begin = datetime.combine(world.first, time(), MADRID).astimezone(UTC)
    end = datetime.combine(end_day, time(), MADRID).astimezone(UTC)
    every = [begin + n * TICK for n in range(int((end - begin) / TICK))]
    assert slots == [int(tick.timestamp()) for tick in every if not world.broken(tick)]
    offered = [datetime.fromtimestamp(one, UTC) for one in slots[:: len(slots) // 3 or 1]]
    asked = [one + (world.first - FIRST_DAYS[0]) for one in sample]
    beside = [one + world.duration for one in offered] + [one - TICK for one in offered]
    for start in [*asked, *offered, *beside]:
        explained = await explain_start(session, rules, start)
        assert explained[built.practitioner_id].broken == world.broken(start)
        await check_booking(session, world, built, start)


async def check_booking(session: TenantSession, world: World, built: Built, start: datetime) -> None:
    """Booking must agree with the model; it is undone at once."""
    broken = world.broken(start)
    expected = Verdict.FREE
    if broken:
        expected = Verdict.TAKEN if BY_OTHER_BOOKINGS.issuperset(broken) else Verdict.NOT_OFFERED
    savepoint = await session.begin_nested()
    try:
        made = await book_appointment(
            session,
            client_id=built.client_id,
            service_id=built.service_id,
            starts_at=start,
            location_kind=world.asked_kind,
        )
        assert (made.starts_at, made.ends_at) == (start, start + world.duration)
        assert made.location_kind in ((world.asked_kind,) if world.asked_kind else world.kinds)
        outcome = Verdict.FREE
    except SlotTakenError:
        outcome = Verdict.TAKEN
    except SlotNotOfferedError:
        outcome = Verdict.NOT_OFFERED
    assert outcome is expected
    await savepoint.rollback()
