"""The portal's pages of invoices: filling in who issues, issuing, correcting, exporting, and who may do what."""

import httpx
import pytest

from billing.documents.models import IssuerProfile
from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.checkout import PRICE, Desk, make_desk
from tests.support.documents import CLIENT, ISSUER, issued_at, pay, price, set_client, set_issuer, text_of
from tests.support.pages import HTML, assert_sober, forms_of, sign_in, submit
from tests.support.practices import PASSWORD, make_practice, make_staff_member
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

HERE = "/admin/documents"


@pytest.fixture
async def practice(runtime: Runtime) -> TenantContext:
    """One in English."""
    return await make_practice(runtime, locale="en")


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    return await make_desk(runtime, practice)


async def browser_of(http: HttpFactory, desk: Desk, role: StaffRole = StaffRole.OWNER) -> httpx.AsyncClient:
    staff = await make_staff_member(desk.runtime, desk.practice, role)
    browser = http(desk.practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", staff.email, PASSWORD)
    return browser


async def test_the_owner_says_who_issues_and_is_told_what_is_wrong(http: HttpFactory, desk: Desk) -> None:
    browser = await browser_of(http, desk)
    start = await browser.get(HERE)
    assert_sober(start)
    assert f"{HERE}/issuer" in start.text
    page = await browser.get(f"{HERE}/issuer")
    assert_sober(page)
    party = {name: ISSUER[name] for name in ("legal_name", "address", "postal_code", "city")}
    wrong = await submit(browser, page, f"{HERE}/issuer", **party, tax_id="B58378432", full_series="f")
    assert wrong.status_code == 422
    assert_sober(wrong)
    assert "Write capitals and digits" in wrong.text
    wrong = await submit(browser, page, f"{HERE}/issuer", **party, tax_id="B58378432")
    assert wrong.status_code == 422
    assert 'id="f-tax_id-error"' in wrong.text
    done = await submit(browser, page, f"{HERE}/issuer", **party, tax_id="b-58378431")
    assert done.headers["location"] == HERE
    async with desk.runtime.database.tenant(desk.practice) as session:
        issuer = await session.get_one(IssuerProfile, 1)
        assert (issuer.tax_id, issuer.issues_automatically) == ("B58378431", True)
    assert 'value="B58378431"' in (await browser.get(f"{HERE}/issuer")).text


async def test_what_waits_is_shown_and_goes_with_the_clients_details(http: HttpFactory, desk: Desk) -> None:
    await set_issuer(desk.runtime, desk.practice)
    await price(desk, 50_000)
    payment = await pay(desk)
    browser = await browser_of(http, desk, StaffRole.RECEPTION)
    start = await browser.get(HERE)
    assert "tax details are needed" in start.text
    refused = await submit(browser, await browser.get(f"/admin/payments/{payment.id}"), f"{HERE}/issue")
    assert refused.status_code == 409
    assert_sober(refused)
    page = await browser.get(f"{HERE}/clients/{desk.client.id}")
    assert_sober(page)
    wrong = await submit(browser, page, **(CLIENT | {"tax_id": "1"}))
    assert wrong.status_code == 422
    assert (await submit(browser, page, **CLIENT)).status_code == 303
    await desk.run()
    assert [one.kind for one in await issued_at(desk)] == ["full"]
    assert "tax details are needed" not in (await browser.get(HERE)).text


async def test_an_invoice_is_shown_downloaded_and_corrected_once(http: HttpFactory, desk: Desk) -> None:
    await set_issuer(desk.runtime, desk.practice)
    await set_client(desk)
    await pay(desk)
    (invoice,) = await issued_at(desk)
    browser = await browser_of(http, desk)
    page = await browser.get(f"{HERE}/{invoice.id}")
    assert_sober(page)
    assert CLIENT["legal_name"] in page.text
    assert invoice.number in text_of((await browser.get(f"{HERE}/{invoice.id}.pdf")).content)
    assert invoice.number in (await browser.get(f"{HERE}/{invoice.id}.html")).text
    listed = await browser.get(HERE, params={"kind": "full", "since": "2020-01-01", "until": "nonsense"})
    assert invoice.number in listed.text
    differing, _substituting = _forms(page, f"{HERE}/{invoice.id}/rectify")
    for amount, reason, status in (("999", "x", 422), ("", "x", 422), ("5", "", 422), ("5,00", "Descuento", 303)):
        data = differing | {"amount": amount, "reason": reason}
        answer = await browser.post(f"{HERE}/{invoice.id}/rectify", data=data)
        assert answer.status_code == status, (amount, reason)
    data = differing | {"amount": "5,00", "reason": "Descuento"}
    again = await browser.post(f"{HERE}/{invoice.id}/rectify", data=data)
    assert again.status_code == 303
    assert [one.total_minor for one in await issued_at(desk)] == [PRICE, -500]


async def test_the_front_desk_is_neither_offered_a_correction_nor_may_send_one(http: HttpFactory, desk: Desk) -> None:
    await set_issuer(desk.runtime, desk.practice)
    await set_client(desk)
    await pay(desk)
    (invoice,) = await issued_at(desk)
    path = f"{HERE}/{invoice.id}/rectify"
    differing, _substituting = _forms(await (await browser_of(http, desk)).get(f"{HERE}/{invoice.id}"), path)
    front = await browser_of(http, desk, StaffRole.RECEPTION)
    page = await front.get(f"{HERE}/{invoice.id}")
    assert page.status_code == 200
    assert _forms(page, path) == []
    own_token = forms_of(page)[0].data  # of the button that signs out
    data = differing | own_token | {"amount": "5,00", "reason": "Descuento"}
    assert (await front.post(path, data=data)).status_code == 403
    assert [one.id for one in await issued_at(desk)] == [invoice.id]


async def test_other_details_are_an_invoice_in_its_place(http: HttpFactory, desk: Desk) -> None:
    await set_issuer(desk.runtime, desk.practice)
    await set_client(desk, legal_name="Mal Escrita")
    await pay(desk)
    await set_client(desk)
    (invoice,) = await issued_at(desk)
    browser = await browser_of(http, desk)
    _differing, substituting = _forms(await browser.get(f"{HERE}/{invoice.id}"), f"{HERE}/{invoice.id}/rectify")
    assert (await browser.post(f"{HERE}/{invoice.id}/rectify", data=substituting)).status_code == 303
    made = (await issued_at(desk))[-1]
    assert made.supersedes_id == invoice.id
    page = await browser.get(f"{HERE}/{invoice.id}")
    assert made.number in page.text
    assert "/rectify" not in page.text


async def test_a_simplified_one_is_exchanged(http: HttpFactory, desk: Desk) -> None:
    await set_issuer(desk.runtime, desk.practice)
    await pay(desk)
    (simplified,) = await issued_at(desk)
    browser = await browser_of(http, desk, StaffRole.RECEPTION)
    page = await browser.get(f"{HERE}/{simplified.id}")
    assert (await submit(browser, page, "/full-invoice")).status_code == 409
    await set_client(desk)
    done = await submit(browser, page, "/full-invoice")
    assert done.status_code == 303
    assert (await issued_at(desk))[-1].invoice_type == "F3"


async def test_the_quarter_is_downloaded(http: HttpFactory, desk: Desk) -> None:
    await set_issuer(desk.runtime, desk.practice)
    await pay(desk)
    today = clock.now().date()
    browser = await browser_of(http, desk, StaffRole.MANAGER)
    query: dict[str, str | int] = {"year": today.year, "quarter": (today.month + 2) // 3, "format": "csv"}
    assert "/export" in (await browser.get(HERE)).text
    file = await browser.get(f"{HERE}/export", params=query)
    assert f"S-{today.year}-0001" in file.text
    front = await browser_of(http, desk, StaffRole.RECEPTION)
    assert "/export" not in (await front.get(HERE)).text
    assert (await front.get(f"{HERE}/export", params=query)).status_code == 403


@pytest.mark.parametrize("path", [HERE, f"{HERE}/issuer", f"{HERE}/export?year=2026&quarter=1"])
async def test_a_practitioner_sees_none_of_it(http: HttpFactory, desk: Desk, path: str) -> None:
    browser = await browser_of(http, desk, StaffRole.PRACTITIONER)
    assert (await browser.get(path)).status_code == 403
    assert HERE not in (await browser.get("/admin")).text


def _forms(page: httpx.Response, action: str) -> list[dict[str, str]]:
    return [form.data for form in forms_of(page) if form.action == action]
