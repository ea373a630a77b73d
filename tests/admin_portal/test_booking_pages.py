"""Booking for a client and moving, on the portal's pages."""

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import select

from scheduling.appointments.models import Appointment
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, SignedIn, make_client, make_staff_member
from tests.support.scheduling import Offer, make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

MADRID = ZoneInfo("Europe/Madrid")


async def staff_browser(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, role: StaffRole
) -> httpx.AsyncClient:
    staff = await make_staff_member(runtime, practice, role)
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", staff.email, PASSWORD)
    return browser


@pytest.fixture
async def account(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client."""
    return await make_client(runtime, practice)


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    """An hour for nothing, with someone who works from 9 to 13."""
    return await make_offer(runtime, practice)


def in_a_week(hour: int) -> datetime:
    day = clock.now().astimezone(MADRID).date() + timedelta(days=7)
    return datetime(day.year, day.month, day.day, hour, tzinfo=MADRID)


def address(account: SignedIn, offer: Offer, **more: str) -> dict[str, str]:
    return {
        "client_id": str(account.id),
        "service_id": str(offer.service_id),
        "practitioner_id": str(offer.practitioner_id),
        "day": in_a_week(9).date().isoformat(),
        **more,
    }


async def rows(runtime: Runtime, practice: TenantContext) -> list[Appointment]:
    async with runtime.database.tenant(practice) as session:
        return list((await session.scalars(select(Appointment).order_by(Appointment.created_at))).all())


async def audited(runtime: Runtime, practice: TenantContext) -> list[str]:
    async with runtime.database.tenant(practice) as session:
        actions = await session.scalars(select(StaffAuditEntry.action).order_by(StaffAuditEntry.id))
        return [one for one in actions if one.startswith("appointment.")]


async def test_reception_finds_the_client_chooses_a_free_time_and_books(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    browser = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    assert "/admin/book" in (await browser.get("/admin/appointments")).text
    for query in ({}, {"search": account.email}, {"search": "nobody at all"}):
        page = await browser.get("/admin/book", params=query)
        assert_sober(page)
        assert (f"client_id={account.id}" in page.text) is (query == {"search": account.email})
    assert_sober(await browser.get("/admin/book", params={"client_id": str(account.id)}))
    page = await browser.get("/admin/book", params=address(account, offer))
    assert_sober(page)
    assert "outside_hours" not in page.text
    ten = in_a_week(10).astimezone(ZoneInfo("UTC")).isoformat()
    assert ten in page.text
    answer = await submit(browser, page, time=ten, meeting_url="https://meet.example.com/a", location_kind="online")
    assert answer.status_code == 303, answer.text
    [row] = await rows(runtime, practice)
    assert answer.headers["location"] == f"/admin/appointments/{row.id}"
    assert (row.starts_at, row.location_kind) == (in_a_week(10), "online")
    assert row.meeting_url == "https://meet.example.com/a"
    again = await submit(browser, page, time=ten)
    assert again.status_code == 409
    assert_sober(again)


async def test_who_may_sets_the_hours_aside_and_books_on_top_and_others_are_refused(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    manager = await staff_browser(http, runtime, practice, StaffRole.MANAGER)
    page = await manager.get("/admin/book", params=address(account, offer))
    assert_sober(page)
    evening = in_a_week(20).strftime("%Y-%m-%dT%H:%M")
    own = {"time": "own", "own_time": evening}
    refused = await submit(manager, page, **own)
    assert refused.status_code == 422
    assert_sober(refused)
    for more in ({"outside_hours": "yes"}, {"outside_hours": "yes", "overlapping": "yes"}):
        answer = await submit(manager, page, **own, **more)
        assert answer.status_code == 303, answer.text
    assert [(row.starts_at, row.overlapping) for row in await rows(runtime, practice)] == [
        (in_a_week(20), False),
        (in_a_week(20), True),
    ]
    assert await audited(runtime, practice) == [
        "appointment.booked_outside_hours",
        "appointment.booked_outside_hours",
        "appointment.booked_on_top",
    ]
    reception = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    theirs = await reception.get("/admin/book", params=address(account, offer))
    assert (await submit(reception, theirs, **own, outside_hours="yes")).status_code == 403
    nothing = await submit(manager, page, time="own", own_time="")
    assert nothing.status_code == 422


async def test_an_appointment_is_moved_with_the_same_choices(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    manager = await staff_browser(http, runtime, practice, StaffRole.MANAGER)
    booking = await manager.get("/admin/book", params=address(account, offer))
    await submit(manager, booking, time=in_a_week(9).astimezone(ZoneInfo("UTC")).isoformat())
    [row] = await rows(runtime, practice)
    shown = await manager.get(f"/admin/appointments/{row.id}")
    assert f"/admin/move/{row.id}" in shown.text
    page = await manager.get(f"/admin/move/{row.id}")
    assert_sober(page)
    eleven = in_a_week(11).astimezone(ZoneInfo("UTC")).isoformat()
    assert (await submit(manager, page, time=eleven)).status_code == 303
    assert (await rows(runtime, practice))[0].starts_at == in_a_week(11)
    evening = in_a_week(20).strftime("%Y-%m-%dT%H:%M")
    refused = await submit(manager, page, time="own", own_time=evening)
    assert refused.status_code == 422
    assert_sober(refused)
    assert (await submit(manager, page, time="own", own_time=evening, outside_hours="yes")).status_code == 303
    [row] = await rows(runtime, practice)
    assert (row.starts_at, row.practitioner_id) == (in_a_week(20), UUID(str(offer.practitioner_id)))
    assert await audited(runtime, practice) == ["appointment.moved_outside_hours"]


async def test_a_practitioner_without_a_calendar_books_for_nobody(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    browser = await staff_browser(http, runtime, practice, StaffRole.PRACTITIONER)
    assert (await browser.get("/admin/book", params=address(account, offer))).status_code == 403
