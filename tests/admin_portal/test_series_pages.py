"""Repeating an appointment for a client, and what was booked together, on the portal's pages (in Spanish here)."""

from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import StaffRole
from tests.admin_portal.test_booking_pages import (
    account,
    address,
    audited,
    in_a_week,
    offer,
    rows,
    staff_browser,
)
from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, form_of, sign_in, submit
from tests.support.practices import PASSWORD, SignedIn, make_client, make_staff_member
from tests.support.scheduling import Offer, add_block, add_hours, make_offer, make_practitioner, minutes, set_practice
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

__all__ = ["account", "offer"]

WEEK = timedelta(weeks=1)
REPEAT, SERIES = "/admin/book/repeat", "/admin/book/series"

NONSENSE: list[dict[str, str]] = [
    {"count": "27"},
    {"count": "1"},
    {"frequency": "daily"},
    {"time": ""},
    {"client_id": ""},
    {"service_id": "x"},
    {"meeting_url": "javascript:alert(1)"},
    {"with_id": "x", "practitioner_id": "x"},
]


def press(browser: httpx.AsyncClient, page: httpx.Response, path: str, action: str = "", **values: Any) -> Any:
    """Send the form by the button that has ``path`` as its own address; None leaves a field out."""
    assert f'formaction="{path}"' in page.text or f'action="{path}"' in page.text, page.text
    data = form_of(page, action).data | values
    return browser.post(path, data={name: value for name, value in data.items() if value is not None})


async def show(
    browser: httpx.AsyncClient, account: SignedIn, offer: Offer, *, hour: int = 10, **more: Any
) -> httpx.Response:
    """From the booking page to the dates."""
    page = await browser.get("/admin/book", params=address(account, offer))
    ten = in_a_week(hour).astimezone(ZoneInfo("UTC")).isoformat()
    answer = await press(browser, page, REPEAT, **({"time": ten, "count": "3"} | more))
    assert isinstance(answer, httpx.Response)
    return answer


async def block(runtime: Runtime, practice: TenantContext, offer: Offer, weeks: int) -> None:
    # Whether or not the clocks change on the way.
    about = in_a_week(10) + weeks * WEEK
    async with runtime.database.tenant(practice) as session:
        await add_block(session, offer.practitioner_id, about - minutes(30), about + minutes(90))


async def days(runtime: Runtime, practice: TenantContext) -> list[int]:
    """Of which weeks appointments were made, counted from the first."""
    return sorted((row.starts_at - in_a_week(9)) // WEEK for row in await rows(runtime, practice))


async def own_calendar(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, practitioner_id: UUID
) -> httpx.AsyncClient:
    """Of the member of staff who is this practitioner."""
    staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Practitioner, practitioner_id)).staff_id = staff.id
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", staff.email, PASSWORD)
    return browser


async def test_reception_repeats_an_appointment_and_a_form_sent_twice_books_once(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn
) -> None:
    paid = await make_offer(runtime, practice, price_minor=4500)
    browser = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    assert_sober(await browser.get("/admin/book", params=address(account, paid)))
    link = "https://meet.example.com/a"
    page = await show(browser, account, paid, notes="One <b>\nTwo", location_kind="online", meeting_url=link)
    assert page.status_code == 200, page.text
    assert_sober(page)
    assert page.text.count('name="skip"') == 3
    assert "135,00\N{NO-BREAK SPACE}€" in page.text
    assert await rows(runtime, practice) == []
    first, again = [await press(browser, page, SERIES) for _ in range(2)]
    assert first.status_code == 303, first.text
    assert again.headers["location"] == first.headers["location"]
    made = await rows(runtime, practice)
    assert await days(runtime, practice) == [0, 1, 2]
    assert {(row.status, row.location_kind, row.meeting_url) for row in made} == {("confirmed", "online", link)}
    assert {row.notes for row in made} == {"One <b>\nTwo"}
    assert first.headers["location"] == f"/admin/series/{made[0].series_id}"


