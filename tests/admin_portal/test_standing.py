"""How many appointments a block leaves standing."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.practices import make_client, make_staff_member
from tests.support.scheduling import Offer, make_offer, stored
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NOW = datetime.fromisoformat("2026-03-02T08:00:00+01:00")
BLOCKS = "/api/v1/admin/blocked-time-slots"
RECURRING = "/api/v1/admin/recurring-blocked-time-slots"


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    """Somebody who works from 9 to 13 every day in Madrid."""
    return await make_offer(runtime, practice, buffer_after_minutes=30)


@pytest.fixture
async def reception(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """The front desk, signed in."""
    with clock.at(NOW):
        return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)


async def book(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer, *starts: str
) -> list[dict[str, Any]]:
    """Appointments at these times."""
    client = http(practice, headers=(await make_client(runtime, practice)).headers)
    made = []
    for one in starts:
        answer = await client.post("/api/v1/appointments", json={"service_id": str(offer.service_id), "starts_at": one})
        assert answer.status_code == 201, answer.text
        made.append(answer.json())
    return made


async def inside(client: httpx.AsyncClient, path: str, **body: Any) -> int:
    """What making the block answers."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    count: int = answer.json()["appointments_inside"]
    return count


async def test_a_block_says_how_many_appointments_lie_in_it_and_cancels_none(
    runtime: Runtime, practice: TenantContext, http: HttpFactory, offer: Offer, reception: httpx.AsyncClient
) -> None:
    with clock.at(NOW):
        starts = [f"2026-03-0{day}T{hour}:00:00+01:00" for day in (3, 4) for hour in ("09", "11")]
        made = await book(http, runtime, practice, offer, *starts)
        who = {"practitioner_id": str(offer.practitioner_id)}

        async def until(begins: str, ends: str) -> int:
            period = {"starts_at": f"2026-03-0{begins}:00+01:00", "ends_at": f"2026-03-0{ends}:00+01:00"}
            return await inside(reception, BLOCKS, **who, **period)

        assert await until("3T00:00", "5T00:00") == 4
        assert await until("3T09:59", "3T11:00") == 1  # the first hour ends at 10
        assert await until("3T10:00", "3T11:00") == 0  # its buffer is no appointment
        assert await until("3T13:00", "3T14:00") == 0
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Appointment, made[0]["id"])).status = AppointmentStatus.CANCELLED
            held = await session.get_one(Appointment, made[1]["id"])
            held.status, held.hold_expires_at = AppointmentStatus.HELD, NOW + timedelta(minutes=5)
        assert await until("3T00:00", "4T00:00") == 1
        for one in made[1:]:
            assert (await stored(runtime, practice, one["id"])).status in ("held", "confirmed")
    with clock.at(NOW + timedelta(minutes=6)):
        assert await until("3T00:00", "4T00:00") == 0  # nobody paid
    with clock.at(NOW + timedelta(days=2, hours=2)):  # the first of the 4th is over
        reception.headers.update((await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)
        assert await until("3T00:00", "5T00:00") == 1


async def test_a_block_that_comes_back_counts_them_on_all_its_days(
    runtime: Runtime, practice: TenantContext, http: HttpFactory, offer: Offer, reception: httpx.AsyncClient
) -> None:
    with clock.at(NOW):
        starts = [f"2026-{day}T09:00:00{offset}" for day, offset in
                  (("03-03", "+01:00"), ("03-10", "+01:00"), ("03-17", "+01:00"), ("03-31", "+02:00"))]  # fmt: skip
        await book(http, runtime, practice, offer, *starts)
        rule = {
            "practitioner_id": str(offer.practitioner_id),
            "rrule": "FREQ=WEEKLY;INTERVAL=2",
            "anchor_date": "2026-03-03",
            "start_time": "09:30",
            "duration_minutes": 60,
        }
        assert await inside(reception, RECURRING, **rule) == 3  # on the 31st at 9:30 of the summer's clock
        assert await inside(reception, RECURRING, **rule, valid_until="2026-03-17") == 2
        assert await inside(reception, RECURRING, **rule | {"start_time": "10:00"}) == 0
        assert await inside(reception, RECURRING, **rule | {"rrule": "FREQ=DAILY"}) == 4
        night = {"anchor_date": "2026-03-02", "start_time": "23:00", "duration_minutes": 660, "rrule": "FREQ=WEEKLY"}
        assert await inside(reception, RECURRING, **rule | night) == 4
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, offer.practitioner_id)).timezone = "Atlantic/Canary"
        assert await inside(reception, RECURRING, **rule | {"start_time": "08:00", "rrule": "FREQ=DAILY"}) == 4
    with clock.at(NOW - timedelta(days=401)):
        assert await inside(reception, RECURRING, **rule | {"rrule": "FREQ=DAILY", "start_time": "08:00"}) == 0
