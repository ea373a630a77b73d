"""Full calendars: five practitioners over sixty days, with years of appointments behind them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from benchmarks.availability import ask_both_sides, compare_question
from benchmarks.load import connect, render_request
from benchmarks.options import Options
from benchmarks.practices import ZONE, known_id, provision
from benchmarks.report import Comparison
from benchmarks.stack import Say, Server, Stack
from scheduling.availability.repository import Window
from scheduling.availability.rules import Rules, load_rules
from scheduling.catalogue.models import Practitioner, RecurringTimeSlot, Service, ServicePractitioner
from scheduling.fields import midnight
from tenants.accounts.models import Client
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

PEOPLE = 5
DAYS = 60
PAST_EACH, FUTURE_EACH = 3_000, 300
FEW_PAST, MANY_PAST = 100, 100_000

_HOURS = ((9, 13), (15, 19))
# Eight a day at nine to thirteen and fifteen to nineteen, backwards from yesterday or onwards from tomorrow.
_APPOINTMENTS = text("""
INSERT INTO appointments (id, service_id, practitioner_id, client_id, status, starts_at, ends_at, occupied, currency,
                          price_minor, amount_due_minor, location_kind, cancellation_notice_hours)
SELECT gen_random_uuid(), CAST(:service_id AS uuid), CAST(:practitioner_id AS uuid), CAST(:client_id AS uuid),
       CAST(:status AS text), starts_at, starts_at + interval '45 minutes',
       tstzrange(starts_at, starts_at + interval '60 minutes'), 'EUR', 0, 0, 'practice', 24
FROM generate_series(0, CAST(:count AS integer) - 1) AS n
CROSS JOIN LATERAL (
    SELECT (
        CAST(:day AS date) + CAST(:step AS integer) * (n / :each_day)
        + make_interval(hours => CASE WHEN n % :each_day < 4 THEN 9 + n % :each_day ELSE 11 + n % :each_day END)
    ) AT TIME ZONE 'Europe/Madrid' AS starts_at
) AS moments
""")


@dataclass(frozen=True, slots=True)
class Calendar:
    """A practice with full calendars, and the question for sixty days of all of them."""

    context: TenantContext
    rules: Rules

    def request(self) -> bytes:
        """Over HTTP."""
        first = clock.now().astimezone(ZONE).date() + timedelta(days=1)
        path = f"/api/v1/time-slots?service_id={self.rules.service_id}&from={first}&to={first + timedelta(days=DAYS)}"
        return render_request("GET", path, self.context.hostname)

    def window(self) -> Window:
        """The same for the database."""
        first = clock.now().astimezone(ZONE).date() + timedelta(days=1)
        last = midnight(first + timedelta(days=DAYS), ZONE) - timedelta(microseconds=1)
        return self.rules.window(midnight(first, ZONE), last + self.rules.longest, clock.now())


async def make_calendar(runtime: Runtime, slug: str, past_each: int, future_each: int) -> Calendar:
    """Five practitioners who work forty hours a week and offer one service, with so many appointments each."""
    context = await provision(runtime, slug)
    async with runtime.database.tenant(context) as session:
        service_id = known_id(0)
        session.add(
            Service(
                id=service_id,
                name="Consulta de nutrición",
                duration_minutes=45,
                buffer_after_minutes=15,
                currency="EUR",
                price_minor=4500,
                location_kinds=["practice"],
            )
        )
        session.add(_client(known_id(0)))
        session.add_all(Practitioner(id=known_id(n), name=f"Nuria {n}", timezone=ZONE.key) for n in range(PEOPLE))
        await session.flush()  # what follows refers to them
        for number in range(PEOPLE):
            _add_hours(session, service_id, known_id(number))
            await session.flush()
            await _add_appointments(session, service_id, known_id(number), past_each, future_each)
        rules = await load_rules(session, service_id)
    return Calendar(context, rules)


def _add_hours(session: TenantSession, service_id: UUID, practitioner_id: UUID) -> None:
    session.add(ServicePractitioner(service_id=service_id, practitioner_id=practitioner_id))
    session.add_all(
        RecurringTimeSlot(
            id=new_id(),
            practitioner_id=practitioner_id,
            weekday=weekday,
            start_time=datetime(2000, 1, 1, start).time(),  # noqa: DTZ001 - a time of day
            end_time=datetime(2000, 1, 1, end).time(),  # noqa: DTZ001 - a time of day
        )
        for weekday in range(1, 6)
        for start, end in _HOURS
    )


async def _add_appointments(
    session: TenantSession, service_id: UUID, practitioner_id: UUID, past_each: int, future_each: int
) -> None:
    today = clock.now().astimezone(ZONE).date()
    day = timedelta(days=1)
    ids = {"service_id": service_id, "practitioner_id": practitioner_id, "client_id": known_id(0)}
    past = {"status": "completed", "count": past_each, "day": today - day, "step": -1, "each_day": 8}
    # Five a day, so that sixty days hold three hundred.
    future = {"status": "confirmed", "count": future_each, "day": today + day, "step": 1, "each_day": 5}
    for some in (past, future):
        await session.execute(_APPOINTMENTS, ids | some)


def _client(client_id: UUID) -> Client:
    return Client(
        id=client_id,
        email="client@example.com",
        hashed_password="!",  # noqa: S106 - no hash: nobody signs in with a password here
        first_name="Carla",
        last_name="Cliente",
        locale="es",
        timezone=ZONE.key,
        privacy_accepted_at=clock.now(),
    )


async def compare_calendars(
    stack: Stack, api: Server, runtime: Runtime, options: Options, say: Say
) -> list[Comparison]:
    """Sixty days of five people against the bare endpoint; many past appointments against few."""
    say(f"{PEOPLE} practitioners with {PAST_EACH} past and {FUTURE_EACH} future appointments each")
    full = await make_calendar(runtime, "full", PAST_EACH, FUTURE_EACH)
    few = await make_calendar(runtime, "few", FEW_PAST // PEOPLE, FUTURE_EACH)
    say(f"{MANY_PAST} past appointments")
    many = await make_calendar(runtime, "many", MANY_PAST // PEOPLE, FUTURE_EACH)
    stack.analyze()
    name = f"availability, {DAYS} days of {PEOPLE}"
    found = await compare_question(stack, api, full.context.key, full.window(), full.request(), options, say, name=name)
    say(f"availability with {MANY_PAST} and with {FEW_PAST} past appointments")
    async with connect(api.port, 1) as load:
        samples = await ask_both_sides(load, [many.request()], load, [few.request()], options)
    against = f"{FEW_PAST} past"
    return [*found, Comparison(f"availability, {MANY_PAST} past appointments", samples[0], against, samples[1])]
