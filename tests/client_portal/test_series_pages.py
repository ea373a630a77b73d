"""Repeating an appointment, on the booking site's pages: dates, conflicts, then all at once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from scheduling.appointments.models import Appointment
from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, forms_of, sign_in, submit
from tests.support.practices import PASSWORD, make_client
from tests.support.scheduling import add_block, make_offer, minutes, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

WEEK = timedelta(weeks=1)


@pytest.fixture
async def browser(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    """A client's, in English."""
    client = await make_client(runtime, practice, locale="en")
    made = http(practice, headers=HTML)
    await sign_in(made, "/sign-in", client.email, PASSWORD)
    return made


def first() -> datetime:
    return (clock.now() + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0).astimezone(UTC)


async def starts(runtime: Runtime, practice: TenantContext) -> list[datetime]:
    async with runtime.database.tenant(practice) as session:
        return list((await session.scalars(select(Appointment.starts_at).order_by(Appointment.starts_at))).all())


async def repeat(browser: httpx.AsyncClient, service_id: UUID, **more: str) -> httpx.Response:
    asked = {"starts_at": first().isoformat(), "frequency": "weekly", "count": "3"} | more
    return await browser.get(f"/book/{service_id}/repeat", params=asked)


async def test_the_confirmation_offers_to_repeat_and_all_dates_are_booked_once(
    browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_offer(runtime, practice, price_minor=4500)
    confirm = await browser.get(f"/book/{offer.service_id}/confirm", params={"starts_at": first().isoformat()})
    assert_sober(confirm)
    assert any(form.action.endswith("/repeat") for form in forms_of(confirm))
    page = await repeat(browser, offer.service_id)
    assert page.status_code == 200, page.text
    assert_sober(page)
    assert "€135.00" in page.text
    assert "Book 3 dates" in page.text
    assert await starts(runtime, practice) == []
    for _ in range(2):
        answer = await submit(browser, page)
        assert (answer.status_code, answer.headers["location"]) == (303, "/appointments"), answer.text
    assert len(await starts(runtime, practice)) == 3


async def test_dates_that_cannot_be_had_are_marked_and_left_out(
    browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_offer(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        # Whether or not the clocks change on the way.
        await add_block(session, offer.practitioner_id, first() + WEEK - minutes(120), first() + WEEK + minutes(120))
    page = await repeat(browser, offer.service_id)
    assert_sober(page)
    assert "Not offered" in page.text
    assert "Book 2 dates" in page.text
    async with runtime.database.tenant(practice) as session:
        await add_block(
            session, offer.practitioner_id, first() + 2 * WEEK - minutes(120), first() + 2 * WEEK + minutes(120)
        )
    lost = await submit(browser, page)
    assert lost.status_code == 409
    assert_sober(lost)
    assert "Book 1 date" in lost.text
    assert await starts(runtime, practice) == []
    assert (await submit(browser, lost)).status_code == 303
    assert await starts(runtime, practice) == [first()]


async def test_where_there_is_no_series_the_page_says_so(
    browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_offer(runtime, practice, price_minor=4500)
    await set_practice(runtime, practice, payment_methods=["sandbox"])
    confirm = await browser.get(f"/book/{offer.service_id}/confirm", params={"starts_at": first().isoformat()})
    assert not any(form.action.endswith("/repeat") for form in forms_of(confirm))
    refused = await repeat(browser, offer.service_id)
    assert refused.status_code == 409
    assert_sober(refused)
    for bad in ({"count": "99"}, {"count": "x"}, {"frequency": "daily"}):
        answer = await repeat(browser, offer.service_id, **bad)
        assert answer.status_code == 422
        assert_sober(answer)
    assert (await browser.get(f"/book/{offer.service_id}/repeat")).status_code == 404


async def test_strangers_sign_in_first(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
    offer = await make_offer(runtime, practice)
    answer = await repeat(http(practice, headers=HTML), offer.service_id)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")


async def test_what_is_to_come_of_a_series_is_cancelled_from_its_page(
    browser: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    offer = await make_offer(runtime, practice)
    await submit(browser, await repeat(browser, offer.service_id))
    async with runtime.database.tenant(practice) as session:
        row = (await session.scalars(select(Appointment).limit(1))).one()
    address = f"/series/{row.series_id}"
    shown = await browser.get(f"/appointments/{row.id}")
    assert address in shown.text
    page = await browser.get(address)
    assert_sober(page)
    stranger = http(practice, headers=HTML)
    other = await make_client(runtime, practice)
    await sign_in(stranger, "/sign-in", other.email, PASSWORD)
    assert (await stranger.get(address)).status_code == 404
    answer = await submit(browser, page, "/cancel")
    assert answer.status_code == 303, answer.text
    async with runtime.database.tenant(practice) as session:
        assert set((await session.scalars(select(Appointment.status))).all()) == {"cancelled"}
    assert "/cancel" not in (await browser.get(address)).text
