"""A client's invoices: their own only, as files; billing details make them full ones."""

import httpx

from tests.conftest import HttpFactory
from tests.support.checkout import Desk, make_desk
from tests.support.documents import issued_at, pay, set_issuer, text_of
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, make_client
from tests.support.problems import assert_problem
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

DETAILS = {
    "legal_name": "Carla Cliente Ñuño",
    "tax_id": "12345678Z",
    "address": "Calle Mayor 1",
    "postal_code": "28013",
    "city": "Madrid",
    "country": "ES",
}


async def browser_of(http: HttpFactory, practice: TenantContext, email: str) -> httpx.AsyncClient:
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/sign-in", email, PASSWORD)
    return browser


async def test_they_are_listed_downloaded_and_made_out_in_full(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    await set_issuer(runtime, practice)
    desk: Desk = await make_desk(runtime, practice)
    await pay(desk)
    await desk.run()
    (simplified,) = await issued_at(desk)
    browser = await browser_of(http, practice, desk.client.email)
    page = await browser.get("/account/documents")
    assert_sober(page)
    assert simplified.number in page.text
    file = await browser.get(f"/account/documents/{simplified.id}.pdf")
    assert file.headers["content-type"] == "application/pdf"
    assert simplified.number in text_of(file.content)
    assert simplified.number in (await browser.get(f"/account/documents/{simplified.id}.html")).text
    appointment_id = (await desk.payment(simplified.payment_id)).payable_id
    assert f"/account/documents/{simplified.id}.pdf" in (await browser.get(f"/appointments/{appointment_id}")).text

    wrong = await submit(browser, page, "/account/documents", **(DETAILS | {"tax_id": "12345678A"}))
    assert wrong.status_code == 422
    assert (await submit(browser, page, "/account/documents", **DETAILS)).status_code == 303
    page = await browser.get("/account/documents")
    asked = await submit(browser, page, f"/account/documents/{simplified.id}/full-invoice")
    assert asked.status_code == 303
    full = (await issued_at(desk))[-1]
    assert full.kind == "full"
    assert "Carla Cliente Ñuño" in text_of((await browser.get(f"/account/documents/{full.id}.pdf")).content)


async def test_nobody_elses_are_shown(
    runtime: Runtime, practice: TenantContext, other_practice: TenantContext, http: HttpFactory
) -> None:
    await set_issuer(runtime, practice)
    desk: Desk = await make_desk(runtime, practice)
    await pay(desk)
    await desk.run()
    (document,) = await issued_at(desk)
    stranger = await make_client(runtime, practice)
    browser = await browser_of(http, practice, stranger.email)
    assert document.number not in (await browser.get("/account/documents")).text
    for ending in ("pdf", "html"):
        assert (await browser.get(f"/account/documents/{document.id}.{ending}")).status_code == 404
    api = http(practice, headers=stranger.headers)
    assert_problem(await api.get(f"/api/v1/documents/{document.id}.pdf"), 404, "not_found")
    elsewhere = await make_client(runtime, other_practice)
    assert (await http(practice, headers=elsewhere.headers).get("/api/v1/documents")).status_code == 401
