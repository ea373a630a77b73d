"""A slow, obvious model of one practitioner's time: it looks at every five minutes by itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from uuid import UUID
from zoneinfo import ZoneInfo

import holidays as public_holidays
from dateutil.rrule import rrulestr
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import Range

from scheduling.appointments.models import Appointment
from scheduling.availability.rules import Rule
from scheduling.catalogue.models import RecurringBlockedTimeSlot, RecurringTimeSlot
from scheduling.external_calendars.models import ExternalBusyTime, ExternalCalendar
from scheduling.group_sessions.models import GroupSession
from tenants.accounts.models import Client
from tenants.settings.service import update_practice_settings
from tests.support.practices import hashed_password
from tests.support.scheduling import add_block, add_opening, make_practitioner, make_service
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id

TICK = timedelta(minutes=5)
DAYS = 5
ZONES = ("Europe/Madrid", "Atlantic/Canary", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")
FIRST_DAYS = (
    date(2026, 3, 27),  # Europe's clocks go forward on the Sunday
    date(2026, 10, 23),  # and back
    date(2026, 3, 6),  # New York's go forward
    date(2026, 4, 1),  # Good Friday
    date(2011, 12, 28),  # Apia has no 30th; New Year
)
BYDAY = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
Period = tuple[datetime, datetime]


@dataclass(frozen=True)
class Hours:
    """Weekly hours, perhaps by a rule, perhaps in some places only."""

    weekday: int
    start: time
    end: time
    since: date | None
    until: date | None
    rrule: str | None
    anchor: date | None
    kinds: tuple[str, ...] | None

    def hold_on(self, day: date) -> bool:
        """Whether they are that day's."""
        if day.isoweekday() != self.weekday or day < (self.since or day) or day > (self.until or day):
            return False
        return self.rrule is None or self.anchor is None or is_day_of(self._whole_rule(), self.anchor, day)

    def _whole_rule(self) -> str:
        assert self.rrule is not None
        weekly = "FREQ=WEEKLY" in self.rrule
        return f"{self.rrule};BYDAY={BYDAY[self.weekday - 1]}" if weekly else self.rrule


@dataclass(frozen=True)
class ComingBlock:
    """A block that comes back: local start, length in minutes."""

    rrule: str
    anchor: date
    start: time
    minutes: int
    until: date | None


@cache
def is_day_of(rule: str, anchor: date, day: date) -> bool:
    """By dateutil alone, from the anchor on."""
    moment = datetime.combine(day, time())
    return bool(rrulestr(rule, dtstart=datetime.combine(anchor, time())).between(moment, moment, inc=True))


@dataclass(frozen=True)
class Booking:
    """Something in the calendar: ``status`` of an appointment, or ``session`` for a group's."""

    period: Period
    status: str
    hold: timedelta
    of_this_service: bool
    overlapping: bool


@cache
def _holidays_of(region: str, year: int) -> public_holidays.HolidayBase:
    return public_holidays.country_holidays("ES", subdiv=region, years=year)


