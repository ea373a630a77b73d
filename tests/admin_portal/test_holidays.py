"""The practice's public holidays: chosen in its settings, listed for its staff."""

from typing import Any

import httpx
import pytest

from tenants.accounts.models import StaffRole
from tenants.accounts.services.staff_accounts import change_staff
from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

SETTINGS, HOLIDAYS = "/api/v1/admin/settings", "/api/v1/admin/holidays"


@pytest.fixture
async def owner(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    return http(practice, headers=(await make_staff_member(runtime, practice)).headers)


async def change(owner: httpx.AsyncClient, **values: Any) -> dict[str, Any]:
    answer = await owner.patch(SETTINGS, json=values)
    assert answer.status_code == 200, answer.text
    known: dict[str, Any] = answer.json()
    return known


async def test_a_new_practice_has_none_until_it_chooses(owner: httpx.AsyncClient) -> None:
    assert (await owner.get(HOLIDAYS, params={"year": 2026})).json() == {
        "country": None,
        "region": None,
        "year": 2026,
        "items": [],
    }
    known = await change(owner, holidays_country="ES", holidays_region="MD")
    assert (known["holidays_country"], known["holidays_region"]) == ("ES", "MD")
    listed = (await owner.get(HOLIDAYS, params={"year": 2026}, headers={"Accept-Language": "es"})).json()
    assert {"date": "2026-05-02", "name": "Fiesta de la Comunidad de Madrid"} in listed["items"]
    assert [day["date"] for day in listed["items"]] == sorted(day["date"] for day in listed["items"])


async def test_another_country_drops_the_region_and_none_drops_both(owner: httpx.AsyncClient) -> None:
    await change(owner, holidays_country="ES", holidays_region="MD")
    known = await change(owner, holidays_country="PT")
    assert (known["holidays_country"], known["holidays_region"]) == ("PT", None)
    await change(owner, holidays_country="ES", holidays_region="CT")
    assert (await change(owner, holidays_region=None))["holidays_country"] == "ES"
    known = await change(owner, holidays_country=None)
    assert (known["holidays_country"], known["holidays_region"]) == (None, None)


@pytest.mark.parametrize(
    "values",
    [{"holidays_country": "ZZ"}, {"holidays_country": "Spain"}, {"holidays_country": "es"}, {"holidays_region": "MD"},
     {"holidays_country": "ES", "holidays_region": "CA"}, {"holidays_country": None, "holidays_region": "MD"},
     {"approved_hold_hours": 0}, {"approved_hold_hours": 337}, {"waitlist_offer_minutes": 4},
     {"waitlist_offer_minutes": 2881}],
)  # fmt: skip
async def test_what_is_not_known_is_refused(owner: httpx.AsyncClient, values: dict[str, Any]) -> None:
    assert_problem(await owner.patch(SETTINGS, json=values), 422, "validation_error")


async def test_how_long_requests_and_offers_wait_is_the_practices(owner: httpx.AsyncClient) -> None:
    known = (await owner.get(SETTINGS)).json()
    assert (known["approved_hold_hours"], known["waitlist_offer_minutes"]) == (24, 120)
    known = await change(owner, approved_hold_hours=48, waitlist_offer_minutes=60)
    assert (known["approved_hold_hours"], known["waitlist_offer_minutes"]) == (48, 60)


@pytest.mark.parametrize("year", ["1999", "2200", "x", ""])
async def test_only_years_that_are_reckoned_with_are_listed(owner: httpx.AsyncClient, year: str) -> None:
    assert_problem(await owner.get(HOLIDAYS, params={"year": year}), 422, "validation_error")


async def test_every_member_of_staff_may_see_them(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
    for role in StaffRole:
        member = await make_staff_member(runtime, practice, role)
        assert (await http(practice, headers=member.headers).get(HOLIDAYS)).status_code == 200


async def test_the_page_offers_the_countries_and_then_their_regions(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    member = await make_staff_member(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        await change_staff(session, member.id, locale="en")
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
    page = await browser.get("/admin/settings")
    assert_sober(page)
    assert '<option value="ES">Spain</option>' in page.text
    assert "Madrid" not in page.text
    saved = await submit(browser, page, "/admin/settings", holidays_country="ES", waitlist_offer_minutes="90")
    assert saved.status_code == 303
    page = await browser.get("/admin/settings")
    assert_sober(page)
    assert '<option value="MD">Madrid</option>' in page.text
    assert "Christmas Day" in page.text
    await submit(browser, page, "/admin/settings", holidays_region="MD")
    page = await browser.get("/admin/settings")
    assert '<option value="MD" selected>Madrid</option>' in page.text
    # The region belongs to the country before: it goes with it.
    await submit(browser, page, "/admin/settings", holidays_country="PT")
    page = await browser.get("/admin/settings")
    assert '<option value="PT" selected>Portugal</option>' in page.text
    assert '<option value="" selected>' in page.text
    refused = await submit(browser, page, "/admin/settings", holidays_country="ZZ")
    assert refused.status_code == 422
    assert "Choose one of the list." in refused.text
    assert_sober(refused)
