"""Availability against a slow, obvious model, and what is offered against what can be booked."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import Range

from scheduling.appointments.errors import SlotNotOfferedError, SlotTakenError
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.booking import book_appointment
from scheduling.availability.rules import Rules, load_rules
from scheduling.availability.service import Verdict, judge_start, list_slots
from tenants.accounts.models import Client
from tests.support.practices import hashed_password
from tests.support.scheduling import add_block, add_hours, add_opening, make_practitioner, make_service
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id

TICK = timedelta(minutes=5)
MADRID = ZoneInfo("Europe/Madrid")
FIRST = date(2026, 3, 27)
"""A Friday; the clocks change on the Sunday after."""
NOW = datetime(2026, 3, 27, 7, tzinfo=UTC)
DAYS = 5


@dataclass
class World:
    """One practitioner's time and a service, as plain values. Everything is a multiple of five minutes."""

    zone: str
    hours: list[tuple[int, time, time, date | None, date | None]]
    openings: list[tuple[datetime, datetime]]
    blocks: list[tuple[datetime, datetime]]
    bookings: list[tuple[datetime, datetime, str, timedelta]]
    duration: timedelta
    before: timedelta
    after: timedelta
    notice: timedelta
    horizon_days: int
    grid: int
    busy: list[tuple[datetime, datetime]] = field(default_factory=list)

    def is_open(self, tick: datetime) -> bool:
        """Whether the five minutes from ``tick`` are within hours or an opening, and not blocked."""
        if any(begin <= tick < end for begin, end in self.blocks):
            return False
        if any(begin <= tick < end for begin, end in self.openings):
            return True
        wall = tick.astimezone(ZoneInfo(self.zone))
        return any(
            weekday == wall.isoweekday()
            and start <= wall.time() < end
            and (since is None or since <= wall.date())
            and (until is None or wall.date() <= until)
            for weekday, start, end, since, until in self.hours
        )

    def verdict(self, start: datetime) -> Verdict:
        """What is to be said of this start."""
        wall = start.astimezone(ZoneInfo(self.zone))
        ticks = int(self.duration / TICK)
        if (
            (wall.hour * 60 + wall.minute) % self.grid
            or start < NOW + self.notice
            or start > NOW + timedelta(days=self.horizon_days)
            or not all(self.is_open(start + n * TICK) for n in range(ticks))
        ):
            return Verdict.NOT_OFFERED
        begin, end = start - self.before, start + self.duration + self.after
        if any(begin < until and since < end for since, until in self.busy):
            return Verdict.TAKEN
        return Verdict.FREE


def ticks(low: int, high: int) -> st.SearchStrategy[timedelta]:
    """A multiple of five minutes."""
    return st.integers(low, high).map(lambda n: n * TICK)


