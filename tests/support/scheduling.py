"""Services, practitioners and hours for tests, as rows."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from scheduling.appointments.models import Appointment
from scheduling.catalogue.models import (
    BlockedTimeSlot,
    Practitioner,
    RecurringTimeSlot,
    Service,
    ServicePractitioner,
    TimeSlot,
)
from tenants.settings.service import update_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NINE, ONE_PM = time(9), time(13)


async def make_practitioner(session: TenantSession, **fields: Any) -> Practitioner:
    """A practitioner in the practice's zone, without hours."""
    values: dict[str, Any] = {
        "id": new_id(),
        "staff_id": None,
        "name": "Pilar Practicante",
        "bio": "",
        "photo_url": None,
        "timezone": session.tenant.timezone,
        "archived": False,
        "created_at": clock.now(),
    }
    practitioner = Practitioner(**(values | fields))
    session.add(practitioner)
    await session.flush()  # links and hours refer to it
    return practitioner


async def make_service(session: TenantSession, *practitioners: UUID, **fields: Any) -> Service:
    """A free service of an hour on a grid of half hours, without notice, offered by these practitioners."""
    values: dict[str, Any] = {
        "id": new_id(),
        "name": "Primera visita",
        "description": "",
        "duration_minutes": 60,
        "currency": session.tenant.currency,
        "price_minor": 0,
        "deposit_minor": None,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "minimum_notice_minutes": 0,
        "horizon_days": 365,
        "grid_minutes": 30,
        "location_kinds": ["practice", "online"],
        "archived": False,
        "created_at": clock.now(),
    }
    service = Service(**(values | fields))
    session.add(service)
    await session.flush()  # links refer to it
    session.add_all(ServicePractitioner(service_id=service.id, practitioner_id=one) for one in practitioners)
    await session.flush()  # so that statements of any kind see them
    return service


async def add_hours(
    session: TenantSession,
    practitioner_id: UUID,
    *weekdays: int,
    start: time = NINE,
    end: time = ONE_PM,
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> None:
    """The same hours on each of these ISO weekdays, by default on all seven."""
    for weekday in weekdays or range(1, 8):
        session.add(
            RecurringTimeSlot(
                id=new_id(),
                practitioner_id=practitioner_id,
                weekday=weekday,
                start_time=start,
                end_time=end,
                valid_from=valid_from,
                valid_until=valid_until,
                created_at=clock.now(),
            )
        )
    await session.flush()  # so that statements of any kind see them


async def add_opening(session: TenantSession, practitioner_id: UUID, starts_at: datetime, ends_at: datetime) -> None:
    """A one-off opening."""
    values = {"id": new_id(), "practitioner_id": practitioner_id, "created_at": clock.now()}
    session.add(TimeSlot(**values, starts_at=starts_at, ends_at=ends_at))
    await session.flush()  # so that statements of any kind see it


async def add_block(session: TenantSession, practitioner_id: UUID, starts_at: datetime, ends_at: datetime) -> None:
    """A blocked period."""
    values = {"id": new_id(), "practitioner_id": practitioner_id, "created_at": clock.now()}
    session.add(BlockedTimeSlot(**values, starts_at=starts_at, ends_at=ends_at, reason=None))
    await session.flush()  # so that statements of any kind see it


@dataclass(frozen=True, slots=True)
class Offer:
    """A practitioner with hours, and a service of theirs."""

    practitioner_id: UUID
    service_id: UUID


async def make_offer(runtime: Runtime, tenant: TenantContext, **service: Any) -> Offer:
    """Someone who works from 9 to 13 every day and offers one service, committed."""
    async with runtime.database.tenant(tenant) as session:
        practitioner = await make_practitioner(session)
        await add_hours(session, practitioner.id)
        made = await make_service(session, practitioner.id, **service)
    return Offer(practitioner.id, made.id)


async def stored(runtime: Runtime, tenant: TenantContext, appointment_id: UUID | str) -> Appointment:
    """An appointment as the database has it."""
    async with runtime.database.tenant(tenant) as session:
        return await session.get_one(Appointment, UUID(str(appointment_id)))


async def set_practice(runtime: Runtime, tenant: TenantContext, **values: Any) -> None:
    """Change the practice's settings."""
    async with runtime.database.tenant(tenant) as session:
        await update_practice_settings(session, values)


def minutes(count: int) -> timedelta:
    """So many of them."""
    return timedelta(minutes=count)
