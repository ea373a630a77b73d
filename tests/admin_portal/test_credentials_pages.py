"""Staff's pages for lost and new passwords and another address."""

from urllib.parse import urlsplit

import httpx
import pytest

from tenants.accounts.services.staff_accounts import change_staff
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.mails import links_in, mails_of
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, SignedIn, make_staff_member
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NEW = "a wholly different phrase"


@pytest.fixture
async def staff(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """An owner whose language is English."""
    made = await make_staff_member(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        await change_staff(session, made.id, locale="en")
    return made


@pytest.fixture
async def browser(http: HttpFactory, practice: TenantContext, staff: SignedIn) -> httpx.AsyncClient:
    """Theirs, signed in."""
    made = http(practice, headers=HTML)
    await sign_in(made, "/admin/sign-in", staff.email, PASSWORD)
    return made


async def newest_links(runtime: Runtime, practice: TenantContext, to: str) -> list[str]:
    await run_due_events(runtime, practice)
    return links_in((await mails_of(runtime, practice, to))[-1].text)


async def test_a_forgotten_password_is_set_anew_by_mail(
    browser: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext, staff: SignedIn
) -> None:
    stranger = http(practice, headers=HTML)
    assert 'href="/admin/forgot-password"' in (await stranger.get("/admin/sign-in")).text
    form = await stranger.get("/admin/forgot-password")
    assert_sober(form)
    for email in ("nobody@example.com", staff.email):
        assert "is on its way" in (await submit(stranger, form, "/forgot-password", email=email)).text
    [link] = await newest_links(runtime, practice, staff.email)
    assert urlsplit(link).path == "/admin/reset-password"
    form = await stranger.get(link)
    assert_sober(form)
    weak = await submit(stranger, form, "/reset-password", password="1234567890")
    assert weak.status_code == 422
    done = await submit(stranger, form, "/reset-password", password=NEW)
    assert "Your new password is set." in done.text
    assert (await browser.get("/admin")).status_code == 303
    await sign_in(stranger, "/admin/sign-in", staff.email, NEW)


async def test_a_password_is_changed(browser: httpx.AsyncClient, staff: SignedIn, http: HttpFactory) -> None:
    assert 'href="/admin/security/password"' in (await browser.get("/admin/security")).text
    form = await browser.get("/admin/security/password")
    assert_sober(form)
    wrong = await submit(browser, form, "/password", current_password="not the one", new_password=NEW)
    assert wrong.status_code == 422
    done = await submit(browser, form, "/password", current_password=PASSWORD, new_password=NEW)
    assert (done.status_code, done.headers["location"]) == (303, "/admin/security")
    assert (await browser.get("/admin")).status_code == 200


async def test_an_address_is_changed_from_both(
    browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, staff: SignedIn
) -> None:
    form = await browser.get("/admin/security/email")
    assert_sober(form)
    assert "both addresses" in (await submit(browser, form, "/email", new_email="boss@example.com")).text
    old_link, _cancel = await newest_links(runtime, practice, staff.email)
    [new_link] = await newest_links(runtime, practice, "boss@example.com")
    for link in (old_link, new_link):
        assert urlsplit(link).path == "/admin/confirm-email"
        answer = await submit(browser, await browser.get(link), "/confirm-email")
        assert_sober(answer)
    assert "The address of the account is changed." in answer.text


async def test_the_old_address_stops_a_change(
    browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, staff: SignedIn
) -> None:
    await submit(browser, await browser.get("/admin/security/email"), "/email", new_email="thief@example.com")
    _confirm, cancel = await newest_links(runtime, practice, staff.email)
    page = await browser.get(cancel)
    assert_sober(page)
    assert "stopped" in (await submit(browser, page, "/cancel-email")).text
    assert (await browser.get("/admin")).status_code == 303
