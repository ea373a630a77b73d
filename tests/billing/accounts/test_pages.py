"""The page about getting paid, without a line of JavaScript."""

import pytest

from tenants.accounts.models import StaffRole
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.payment_accounts import Counter
from tests.support.practices import PASSWORD, make_staff_member

PAGE = "/admin/payment-accounts"


@pytest.fixture
async def browser(counter: Counter) -> Counter:
    """The owner, signed in at the portal."""
    counter.api.headers.pop("Authorization")
    counter.api.headers.update(HTML)
    await sign_in(counter.api, "/admin/sign-in", counter.owner.email, PASSWORD)
    return counter


async def test_an_owner_goes_to_stripe_and_comes_back(browser: Counter) -> None:
    api = browser.api
    assert PAGE in (await api.get("/admin")).text
    page = await api.get(PAGE)
    assert_sober(page)
    leaving = await submit(api, page, "/stripe/connect")
    assert_sober(leaving)
    assert browser.stripe.url in leaving.text
    again = await api.get(f"{PAGE}/stripe/refresh")
    assert browser.stripe.url in again.text
    browser.stripe.onboard(str((await browser.present("stripe")).account_ref))
    assert (await api.get(f"{PAGE}/stripe/return")).headers["location"] == PAGE
    connected = await api.get(PAGE)
    assert_sober(connected)
    assert (await browser.present("stripe")).status == "active"
    assert (await submit(api, connected, "/stripe/disconnect")).status_code == 303
    assert (await browser.present("stripe")).status == "disconnected"


async def test_refused_keys_come_back_with_a_sentence_and_without_themselves(browser: Counter) -> None:
    page = await browser.api.get(PAGE)
    secret = "sk_test_inthewrongfield"
    refused = await submit(browser.api, page, "/stripe/keys", secret_key="pk_test_1234", publishable_key=secret)
    assert refused.status_code == 422
    assert secret not in refused.text
    assert_sober(refused)


async def test_nobody_but_owners_sees_it(browser: Counter) -> None:
    manager = await make_staff_member(browser.runtime, browser.practice, StaffRole.MANAGER)
    browser.api.cookies.clear()
    await sign_in(browser.api, "/admin/sign-in", manager.email, PASSWORD)
    assert (await browser.api.get(PAGE)).status_code == 403
