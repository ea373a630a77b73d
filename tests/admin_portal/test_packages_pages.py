"""Packages, codes, money at the desk and money to hand back, on the portal's pages and in the client's browser."""

from uuid import UUID

import httpx

from tenants.accounts.models import StaffRole
from tests.admin_portal.test_pages import book, owner, staff_browser
from tests.conftest import HttpFactory
from tests.support.booking_pages import signed_in
from tests.support.packages import balance, make_package
from tests.support.pages import assert_sober, submit
from tests.support.scheduling import make_offer, set_practice
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

__all__ = ["owner"]


async def test_a_manager_makes_packages_and_codes(owner: httpx.AsyncClient) -> None:
    for path in (
        "/admin/packages",
        "/admin/packages/new",
        "/admin/packages/sell",
        "/admin/discounts",
        "/admin/refunds",
    ):
        assert_sober(await owner.get(path))
    made = await submit(owner, await owner.get("/admin/packages/new"), name="Bono 5", sessions="5", price="200")
    assert made.status_code == 303, made.text
    assert "Bono 5" in (await owner.get("/admin/packages")).text
    code = await submit(owner, await owner.get("/admin/discounts/new"), code="verano", percent="20")
    assert code.status_code == 303, code.text
    assert "VERANO" in (await owner.get("/admin/discounts")).text


async def test_a_practitioner_has_no_part_in_money(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    page = await staff_browser(http, runtime, practice, StaffRole.PRACTITIONER)
    for path in ("/admin/discounts", "/admin/refunds", "/admin/packages/new", "/admin/packages/sell"):
        assert (await page.get(path)).status_code == 403, path


async def test_the_desk_takes_what_is_owed(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, owner: httpx.AsyncClient
) -> None:
    await set_practice(runtime, practice, payment_methods=["offline"])
    offer = await make_offer(runtime, practice, price_minor=4500, deposit_minor=1000)
    appointment_id, _payment = await book(http, runtime, practice, offer, method="offline")
    path = f"/admin/appointments/{appointment_id}"
    shown = await owner.get(path)
    assert_sober(shown)
    assert "Still to pay" in shown.text
    await submit(owner, shown, f"{appointment_id}/receipt")
    assert "Still to pay" not in (await owner.get(path)).text


async def test_a_client_buys_a_package(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
    await set_practice(runtime, practice, payment_methods=["offline"])
    browser = await signed_in(http, runtime, practice)
    package = await make_package(runtime, practice)
    for path in ("/packages", f"/packages/{package.id}"):
        assert_sober(await browser.get(path))
    bought = await submit(browser, await browser.get(f"/packages/{package.id}"), method="offline")
    assert bought.status_code == 303, bought.text
    mine = await browser.get(bought.headers["location"])
    assert_sober(mine)
    purchase_id = UUID(bought.headers["location"].rpartition("/")[2])
    assert (await balance(runtime, practice, purchase_id)).available == 0  # the money comes at the desk
