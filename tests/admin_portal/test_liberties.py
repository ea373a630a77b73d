"""Booking outside the hours and on top of another: by an explicit flag, by who may, and audited."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.conftest import HttpFactory
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import Offer, make_offer, minutes, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
NINE, EVENING = NOW + minutes(60), NOW + minutes(12 * 60)
PATH = "/api/v1/admin/appointments"


@pytest.fixture(autouse=True)
def monday_morning() -> Iterator[None]:
    """It is eight on a Monday."""
    with clock.at(NOW):
        yield


@pytest.fixture
async def account(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client."""
    return await make_client(runtime, practice)


@pytest.fixture
async def manager(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """Someone who may."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.MANAGER)).headers)


def wish(account: SignedIn, offer: Offer, at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "client_id": str(account.id),
        "service_id": str(offer.service_id),
        "practitioner_id": str(offer.practitioner_id),
        "starts_at": at.isoformat(),
        **more,
    }


async def audited(runtime: Runtime, practice: TenantContext) -> list[tuple[str, str]]:
    async with runtime.database.tenant(practice) as session:
        rows = await session.scalars(select(StaffAuditEntry).order_by(StaffAuditEntry.created_at, StaffAuditEntry.id))
        return [(row.action, str(row.subject_id)) for row in rows]


async def test_outside_the_hours_by_the_flag_alone_and_audited(
    runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient, account: SignedIn
) -> None:
    offer = await make_offer(runtime, practice)
    assert_problem(await manager.post(PATH, json=wish(account, offer, EVENING)), 422, "slot_not_offered")
    answer = await manager.post(PATH, json=wish(account, offer, EVENING, outside_hours=True))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["overlapping"] is False
    assert await audited(runtime, practice) == [("appointment.booked_outside_hours", made["id"])]
    # Its time is taken all the same, and outside the hours is not on top.
    again = wish(account, offer, EVENING, outside_hours=True)
    assert_problem(await manager.post(PATH, json=again), 409, "slot_taken")


async def test_on_top_of_another_by_the_flag_alone_and_told(
    runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient, account: SignedIn
) -> None:
    offer = await make_offer(runtime, practice)
    await manager.post(PATH, json=wish(account, offer, NINE))
    assert_problem(await manager.post(PATH, json=wish(account, offer, NINE)), 409, "slot_taken")
    made = (await manager.post(PATH, json=wish(account, offer, NINE, overlapping=True))).json()
    assert made["overlapping"] is True
    assert await audited(runtime, practice) == [("appointment.booked_on_top", made["id"])]
    # The flag alone is no liberty that was taken.
    free = (await manager.post(PATH, json=wish(account, offer, NINE + minutes(60), overlapping=True))).json()
    assert free["overlapping"] is False
    assert len(await audited(runtime, practice)) == 1
    evening = wish(account, offer, EVENING, overlapping=True)
    assert_problem(await manager.post(PATH, json=evening), 422, "slot_not_offered")


async def test_moving_takes_the_same_liberties_with_the_same_practitioner(
    runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient, account: SignedIn
) -> None:
    offer = await make_offer(runtime, practice)
    await manager.post(PATH, json=wish(account, offer, NINE))
    made = (await manager.post(PATH, json=wish(account, offer, NINE + minutes(60)))).json()
    path = f"{PATH}/{made['id']}/reschedule"
    on_top = await manager.post(path, json={"starts_at": NINE.isoformat(), "overlapping": True})
    assert on_top.status_code == 200, on_top.text
    assert on_top.json()["overlapping"] is True
    away = await manager.post(path, json={"starts_at": EVENING.isoformat(), "outside_hours": True})
    assert (away.json()["overlapping"], away.json()["practitioner_id"]) == (False, str(offer.practitioner_id))
    assert await audited(runtime, practice) == [
        ("appointment.moved_on_top", made["id"]),
        ("appointment.moved_outside_hours", made["id"]),
    ]


@pytest.mark.parametrize("role", [StaffRole.RECEPTION, StaffRole.PRACTITIONER])
@pytest.mark.parametrize("liberty", ["outside_hours", "overlapping"])
async def test_who_has_no_such_permission_is_refused_also_in_their_own_calendar(
    runtime: Runtime, practice: TenantContext, account: SignedIn, http: HttpFactory, role: StaffRole, liberty: str
) -> None:
    offer = await make_offer(runtime, practice)
    staff = await make_staff_member(runtime, practice, role)
    if role is StaffRole.PRACTITIONER:
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = staff.id
        await set_practice(runtime, practice, practitioners_see_all=True)
    caller = http(practice, headers=staff.headers)
    made = await caller.post(PATH, json=wish(account, offer, NINE))
    assert made.status_code == 201, made.text
    refused = await caller.post(PATH, json=wish(account, offer, EVENING, **{liberty: True}))
    assert_problem(refused, 403, "forbidden")
    path = f"{PATH}/{made.json()['id']}/reschedule"
    assert_problem(await caller.post(path, json={"starts_at": EVENING.isoformat(), liberty: True}), 403, "forbidden")
    assert await audited(runtime, practice) == []


async def test_it_must_be_said_in_whose_calendar(
    runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient, account: SignedIn
) -> None:
    offer = await make_offer(runtime, practice)
    body = wish(account, offer, EVENING, outside_hours=True)
    del body["practitioner_id"]
    assert_problem(await manager.post(PATH, json=body), 422, "validation_error")


async def test_where_an_online_one_takes_place_can_be_said_when_booking(
    runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient, account: SignedIn
) -> None:
    offer = await make_offer(runtime, practice)
    link = "https://meet.example.com/a"
    body = wish(account, offer, NINE, location_kind="online", meeting_url=link)
    assert (await manager.post(PATH, json=body)).json()["meeting_url"] == link
    bad = wish(account, offer, EVENING, meeting_url="javascript:alert(1)")
    assert_problem(await manager.post(PATH, json=bad), 422, "validation_error")
