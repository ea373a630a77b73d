"""Staff's pages say for whom an appointment is, and name nobody who was erased."""

import httpx

from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, sign_in
from tests.support.practices import PASSWORD, make_staff_member
from tests.support.privacy import CHILD, EMAIL, FIRST, LAST, make_trail
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def test_the_person_and_whose_account_it_is_until_they_are_erased(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    client_side = http(practice)
    trail = await make_trail(runtime, practice, client_side)
    staff = await make_staff_member(runtime, practice)
    browser: httpx.AsyncClient = http(practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", staff.email, PASSWORD)
    addresses = [f"/admin/appointments/{trail.visit_id}", "/admin/appointments?from=2020-01-01&to=2020-12-31", "/admin"]
    page = await browser.get(addresses[0])
    assert_sober(page)
    assert f"{FIRST} {LAST}" in page.text
    assert f"{CHILD} {LAST}" in page.text
    assert (await client_side.delete("/api/v1/users/me")).status_code == 200
    for address in [*addresses, "/admin/payments"]:
        page = await browser.get(address)
        assert page.status_code == 200, address
        for trace in (FIRST, CHILD, EMAIL, "erased-"):
            assert trace not in page.text, (address, trace)
    page = await browser.get(addresses[0])
    assert "Persona borrada" in page.text or "Erased person" in page.text