moments = st.integers(0, DAYS * 288).map(lambda n: datetime.combine(FIRST, time(), UTC) + n * TICK)
periods = st.tuples(moments, ticks(1, 60)).map(lambda pair: (pair[0], pair[0] + pair[1]))
# Hours within the night of the change are told apart in test_daylight_saving.
walls = st.integers(5 * 12, 22 * 12).map(lambda n: time(n // 12, n % 12 * 5))
dates = st.none() | st.integers(-1, DAYS).map(lambda n: FIRST + timedelta(days=n))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any of them."""
    hours = []
    for _ in range(draw(st.integers(0, 6))):
        start, end = sorted(draw(st.tuples(walls, walls).filter(lambda pair: pair[0] != pair[1])))
        since, until = draw(st.tuples(dates, dates))
        if since and until and since > until:
            since, until = until, since
        hours.append((draw(st.integers(1, 7)), start, end, since, until))
    statuses = st.sampled_from(
        ["held", "held", "confirmed", "confirmed", "completed", "no_show", "cancelled", "expired"]
    )
    bookings = draw(st.lists(st.tuples(periods, statuses, ticks(-4, 4)), max_size=5))
    return World(
        zone=draw(st.sampled_from(["Europe/Madrid", "Atlantic/Canary", "America/New_York", "Asia/Kathmandu"])),
        hours=hours,
        openings=draw(st.lists(periods, max_size=3)),
        blocks=draw(st.lists(periods, max_size=3)),
        bookings=[(*period, status, hold) for period, status, hold in bookings],
        duration=draw(ticks(1, 24)),
        before=draw(ticks(0, 8)),
        after=draw(ticks(0, 8)),
        notice=draw(ticks(0, 300)),
        horizon_days=draw(st.integers(1, 10)),
        grid=draw(st.sampled_from([5, 10, 15, 20, 30, 35, 45, 60, 90])),
    )


async def build(session: TenantSession, world: World) -> tuple[UUID, Rules, UUID, UUID]:
    """The same as rows; bookings that would overlap an earlier one are left out of both."""
    practitioner = await make_practitioner(session, timezone=world.zone)
    for weekday, start, end, since, until in world.hours:
        await add_hours(session, practitioner.id, weekday, start=start, end=end, valid_from=since, valid_until=until)
    for period in world.openings:
        await add_opening(session, practitioner.id, *period)
    for period in world.blocks:
        await add_block(session, practitioner.id, *period)
    service = await make_service(
        session,
        practitioner.id,
        duration_minutes=int(world.duration / timedelta(minutes=1)),
        buffer_before_minutes=int(world.before / timedelta(minutes=1)),
        buffer_after_minutes=int(world.after / timedelta(minutes=1)),
        minimum_notice_minutes=int(world.notice / timedelta(minutes=1)),
        horizon_days=world.horizon_days,
        grid_minutes=world.grid,
    )
    client = Client(
        id=new_id(),
        email=f"{new_id()}@example.com",
        hashed_password=await hashed_password(),
        first_name="Carla",
        last_name="Cliente",
        locale="es",
        timezone="Europe/Madrid",
        privacy_accepted_at=NOW,
    )
    session.add(client)
    await session.flush()  # appointments refer to it
    taken: list[tuple[datetime, datetime]] = []
    for starts_at, ends_at, status, hold in world.bookings:
        if status not in ("cancelled", "expired"):
            if any(starts_at < until and since < ends_at for since, until in taken):
                continue
            taken.append((starts_at, ends_at))
            if status != "held" or hold > timedelta(0):
                world.busy.append((starts_at, ends_at))
        session.add(
            Appointment(
                id=new_id(),
                service_id=service.id,
                practitioner_id=practitioner.id,
                client_id=client.id,
                status=status,
                starts_at=starts_at,
                ends_at=ends_at,
                occupied=Range(starts_at, ends_at, bounds="[)"),
                currency="EUR",
                price_minor=0,
                amount_due_minor=0,
                hold_expires_at=NOW + hold if status == "held" else None,
                location_kind="practice",
                cancellation_notice_hours=24,
            )
        )
    await session.flush()  # so that the statement sees them
    return practitioner.id, await load_rules(session, service.id), service.id, client.id


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(world=worlds(), sample=st.lists(moments, min_size=4, max_size=4))
async def test_what_is_offered_is_what_the_model_says(
    session: TenantSession, world: World, sample: list[datetime]
) -> None:
    with clock.at(NOW):
        savepoint = await session.begin_nested()
        practitioner_id, rules, service_id, client_id = await build(session, world)
        end_day = FIRST + timedelta(days=DAYS)
        slots = (await list_slots(session, rules, FIRST, end_day, MADRID)).get(practitioner_id, [])
        begin = datetime.combine(FIRST, time(), MADRID).astimezone(UTC)
        end = datetime.combine(end_day, time(), MADRID).astimezone(UTC)
        expected = []
        while begin < end:
            if world.verdict(begin) is Verdict.FREE:
                expected.append(int(begin.timestamp()))
            begin += TICK
        assert slots == expected
        for start in [*sample, *(datetime.fromtimestamp(one, UTC) for one in slots[:: len(slots) // 3 or 1])]:
            verdicts = await judge_start(session, rules, start)
            assert verdicts.get(practitioner_id, Verdict.NOT_OFFERED) is world.verdict(start)
            await check_booking(session, world, start, service_id, client_id)
        await savepoint.rollback()


async def check_booking(
    session: TenantSession, world: World, start: datetime, service_id: UUID, client_id: UUID
) -> None:
    """Booking must agree with the model; it is undone at once."""
    savepoint = await session.begin_nested()
    try:
        made = await book_appointment(session, client_id=client_id, service_id=service_id, starts_at=start)
        assert (made.starts_at, made.ends_at) == (start, start + world.duration)
        outcome = Verdict.FREE
    except SlotTakenError:
        outcome = Verdict.TAKEN
    except SlotNotOfferedError:
        outcome = Verdict.NOT_OFFERED
    assert outcome is world.verdict(start)
    await savepoint.rollback()