@dataclass
class World:
    """One practitioner's time and a service, as plain values. Everything is a multiple of five minutes."""

    zone: str
    first: date
    hours: list[Hours]
    openings: list[Period]
    blocks: list[Period]
    coming_blocks: list[ComingBlock]
    external: list[Period]
    bookings: list[Booking]
    holidays_region: str | None
    works_on_holidays: bool
    kinds: tuple[str, ...]
    asked_kind: str | None
    duration: timedelta
    before: timedelta
    after: timedelta
    notice: timedelta
    horizon_days: int
    grid: int
    per_day: int | None
    per_week: int | None
    kept: list[Booking] = field(default_factory=list)
    seen: dict[object, bool] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """Some hours into the first day."""
        return datetime.combine(self.first, time(7), UTC)

    def wall(self, instant: datetime) -> datetime:
        """What the practitioner's clock shows."""
        return instant.astimezone(ZoneInfo(self.zone))

    def is_holiday(self, day: date) -> bool:
        """By the package itself."""
        if self.works_on_holidays or self.holidays_region is None:
            return False
        return day in _holidays_of(self.holidays_region, day.year)

    def is_worked(self, tick: datetime, kind: str, *, heeding_holidays: bool = True) -> bool:
        """Whether the five minutes from ``tick`` are within hours there, or within an opening."""
        if any(begin <= tick < end for begin, end in self.openings):
            return True
        wall = self.wall(tick)
        if heeding_holidays and self.is_holiday(wall.date()):
            return False
        return any(
            one.hold_on(wall.date())
            and one.start <= wall.time()
            and (wall.time() < one.end or one.end == time())
            and (one.kinds is None or kind in one.kinds)
            for one in self.hours
        )

    def is_blocked(self, tick: datetime) -> bool:
        """Whether a block has the five minutes."""
        if any(begin <= tick < end for begin, end in self.blocks):
            return True
        wall = self.wall(tick).replace(tzinfo=None)
        for block in self.coming_blocks:
            for days_ago in range(3):
                day = wall.date() - timedelta(days=days_ago)
                begin = datetime.combine(day, block.start)
                is_on = day <= (block.until or day) and is_day_of(block.rrule, block.anchor, day)
                if is_on and begin <= wall < begin + timedelta(minutes=block.minutes):
                    return True
        return False

    def broken(self, start: datetime) -> tuple[Rule, ...]:
        """The rules that take this start away, in order, where it comes nearest to a booking."""
        kinds = (self.asked_kind,) if self.asked_kind else self.kinds
        order = list(Rule)
        found = [tuple(sorted(self._broken_at(start, kind), key=order.index)) for kind in kinds]
        return min(found, key=lambda one: (bool(one), -order.index(one[0]) if one else 0))

    def _broken_at(self, start: datetime, kind: str) -> set[Rule]:
        ticks = [start + n * TICK for n in range(int(self.duration / TICK))]
        begin, end = start - self.before, start + self.duration + self.after
        wall = self.wall(start)
        checks = {
            Rule.MINIMUM_NOTICE: start < self.now + self.notice,
            Rule.HORIZON: start > self.now + timedelta(days=self.horizon_days),
            Rule.GRID: bool((wall.hour * 60 + wall.minute) % self.grid),
            Rule.BLOCKED: any(self._once("blocked", tick, self.is_blocked) for tick in ticks),
            Rule.EXTERNAL_CALENDAR: any(since <= tick < until for since, until in self.external for tick in ticks),
            Rule.TAKEN: any(begin < one.period[1] and one.period[0] < end for one in self._live()),
            Rule.DAY_CAP: self.per_day is not None and self._booked(start, week=False) >= self.per_day,
            Rule.WEEK_CAP: self.per_week is not None and self._booked(start, week=True) >= self.per_week,
        }
        broken = {rule for rule, is_broken in checks.items() if is_broken}
        if not all(self._once(kind, tick, lambda one: self.is_worked(one, kind)) for tick in ticks):
            would = all(self.is_worked(tick, kind, heeding_holidays=False) for tick in ticks)
            broken.add(Rule.PUBLIC_HOLIDAY if would else Rule.OPENING_HOURS)
        return broken

    def _once(self, what: str, tick: datetime, look: Callable[[datetime], bool]) -> bool:
        """The same five minutes are asked for by every start around them."""
        if (what, tick) not in self.seen:
            self.seen[what, tick] = look(tick)
        return self.seen[what, tick]

    def _live(self) -> list[Booking]:
        dead = ("cancelled", "expired")
        return [one for one in self.kept if one.status not in dead and (one.status != "held" or one.hold > timedelta())]

    def _booked(self, start: datetime, *, week: bool) -> int:
        def bucket(instant: datetime) -> object:
            day = self.wall(instant).date()
            return day.isocalendar()[:2] if week else day

        counted = [one for one in self._live() if one.of_this_service and one.status != "session"]
        return sum(bucket(one.period[0]) == bucket(start) for one in counted)


def ticks(low: int, high: int) -> st.SearchStrategy[timedelta]:
    """A multiple of five minutes."""
    return st.integers(low, high).map(lambda n: n * TICK)