async def test_conflicts_are_named_and_ticked_and_any_date_can_be_left_out(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    browser = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    await block(runtime, practice, offer, 1)
    page = await show(browser, account, offer, count="4")
    assert_sober(page)
    assert "Bloqueado" in page.text
    [ticked] = [value for name, value in form_of(page).fields if name == "skip"]
    # Nothing is booked if one of the dates can't be had: because its tick was taken out, or since the page was shown.
    refused = await press(browser, page, SERIES, skip=None)
    assert refused.status_code == 409
    assert_sober(refused)
    await block(runtime, practice, offer, 2)
    lost = await press(browser, page, SERIES)
    assert lost.status_code == 409
    assert await rows(runtime, practice) == []
    both = form_of(lost).data["skip"]
    assert len(both) == 2
    assert ticked in both
    last = (in_a_week(10) + 3 * WEEK).astimezone(ZoneInfo("UTC")).isoformat()
    shown = await press(browser, lost, REPEAT, skip=[*both, last])
    assert form_of(shown).data["skip"] == [*both, last]
    done = await press(browser, shown, SERIES)
    assert done.status_code == 303, done.text
    assert await days(runtime, practice) == [0]


async def test_other_dates_are_shown_on_the_same_page_and_nonsense_is_refused(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    browser = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    page = await press(browser, await show(browser, account, offer), REPEAT, frequency="fortnightly", count="2")
    assert (await press(browser, page, SERIES)).status_code == 303
    assert await days(runtime, practice) == [0, 2]
    for path in (REPEAT, SERIES):
        for bad in NONSENSE:
            answer = await press(browser, page, path, **bad)
            assert answer.status_code == 422, (path, bad)
            assert_sober(answer)
    at_first = [value for name, value in form_of(page).fields if name == "time"]
    later = (in_a_week(10) + 2 * WEEK).astimezone(ZoneInfo("UTC")).isoformat()
    none = await press(browser, page, SERIES, skip=[*at_first, later])
    assert none.status_code == 422
    assert "Deja al menos una fecha." in none.text
    unknown = await press(browser, page, REPEAT, client_id="01900000-0000-7000-8000-000000000000")
    assert unknown.status_code == 404
    stranger = http(practice, headers=HTML)
    assert (await stranger.post(SERIES, data=form_of(page).data)).status_code in (303, 403)
    assert len(await rows(runtime, practice)) == 2


async def test_whoever_is_free_is_the_one_who_was_shown(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    browser = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    page = await show(browser, account, offer, practitioner_id="")
    assert "con Pilar Practicante" in page.text
    assert form_of(page).data["with_id"] == str(offer.practitioner_id)
    assert (await press(browser, page, SERIES)).status_code == 303
    assert {row.practitioner_id for row in await rows(runtime, practice)} == {offer.practitioner_id}


async def test_hours_are_set_aside_by_who_may_and_audited_for_each_date(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    own: dict[str, Any] = {"time": "own", "own_time": in_a_week(20).strftime("%Y-%m-%dT%H:%M")}
    manager = await staff_browser(http, runtime, practice, StaffRole.MANAGER)
    outside = await show(manager, account, offer, **own)
    assert outside.text.count("Fuera del horario") == 3
    page = await show(manager, account, offer, **own, outside_hours="yes")
    assert_sober(page)
    assert (await press(manager, page, SERIES)).status_code == 303
    assert await audited(runtime, practice) == ["appointment.booked_outside_hours"] * 3
    reception = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    theirs = await show(reception, account, offer)
    for path in (REPEAT, SERIES):
        assert (await press(reception, theirs, path, outside_hours="yes")).status_code == 403
        assert (await press(reception, theirs, path, overlapping="yes")).status_code == 403
    assert len(await rows(runtime, practice)) == 3


async def test_practitioners_repeat_in_their_own_calendar_alone(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    await set_practice(runtime, practice, practitioners_see_all=True)
    browser = await own_calendar(http, runtime, practice, offer.practitioner_id)
    async with runtime.database.tenant(practice) as session:
        other = await make_practitioner(session, name="Otra")
        await add_hours(session, other.id)
    page = await show(browser, account, offer)
    assert (await press(browser, page, REPEAT, practitioner_id=str(other.id))).status_code == 403
    assert (await press(browser, page, SERIES, with_id=str(other.id))).status_code == 403
    assert await rows(runtime, practice) == []
    assert (await press(browser, page, SERIES)).status_code == 303
    assert await days(runtime, practice) == [0, 1, 2]


async def test_practitioners_do_not_learn_of_clients_who_are_not_theirs(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    mine = await own_calendar(http, runtime, practice, offer.practitioner_id)
    reception = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    await press(reception, await show(reception, account, offer), SERIES)
    page = await show(mine, account, offer, hour=11)
    assert page.status_code == 200
    stranger = await make_client(runtime, practice)
    for path in (REPEAT, SERIES):
        assert (await press(mine, page, path, client_id=str(stranger.id))).status_code == 404
    assert len(await rows(runtime, practice)) == 3


async def test_who_may_not_book_is_shown_no_dates(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    reception = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    data = form_of(await show(reception, account, offer)).data
    await press(reception, await show(reception, account, offer), SERIES)
    [row, *_others] = await rows(runtime, practice)
    browser = await staff_browser(http, runtime, practice, StaffRole.PRACTITIONER)
    token = form_of(await browser.get("/admin/security/password")).data
    for path in (REPEAT, SERIES):
        assert (await browser.post(path, data=data)).status_code == 403
        assert (await browser.post(path, data=data | token)).status_code == 403
    assert (await browser.get(f"/admin/series/{row.series_id}")).status_code == 404
    assert (await browser.post(f"/admin/series/{row.series_id}/cancel", data=token)).status_code == 403
    assert len(await rows(runtime, practice)) == 3


async def test_what_is_to_come_of_a_series_is_cancelled_from_its_page(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer
) -> None:
    reception = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    path = (await press(reception, await show(reception, account, offer), SERIES)).headers["location"]
    made = await rows(runtime, practice)
    assert f'href="{path}"' in (await reception.get(f"/admin/appointments/{made[0].id}")).text
    page = await reception.get(path)
    assert_sober(page)
    assert all(f"/admin/appointments/{row.id}" in page.text for row in made)
    long = await submit(reception, page, "/cancel", reason="x" * 501)
    assert long.status_code == 422
    assert_sober(long)
    for _ in range(2):
        answer = await submit(reception, page, "/cancel", reason="Holidays")
        assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert {row.status for row in await rows(runtime, practice)} == {"cancelled"}
    assert await audited(runtime, practice) == ["appointment.cancelled"] * 3
    assert "/cancel" not in (await reception.get(path)).text


@pytest.mark.parametrize("sees_all", [False, True])
async def test_others_series_are_seen_where_the_practice_wants_it_and_never_cancelled(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, account: SignedIn, offer: Offer, *, sees_all: bool
) -> None:
    reception = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    path = (await press(reception, await show(reception, account, offer), SERIES)).headers["location"]
    await set_practice(runtime, practice, practitioners_see_all=sees_all)
    async with runtime.database.tenant(practice) as session:
        other = await make_practitioner(session, name="Otra")
        other_id = other.id
    browser = await own_calendar(http, runtime, practice, other_id)
    page = await browser.get(path)
    assert page.status_code == (200 if sees_all else 404)
    assert "/cancel" not in page.text
    token = form_of(await browser.get("/admin/security/password")).data
    assert (await browser.post(f"{path}/cancel", data=token)).status_code == 403
    assert {row.status for row in await rows(runtime, practice)} == {"confirmed"}
    unknown = "/admin/series/01900000-0000-7000-8000-000000000000"
    assert (await browser.get(unknown)).status_code == 404
