"""Practices to measure on, made as operators and staff make them."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import todoenbalance.registry  # noqa: F401 - the mappers must know every table before the first query
from benchmarks.load import render_request
from benchmarks.stack import Say
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.placement import occupied_range
from scheduling.availability.rules import Rules, load_rules
from scheduling.catalogue import service as catalogue
from scheduling.catalogue.hours_schemas import RecurringTimeSlotCreate
from scheduling.catalogue.models import Practitioner, RecurringTimeSlot, Service, ServicePractitioner
from scheduling.catalogue.schemas import PractitionerCreate, ServiceCreate
from scheduling.catalogue.services import hours, offers, practitioners
from tenants.accounts.models import Client
from tenants.provisioning.service import NewOwner, NewTenant, provision_tenant
from tenants.registry.service import to_context
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

ZONE = ZoneInfo("Europe/Madrid")
DAYS = 14

_AT_ONCE = 3
_HOURS = ((time(9), time(13)), (time(15), time(19)))
_TAKEN = (time(10), time(16, 30))


@dataclass(frozen=True, slots=True)
class Practice:
    """A practice with one practitioner who works 40 hours a week and two appointments on each working day."""

    context: TenantContext
    practitioner_id: UUID
    rules: Rules

    def availability_request(self) -> bytes:
        """The question for the next fourteen days."""
        first, end = days_asked()
        path = (
            f"/api/v1/time-slots?service_id={self.rules.service_id}&practitioner_id={self.practitioner_id}"
            f"&from={first}&to={end}"
        )
        return render_request("GET", path, self.context.hostname)


def days_asked() -> tuple[date, date]:
    """From tomorrow on, so that the notice cuts nothing off."""
    first = clock.now().astimezone(ZONE).date() + timedelta(days=1)
    return first, first + timedelta(days=DAYS)


def new_tenant(slug: str) -> NewTenant:
    """What an operator says of a practice."""
    owner = NewOwner(f"owner@{slug}.example.com", "Olga", "Dueña")
    return NewTenant(
        slug=slug, name=f"Consulta {slug}", country="ES", timezone=ZONE.key, locale="es", currency="EUR", owner=owner
    )


async def provision(runtime: Runtime, slug: str) -> TenantContext:
    """A practice without anything in it, committed."""
    async with runtime.database.platform() as session:
        tenant, _ = await provision_tenant(session, runtime.settings, new_tenant(slug))
    return to_context(tenant, f"{slug}.{runtime.settings.base_domain}")


async def make_practices(runtime: Runtime, first: int, count: int, say: Say) -> list[Practice]:
    """Practices number ``first`` and following, told of at each tenth of the way."""
    made: dict[int, Practice] = {}
    numbers = iter(range(first, first + count))

    async def work() -> None:
        for number in numbers:
            context = await provision(runtime, f"practice-{number:05d}")
            async with runtime.database.tenant(context) as session:
                made[number] = await _fill(session, context)
            if count >= 50 and len(made) % (count // 10) == 0:
                say(f"{len(made)} of {count} practices made")

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    return [made[number] for number in sorted(made)]


async def _fill(session: TenantSession, context: TenantContext) -> Practice:
    person = await practitioners.create_practitioner(session, PractitionerCreate(name="Nuria"))
    for weekday in range(1, 6):
        for start, end in _HOURS:
            slot = RecurringTimeSlotCreate(practitioner_id=person.id, weekday=weekday, start_time=start, end_time=end)
            await hours.create_weekly_hours(session, slot)
    new = ServiceCreate(
        name="Consulta de nutrición",
        duration_minutes=45,
        buffer_after_minutes=15,
        price=MoneySchema(amount=4500, currency="EUR"),
        practitioner_ids=[person.id],
    )
    made = await offers.create_service(session, new)
    service = await catalogue.get_service(session, made.id)
    client = _client(new_id(), 0)
    session.add(client)
    await session.flush()  # appointments refer to the client
    rules = await load_rules(session, service.id)
    session.add_all(_appointment(service, rules, person.id, client.id, starts_at) for starts_at in _taken())
    return Practice(context, person.id, rules)


def _taken() -> Iterator[datetime]:
    first, end = days_asked()
    for number in range((end - first).days):
        day = first + timedelta(days=number)
        if day.isoweekday() <= 5:
            yield from (datetime.combine(day, start, ZONE) for start in _TAKEN)


def _client(client_id: UUID, number: int) -> Client:
    now = clock.now()
    return Client(
        id=client_id,
        email=f"client-{number}@example.com",
        hashed_password="!",  # noqa: S106 - no hash: nobody signs in with a password here
        is_active=True,
        is_verified=True,
        first_name="Carla",
        last_name="Cliente",
        locale="es",
        timezone=ZONE.key,
        privacy_accepted_at=now,
        created_at=now,
    )


def _appointment(service: Service, rules: Rules, person_id: UUID, client_id: UUID, starts_at: datetime) -> Appointment:
    return Appointment(
        id=new_id(),
        service_id=service.id,
        practitioner_id=person_id,
        client_id=client_id,
        status=AppointmentStatus.CONFIRMED,
        starts_at=starts_at,
        ends_at=starts_at + rules.longest,
        occupied=occupied_range(starts_at, rules.longest, rules.buffer_before, rules.buffer_after),
        currency=service.currency,
        price_minor=service.price_minor,
        amount_due_minor=0,
        location_kind="practice",
        cancellation_notice_hours=24,
        version=0,
        created_at=clock.now(),
    )


# ---- practices to book in

ROUND_THE_CLOCK = "UTC"
SLOT = timedelta(minutes=15)
SLOTS_A_DAY = 95


def known_id(number: int) -> UUID:
    """An id that a script can reckon: twelve decimal digits at the end."""
    return UUID(f"00000000-0000-7000-8000-{number:012d}")


async def make_bookable_practice(runtime: Runtime, slug: str, size: int) -> TenantContext:
    """A practice with ``size`` practitioners and clients, whose ids are known, and a free service of 15 minutes.

    They work from 00:00 to 23:45 UTC every day, so that there are enough free times to book for minutes.
    """
    context = await provision(runtime, slug)
    async with runtime.database.tenant(context) as session:
        service = Service(
            id=known_id(0),
            name="Primera llamada",
            duration_minutes=15,
            currency="EUR",
            price_minor=0,
            minimum_notice_minutes=0,
            horizon_days=730,
            location_kinds=["phone"],
        )
        numbers = range(size)
        session.add(service)
        session.add_all(Practitioner(id=known_id(n), name=f"Nuria {n}", timezone=ROUND_THE_CLOCK) for n in numbers)
        session.add_all(_client(known_id(n), n) for n in numbers)
        await session.flush()  # what follows refers to them
        session.add_all(ServicePractitioner(service_id=service.id, practitioner_id=known_id(n)) for n in numbers)
        session.add_all(
            RecurringTimeSlot(
                id=new_id(), practitioner_id=known_id(n), weekday=weekday, start_time=time(0), end_time=time(23, 45)
            )
            for n in numbers
            for weekday in range(1, 8)
        )
    return context