# Hours within the night of a change are told apart in test_daylight_saving.
_walls = st.integers(5 * 12, 22 * 12).map(lambda n: time(n // 12, n % 12 * 5))
_rules = st.sampled_from(
    ["FREQ=WEEKLY;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=3", "FREQ=DAILY;INTERVAL=2", "FREQ=MONTHLY;BYDAY=1FR,-1SA,4TH"]
)
_places = st.sampled_from([("practice",), ("online",), ("practice", "online")])


def moments(first: date) -> st.SearchStrategy[datetime]:
    """Any five minutes of the days."""
    begin = datetime.combine(first, time(), UTC)
    return st.integers(0, DAYS * 288).map(lambda n: begin + n * TICK)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any of them."""
    first = draw(st.sampled_from(FIRST_DAYS))
    periods = st.tuples(moments(first), ticks(1, 60)).map(lambda pair: (pair[0], pair[0] + pair[1]))
    days = st.integers(-1, DAYS).map(lambda n: first + timedelta(days=n))
    anchors = st.integers(-40, DAYS).map(lambda n: first + timedelta(days=n))
    statuses = ["held", "held", "confirmed", "confirmed", "completed", "no_show", "cancelled", "expired", "session"]
    kinds = draw(_places)
    return World(
        zone=draw(st.sampled_from(ZONES)),
        first=first,
        hours=[_hours(draw, days, anchors) for _ in range(draw(st.integers(0, 7)))],
        openings=draw(st.lists(periods, max_size=2)),
        blocks=draw(st.lists(periods, max_size=2)),
        coming_blocks=draw(
            st.lists(
                st.builds(
                    ComingBlock, _rules, anchors, _walls, st.integers(1, 300).map(lambda n: 5 * n), st.none() | days
                ),
                max_size=2,
            )
        ),
        external=draw(st.lists(periods, max_size=2)),
        bookings=draw(
            st.lists(
                st.builds(Booking, periods, st.sampled_from(statuses), ticks(-4, 4), st.booleans(), st.booleans()),
                max_size=5,
            )
        ),
        holidays_region=draw(st.sampled_from([None, "MD", "CT"])),
        works_on_holidays=draw(st.booleans()),
        kinds=kinds,
        asked_kind=draw(st.none() | st.sampled_from(kinds)),
        duration=draw(ticks(1, 24)),
        before=draw(ticks(0, 8)),
        after=draw(ticks(0, 8)),
        notice=draw(ticks(0, 300)),
        horizon_days=draw(st.integers(1, 10)),
        grid=draw(st.sampled_from([5, 10, 15, 20, 30, 35, 45, 60, 90])),
        per_day=draw(st.none() | st.integers(1, 2)),
        per_week=draw(st.none() | st.integers(1, 3)),
    )


def _hours(draw: st.DrawFn, days: st.SearchStrategy[date], anchors: st.SearchStrategy[date]) -> Hours:
    start, end = sorted(draw(st.tuples(_walls, _walls).filter(lambda pair: pair[0] != pair[1])))
    since, until = draw(st.tuples(st.none() | days, st.none() | days))
    if since and until and since > until:
        since, until = until, since
    rule = draw(st.none() | _rules)
    return Hours(
        weekday=draw(st.integers(1, 7)),
        start=start,
        end=end,
        since=since,
        until=until,
        rrule=rule,
        anchor=draw(anchors) if rule else None,
        kinds=draw(st.none() | _places),
    )


@dataclass(frozen=True)
class Built:
    """The ids of the same as rows."""

    practitioner_id: UUID
    service_id: UUID
    client_id: UUID


async def build(session: TenantSession, world: World) -> Built:
    """The same as rows; bookings that the database would refuse to hold are left out of both."""
    await update_practice_settings(
        session,
        {
            "holidays_country": "ES" if world.holidays_region else None,
            "holidays_region": world.holidays_region,
        },
    )
    practitioner = await make_practitioner(session, timezone=world.zone, works_on_holidays=world.works_on_holidays)
    session.add_all(
        RecurringTimeSlot(
            id=new_id(),
            practitioner_id=practitioner.id,
            weekday=one.weekday,
            start_time=one.start,
            end_time=one.end,
            valid_from=one.since,
            valid_until=one.until,
            rrule=one.rrule,
            anchor_date=one.anchor,
            location_kinds=list(one.kinds) if one.kinds else None,
        )
        for one in world.hours
    )
    session.add_all(
        RecurringBlockedTimeSlot(
            id=new_id(),
            practitioner_id=practitioner.id,
            rrule=one.rrule,
            anchor_date=one.anchor,
            start_time=one.start,
            duration_minutes=one.minutes,
            valid_until=one.until,
        )
        for one in world.coming_blocks
    )
    for period in world.openings:
        await add_opening(session, practitioner.id, *period)
    for period in world.blocks:
        await add_block(session, practitioner.id, *period)
    await _add_external(session, practitioner.id, world.external)
    minutes = timedelta(minutes=1)
    service = await make_service(
        session,
        practitioner.id,
        duration_minutes=world.duration // minutes,
        buffer_before_minutes=world.before // minutes,
        buffer_after_minutes=world.after // minutes,
        minimum_notice_minutes=world.notice // minutes,
        horizon_days=world.horizon_days,
        grid_minutes=world.grid,
        location_kinds=list(world.kinds),
        max_per_day=world.per_day,
        max_per_week=world.per_week,
    )
    client = await _add_client(session, world.now)
    built = Built(practitioner.id, service.id, client.id)
    await _add_bookings(session, world, built)
    return built


async def _add_external(session: TenantSession, practitioner_id: UUID, periods: list[Period]) -> None:
    calendar = ExternalCalendar(
        id=new_id(),
        practitioner_id=practitioner_id,
        name="Elsewhere",
        address="",
        host="example.com",
        due_at=clock.now(),
    )
    session.add(calendar)
    await session.flush()  # its times refer to it
    session.add_all(
        ExternalBusyTime(
            id=new_id(), calendar_id=calendar.id, practitioner_id=practitioner_id, starts_at=begin, ends_at=end
        )
        for begin, end in periods
    )


async def _add_client(session: TenantSession, now: datetime) -> Client:
    client = Client(
        id=new_id(),
        email=f"{new_id()}@example.com",
        hashed_password=await hashed_password(),
        first_name="Carla",
        last_name="Cliente",
        locale="es",
        timezone="Europe/Madrid",
        privacy_accepted_at=now,
    )
    session.add(client)
    await session.flush()  # appointments refer to it
    return client


async def _add_bookings(session: TenantSession, world: World, built: Built) -> None:
    other = await make_service(session, built.practitioner_id)
    for one in world.bookings:
        begin, end = one.period
        clash = any(begin < kept.period[1] and kept.period[0] < end for kept in _constrained(world.kept))
        if clash and one.status not in ("cancelled", "expired") and not (one.overlapping and one.status != "session"):
            continue
        world.kept.append(one)
        service_id = built.service_id if one.of_this_service else other.id
        session.add(_row(world, built, one, service_id))
    await session.flush()  # so that the statement sees them


def _constrained(kept: list[Booking]) -> list[Booking]:
    return [
        one
        for one in kept
        if one.status not in ("cancelled", "expired") and not (one.overlapping and one.status != "session")
    ]


def _row(world: World, built: Built, one: Booking, service_id: UUID) -> Appointment | GroupSession:
    begin, end = one.period
    occupied = Range(begin, end, bounds="[)")
    if one.status == "session":
        return GroupSession(
            id=new_id(),
            service_id=service_id,
            practitioner_id=built.practitioner_id,
            starts_at=begin,
            ends_at=end,
            occupied=occupied,
            capacity=5,
            location_kind="practice",
        )
    return Appointment(
        id=new_id(),
        service_id=service_id,
        practitioner_id=built.practitioner_id,
        client_id=built.client_id,
        status=one.status,
        starts_at=begin,
        ends_at=end,
        occupied=occupied,
        currency="EUR",
        price_minor=0,
        amount_due_minor=0,
        hold_expires_at=world.now + one.hold if one.status == "held" else None,
        location_kind="practice",
        cancellation_notice_hours=24,
        overlapping=one.overlapping,
    )
