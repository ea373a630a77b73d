"""Plan and invoices, as owners meet them: over the API and on the page."""

from datetime import timedelta

import httpx
import pytest

from billing.platform_fees.models import UsageKind
from billing.platform_fees.usage import Fact, record_facts
from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, form_of, sign_in
from tests.support.platform_fees import make_plan, plan_of, served
from tests.support.practices import PASSWORD, make_practice, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

AT = "/api/v1/admin/subscription"


@pytest.fixture
async def practice(runtime: Runtime) -> TenantContext:
    """One in English."""
    return await make_practice(runtime, locale="en")


async def owners_browser(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    owner = await make_staff_member(runtime, practice)
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", owner.email, PASSWORD)
    return browser


def token_on(page: httpx.Response) -> str:
    """Of the page's forms, which all have the same."""
    return form_of(page, "/sign-out").data["form_token"]  # type: ignore[no-any-return]  # a text of the page


async def test_the_page_shows_plan_use_and_other_plans_and_that_nothing_is_charged_here(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    await make_plan(runtime, name="Something else", fee_basis_points=150)
    async with runtime.database.platform() as session:
        await record_facts(session, practice, [Fact(UsageKind.PAID, new_id(), clock.now(), "EUR", 4500, 1)])
    page = await (await owners_browser(http, runtime, practice)).get("/admin/plan")
    assert_sober(page)
    for words in ("Standard", "No monthly price", "€45.00", "Something else", "1.5% of each online payment",
                  "The platform does not charge for plans here"):  # fmt: skip
        assert words in page.text, words


async def test_an_owner_goes_to_another_plan_without_a_price(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    code = await make_plan(runtime, fee_basis_points=200)
    browser = await owners_browser(http, runtime, practice)
    page = await browser.get("/admin/plan")
    done = await browser.post("/admin/plan/change", data={"plan": code, "form_token": token_on(page)})
    assert done.headers["location"] == "/admin/plan", done.text
    assert await plan_of(runtime, practice) == code
    assert (await served(runtime, practice)).fee_basis_points == 200


async def test_a_plan_with_a_price_can_not_be_had_where_nothing_is_charged(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    code = await make_plan(runtime, price_minor=2900, price_currency="EUR")
    owner = await make_staff_member(runtime, practice)
    staff = http(practice, headers=owner.headers)
    assert_problem(await staff.post(f"{AT}/plan", json={"plan": code}), 409, "charging_not_set_up")
    assert_problem(await staff.post(f"{AT}/portal"), 409, "charging_not_set_up")
    assert_problem(await staff.post(f"{AT}/plan", json={"plan": "no-such"}), 422, "validation_error")
    assert await plan_of(runtime, practice) == "standard"


async def test_a_stale_sign_in_changes_no_plan_until_it_is_confirmed(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    code = await make_plan(runtime)
    browser = await owners_browser(http, runtime, practice)
    page = await browser.get("/admin/plan")
    with clock.at(clock.now() + timedelta(minutes=16)):
        sent = await browser.post("/admin/plan/change", data={"plan": code, "form_token": token_on(page)})
    assert sent.headers["location"] == "/admin/confirm?next=%2Fadmin%2Fplan"
    assert await plan_of(runtime, practice) == "standard"


@pytest.mark.parametrize("role", [StaffRole.MANAGER, StaffRole.PRACTITIONER, StaffRole.RECEPTION])
async def test_nobody_but_owners_sees_it(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, role: StaffRole
) -> None:
    member = await make_staff_member(runtime, practice, role)
    assert_problem(await http(practice, headers=member.headers).get(AT), 403, "forbidden")
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
    assert (await browser.get("/admin/plan")).status_code == 403
    assert "/admin/plan" not in (await browser.get("/admin")).text


async def test_the_api_says_how_the_practice_stands_and_another_practices_lines_are_not_there(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
) -> None:
    async with runtime.database.platform() as session:
        await record_facts(session, other_practice, [Fact(UsageKind.FEE_ACCRUED, new_id(), clock.now(), "EUR", 67)])
    theirs = await make_staff_member(runtime, other_practice)
    mine = await make_staff_member(runtime, practice)
    [statement] = (await http(other_practice, headers=theirs.headers).get(AT)).json()["statements"]
    lines = f"{AT}/statements/{statement['id']}/lines.csv"
    assert (await http(other_practice, headers=theirs.headers).get(lines)).status_code == 200
    assert_problem(await http(practice, headers=mine.headers).get(lines), 404, "not_found")
    standing = (await http(practice, headers=mine.headers).get(AT)).json()
    assert (standing["plan_code"], standing["statements"], standing["withheld_now"]) == ("standard", [], [])
