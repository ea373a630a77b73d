"""Moving an appointment does not buy back the right to cancel for free."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling.appointments.history import Actor
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.appointments.terms import percent_back, whole_until
from tests.support.practices import make_client
from tests.support.scheduling import make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

MADRID = ZoneInfo("Europe/Madrid")
MONDAY, NEXT_MONDAY = datetime(2027, 3, 1, 10, tzinfo=MADRID), datetime(2027, 3, 8, 10, tzinfo=MADRID)
NOTICE = timedelta(hours=24)


async def booked(
    session: TenantSession, runtime: Runtime, practice: TenantContext, **service: Any
) -> tuple[UUID, UUID]:
    client = await make_client(runtime, practice)
    offer = await make_offer(runtime, practice, **service)
    client_id = client.id
    with clock.at(MONDAY - timedelta(days=7)):
        made = await book_appointment(session, client_id=client_id, service_id=offer.service_id, starts_at=MONDAY)
    return made.id, client_id


async def test_moved_in_time_the_deadline_moves_along(
    session: TenantSession, runtime: Runtime, practice: TenantContext
) -> None:
    appointment_id, client_id = await booked(session, runtime, practice)
    with clock.at(MONDAY - timedelta(days=2)):
        moved = await reschedule_appointment(session, appointment_id, NEXT_MONDAY, client_id=client_id)
    assert whole_until(moved) == NEXT_MONDAY - NOTICE


async def test_moved_too_late_the_deadline_stays_lost(
    session: TenantSession, runtime: Runtime, practice: TenantContext
) -> None:
    appointment_id, client_id = await booked(session, runtime, practice)
    for day in (NEXT_MONDAY, NEXT_MONDAY + timedelta(days=1)):  # also when moved again
        with clock.at(MONDAY - timedelta(hours=3)):
            moved = await reschedule_appointment(session, appointment_id, day, client_id=client_id)
        assert whole_until(moved) is None
        assert percent_back(moved, MONDAY) == 0


async def test_who_could_not_cancel_any_more_does_not_get_there_by_moving(
    session: TenantSession, runtime: Runtime, practice: TenantContext
) -> None:
    appointment_id, client_id = await booked(session, runtime, practice, cancel_notice_hours=48)
    with clock.at(MONDAY - timedelta(hours=30)):  # money would come back until 24 hours before, to nobody
        moved = await reschedule_appointment(session, appointment_id, NEXT_MONDAY, client_id=client_id)
    assert percent_back(moved, MONDAY) == 0


async def test_moved_by_staff_the_client_may_cancel_anew(
    session: TenantSession, runtime: Runtime, practice: TenantContext
) -> None:
    appointment_id, client_id = await booked(session, runtime, practice)
    with clock.at(MONDAY - timedelta(hours=3)):
        moved = await reschedule_appointment(session, appointment_id, NEXT_MONDAY, actor=Actor.staff(client_id))
    assert whole_until(moved) == NEXT_MONDAY - NOTICE
