"""The demo data of `todoenbalance up`: two practices with people, services, hours and appointments.

Made once, through the same services as everything else, so that it is as real as what a user makes. Safe
to repeat: what is there is left alone, and a practice is filled in one transaction or not at all.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import todoenbalance.registry  # noqa: F401 - the mappers must know every table before the first query
from scheduling.appointments.history import SYSTEM, Actor
from scheduling.appointments.models import AppointmentStatus
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.confirming import confirm_offline
from scheduling.appointments.services.outcomes import record_outcome
from scheduling.availability.rules import load_rules
from scheduling.availability.service import list_slots
from scheduling.catalogue import service as catalogue
from scheduling.catalogue.hours_schemas import BlockedTimeSlotCreate, RecurringTimeSlotCreate, TimeSlotCreate
from scheduling.catalogue.schemas import (
    PractitionerCreate,
    ServiceCreate,
)
from scheduling.catalogue.services import hours, offers, practitioners
from tenants.accounts.models import Client
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services.links import INVITATION
from tenants.privacy.service import record_consent
from tenants.provisioning.service import NewOwner, NewTenant
from tenants.registry.errors import PracticeNotFoundError
from tenants.registry.service import find_tenant_by_name, to_context
from todoenbalance.kit import clock
from todoenbalance.kit.database import Database, PlatformSession, TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.passwords import hash_password
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.service import create_operator, find_operator_by_email, onboard_tenant

OPERATOR = ("operator@example.com", "operator-demo-1")
OWNER_PASSWORD = "owner-demo-1"  # noqa: S105 - published in the README; development only
CLIENT_PASSWORD = "client-demo-1"  # noqa: S105 - published in the README; development only


@dataclass(frozen=True, slots=True)
class DemoPractice:
    """One of the two: what tells it apart, and who works there."""

    slug: str
    name: str
    timezone: str
    owner: tuple[str, str]
    practitioners: tuple[tuple[str, str], ...]
    client: tuple[str, str]


DEMO = DemoPractice(
    slug="demo",
    name="Nutrición En Balance",
    timezone="Europe/Madrid",
    owner=("Elena", "Balance"),
    practitioners=(
        ("Elena Balance", "Dietista-nutricionista. Nutrición clínica y digestiva."),
        ("Marcos Rivas", "Dietista-nutricionista. Nutrición deportiva y hábitos."),
    ),
    client=("Clara", "Cliente"),
)
VITAL = DemoPractice(
    slug="vital",
    name="Vital Canarias",
    timezone="Atlantic/Canary",
    owner=("Yaiza", "Vital"),
    practitioners=(("Yaiza Vital", "Nutrición familiar y embarazo."),),
    client=("Airam", "Cliente"),
)


async def seed_demo(settings: Settings) -> None:
    """Make the operator and both practices where they are missing. Refused in production."""
    if settings.is_production:
        raise PermissionError("demo data is refused in production")
    runtime = Runtime.from_settings(settings)
    try:
        async with runtime.database.platform() as session:
            if await find_operator_by_email(session, OPERATOR[0]) is None:
                await create_operator(
                    session, email=OPERATOR[0], password=OPERATOR[1], first_name="Olivia", last_name="Operadora"
                )
        for practice in (DEMO, VITAL):
            await _seed(runtime.database, settings, practice)
    finally:
        await runtime.close()


async def _seed(database: Database, settings: Settings, practice: DemoPractice) -> None:
    async with database.platform() as session:
        tenant = await _find_or_make(session, settings, practice)
    async with database.tenant(tenant) as practice_session:
        people, _ = await catalogue.list_all_practitioners(practice_session, limit=1)
        if not people:
            await _fill(practice_session, practice)


async def _find_or_make(session: PlatformSession, settings: Settings, practice: DemoPractice) -> TenantContext:
    try:
        return to_context(await find_tenant_by_name(session, practice.slug))
    except PracticeNotFoundError:
        new = NewTenant(
            slug=practice.slug,
            name=practice.name,
            country="ES",
            timezone=practice.timezone,
            locale="es",
            currency="EUR",
            owner=NewOwner(f"owner@{practice.slug}.example.com", *practice.owner),
        )
        tenant, _ = await onboard_tenant(session, settings, None, new)
        return to_context(tenant)


async def _fill(session: TenantSession, practice: DemoPractice) -> None:
    accounts = AccountRepository(session)
    owner = await accounts.find_staff_by_email(f"owner@{practice.slug}.example.com")
    if owner is None:
        raise LookupError(f"{practice.slug} has no owner")
    owner.hashed_password = await hash_password(OWNER_PASSWORD)
    owner.accepted_at = clock.now()
    await accounts.void_one_time_tokens(owner.id, INVITATION)

    people: list[UUID] = []
    for number, (name, bio) in enumerate(practice.practitioners):
        staff_id = owner.id if number == 0 else None
        made = await practitioners.create_practitioner(
            session, PractitionerCreate(name=name, bio=bio, staff_id=staff_id)
        )
        people.append(made.id)
        await _weekly_hours(session, made.id, afternoons=number == 0)
    services = await _services(session, people)

    zone = ZoneInfo(practice.timezone)
    today = clock.now().astimezone(zone).date()
    holiday = _next_weekday(today + timedelta(days=14), 5)
    await hours.create_block(
        session,
        BlockedTimeSlotCreate(
            practitioner_id=people[0],
            starts_at=_at(holiday, time(0), zone),
            ends_at=_at(holiday + timedelta(days=1), time(0), zone),
            reason="Congreso de nutrición",
        ),
    )
    saturday = _next_weekday(today + timedelta(days=3), 6)
    await hours.create_opening(
        session,
        TimeSlotCreate(
            practitioner_id=people[0],
            starts_at=_at(saturday, time(10), zone),
            ends_at=_at(saturday, time(13), zone),
        ),
    )
    client = await _client(session, practice)
    await _appointments(session, client.id, services, today)


async def _weekly_hours(session: TenantSession, practitioner_id: UUID, *, afternoons: bool) -> None:
    for weekday in range(1, 6):
        spans = [(time(9), time(13))] + ([(time(16), time(19))] if afternoons and weekday != 5 else [])
        for start, end in spans:
            await hours.create_weekly_hours(
                session,
                RecurringTimeSlotCreate(
                    practitioner_id=practitioner_id, weekday=weekday, start_time=start, end_time=end
                ),
            )


async def _services(session: TenantSession, people: list[UUID]) -> dict[str, UUID]:
    def euros(cents: int) -> MoneySchema:
        return MoneySchema(amount=cents, currency="EUR")

    wanted = {
        "free": ServiceCreate(
            name="Primera llamada informativa",
            description="Quince minutos para conocernos y ver cómo podemos ayudarte.",
            duration_minutes=15,
            price=euros(0),
            location_kinds=["phone", "online"],
            practitioner_ids=people,
        ),
        "paid": ServiceCreate(
            name="Consulta de nutrición",
            description="Valoración completa y plan personalizado.",
            duration_minutes=45,
            price=euros(4500),
            buffer_after_minutes=15,
            location_kinds=["practice", "online"],
            practitioner_ids=people,
        ),
        "deposit": ServiceCreate(
            name="Programa de tres meses: primera sesión",
            description="Hora y media con antropometría. Se reserva con una señal.",
            duration_minutes=90,
            price=euros(12000),
            deposit=euros(3000),
            grid_minutes=30,
            practitioner_ids=people[:1],
        ),
    }
    return {name: (await offers.create_service(session, service)).id for name, service in wanted.items()}


async def _client(session: TenantSession, practice: DemoPractice) -> Client:
    now = clock.now()
    client = Client(
        id=new_id(),
        email=f"client@{practice.slug}.example.com",
        hashed_password=await hash_password(CLIENT_PASSWORD),
        is_active=True,
        is_verified=True,
        first_name=practice.client[0],
        last_name=practice.client[1],
        locale="es",
        timezone=practice.timezone,
        privacy_accepted_at=now,
        created_at=now,
    )
    AccountRepository(session).add(client)
    await session.flush()  # appointments refer to it
    await record_consent(session, client.id, locale=client.locale)
    return client


async def _appointments(session: TenantSession, client_id: UUID, services: dict[str, UUID], today: date) -> None:
    """Three past ones (two completed, one no-show) and two future ones, booked as a client books."""
    now = clock.now()
    past = (
        (21, AppointmentStatus.COMPLETED),
        (14, AppointmentStatus.COMPLETED),
        (7, AppointmentStatus.NO_SHOW),
    )
    for days_ago, outcome in past:
        with clock.at(now - timedelta(days=days_ago + 3)):
            appointment_id = await _book_first(session, client_id, services["paid"], today - timedelta(days=days_ago))
            await confirm_offline(session, appointment_id, actor=Actor.client(client_id))
        await record_outcome(session, appointment_id, outcome, actor=SYSTEM)
    await _book_first(session, client_id, services["free"], today + timedelta(days=2))
    later = await _book_first(session, client_id, services["paid"], today + timedelta(days=9))
    await confirm_offline(session, later, actor=Actor.client(client_id))


async def _book_first(session: TenantSession, client_id: UUID, service_id: UUID, day: date) -> UUID:
    """Book the first free time of the week that begins on ``day``."""
    rules = await load_rules(session, service_id)
    free = await list_slots(session, rules, day, day + timedelta(days=7), ZoneInfo(session.tenant.timezone))
    starts_at, practitioner_id = min((starts[0], key) for key, starts in free.items() if starts)
    appointment = await book_appointment(
        session,
        client_id=client_id,
        service_id=service_id,
        starts_at=datetime.fromtimestamp(starts_at, UTC),
        practitioner_id=practitioner_id,
    )
    return appointment.id


def _next_weekday(day: date, weekday: int) -> date:
    return day + timedelta(days=(weekday - day.isoweekday()) % 7)


def _at(day: date, wall: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, wall, zone)
