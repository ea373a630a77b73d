"""The pages of one's own account, and signing in by a link, as browsers meet them."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import update

from tenants.accounts.models import Client, SignIn
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.mails import links_in, mails_of
from tests.support.pages import HTML, assert_sober, form_of, sign_in, submit
from tests.support.practices import PASSWORD, make_client
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

EMAIL = "carla@example.com"
NEW = "a wholly different phrase"


@pytest.fixture
async def browser(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    """A client's, signed in, in English."""
    await make_client(runtime, practice, EMAIL, locale="en")
    made = http(practice, headers=HTML)
    await sign_in(made, "/sign-in", EMAIL, PASSWORD)
    return made


async def newest_links(runtime: Runtime, practice: TenantContext, to: str = EMAIL) -> list[str]:
    await run_due_events(runtime, practice)
    return links_in((await mails_of(runtime, practice, to))[-1].text)


async def grow_stale(runtime: Runtime, practice: TenantContext) -> None:
    async with runtime.database.tenant(practice) as session:
        await session.execute(update(SignIn).values(authenticated_at=clock.now() - timedelta(hours=1)))


async def forget_password(runtime: Runtime, practice: TenantContext) -> None:
    async with runtime.database.tenant(practice) as session:
        await session.execute(update(Client).values(hashed_password=None))


@pytest.mark.parametrize("path", ["/account", "/account/security", "/account/confirm"])
async def test_they_are_for_clients_who_are_signed_in(
    path: str, browser: httpx.AsyncClient, http: HttpFactory, practice: TenantContext
) -> None:
    assert_sober(await browser.get(path))
    stranger = await http(practice, headers=HTML).get(path)
    assert stranger.status_code == 303
    assert stranger.headers["location"].startswith("/sign-in?next=")


class TestProfile:
    async def test_it_is_shown_and_changed(self, browser: httpx.AsyncClient) -> None:
        page = await browser.get("/account")
        assert EMAIL in page.text
        assert 'href="/account/security"' in page.text
        saved = await submit(browser, page, "/account", first_name="Clara", phone="+34 600 000 000", locale="es")
        assert saved.status_code == 303
        after = await browser.get(saved.headers["location"])
        assert "Guardado." in after.text
        assert 'value="Clara"' in after.text
        assert 'value="+34 600 000 000"' in after.text

    async def test_what_is_wrong_is_said(self, browser: httpx.AsyncClient) -> None:
        answer = await submit(
            browser, await browser.get("/account"), "/account", first_name="", timezone="Mars/Olympus", phone="abc"
        )
        assert answer.status_code == 422
        assert_sober(answer)
        assert "Choose a time zone of the list." in answer.text
        assert "error-summary" in answer.text


class TestSecurity:
    async def test_another_password_signs_out_everywhere_else(
        self, browser: httpx.AsyncClient, http: HttpFactory, practice: TenantContext
    ) -> None:
        other = http(practice, headers=HTML)
        await sign_in(other, "/sign-in", EMAIL, PASSWORD)
        page = await browser.get("/account/security")
        answer = await submit(browser, page, "/password", current_password=PASSWORD, new_password=NEW)
        assert answer.status_code == 303
        assert "Your new password is set" in (await browser.get(answer.headers["location"])).text
        assert (await other.get("/account")).status_code == 303
        await sign_in(other, "/sign-in", EMAIL, NEW)

    async def test_a_wrong_or_weak_one_is_refused_in_words(self, browser: httpx.AsyncClient) -> None:
        page = await browser.get("/account/security")
        wrong = await submit(browser, page, "/password", current_password="not the one", new_password=NEW)
        assert wrong.status_code == 422
        assert "The e-mail or the password is wrong." in wrong.text
        assert_sober(wrong)
        weak = await submit(browser, page, "/password", current_password=PASSWORD, new_password="1234567890")
        assert weak.status_code == 422
        assert 'href="#f-new_password"' in weak.text
        assert "passwords that are tried first" in weak.text

    async def test_too_many_wrong_ones_are_told_to_wait(self, browser: httpx.AsyncClient) -> None:
        page = await browser.get("/account/security")
        for _ in range(5):
            await submit(browser, page, "/password", current_password="not the one", new_password=NEW)
        locked = await submit(browser, page, "/password", current_password=PASSWORD, new_password=NEW)
        assert locked.status_code == 429
        assert int(locked.headers["retry-after"]) <= 30
        assert "Too many attempts" in locked.text

    async def test_other_sign_ins_are_seen_and_ended(
        self, browser: httpx.AsyncClient, http: HttpFactory, practice: TenantContext
    ) -> None:
        await submit(browser, await browser.get("/account/security"), "/end-others")
        other = http(practice, headers=HTML | {"User-Agent": "Somebody's telephone <b>"})
        await sign_in(other, "/sign-in", EMAIL, PASSWORD)
        page = await browser.get("/account/security")
        assert "Somebody&#39;s telephone &lt;b&gt;" in page.text
        assert page.text.count("Signed in on") == 2
        answer = await submit(browser, page, "/end")
        assert answer.status_code == 303
        assert (await other.get("/account")).status_code == 303
        assert (await browser.get("/account")).status_code == 200

    async def test_sign_out_everywhere_else(
        self, browser: httpx.AsyncClient, http: HttpFactory, practice: TenantContext
    ) -> None:
        other = http(practice, headers=HTML)
        await sign_in(other, "/sign-in", EMAIL, PASSWORD)
        await submit(browser, await browser.get("/account/security"), "/end-others")
        assert (await other.get("/account")).status_code == 303
        assert (await browser.get("/account")).status_code == 200

    async def test_an_address_is_changed_from_both(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        page = await browser.get("/account/security")
        asked = await submit(browser, page, "/email", new_email="new@example.com")
        assert asked.status_code == 303
        assert "waits to be confirmed" in (await browser.get("/account/security")).text
        old_link, _cancel = await newest_links(runtime, practice)
        [new_link] = await newest_links(runtime, practice, "new@example.com")
        first = await submit(browser, await browser.get(old_link), "/confirm-email")
        assert "as soon as the other address" in first.text
        second = await submit(browser, await browser.get(new_link), "/confirm-email")
        assert "The address of the account is changed." in second.text
        assert_sober(second)
        assert "new@example.com" in (await browser.get("/account")).text
        again = await submit(browser, await browser.get(new_link), "/confirm-email")
        assert again.status_code == 400

    async def test_the_old_address_stops_it(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        await submit(browser, await browser.get("/account/security"), "/email", new_email="thief@example.com")
        _confirm, cancel = await newest_links(runtime, practice)
        page = await browser.get(cancel)
        assert_sober(page)
        assert "stopped" in (await submit(browser, page, "/cancel-email")).text
        assert (await browser.get("/account")).status_code == 303

    async def test_ones_own_address_is_said_to_be_none(self, browser: httpx.AsyncClient) -> None:
        answer = await submit(browser, await browser.get("/account/security"), "/email", new_email=EMAIL)
        assert answer.status_code == 422
        assert "That is the address of the account already." in answer.text


class TestConfirming:
    async def test_a_sensitive_act_asks_for_the_password_and_goes_on(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        page = await browser.get("/account/security")
        await grow_stale(runtime, practice)
        asked = await submit(browser, page, "/email", new_email="new@example.com")
        assert asked.headers["location"] == "/account/confirm?next=%2Faccount%2Fsecurity"
        form = await browser.get(asked.headers["location"])
        assert_sober(form)
        wrong = await submit(browser, form, "/account/confirm", password="not the one")
        assert wrong.status_code == 422
        right = await submit(browser, form, "/account/confirm", password=PASSWORD)
        assert right.headers["location"] == "/account/security"
        assert (
            (await submit(browser, page, "/email", new_email="new@example.com")).headers["location"].endswith("email")
        )

    async def test_it_leads_to_this_host_only(self, browser: httpx.AsyncClient) -> None:
        form = await browser.get("/account/confirm", params={"next": "//evil.example.com/"})
        right = await submit(browser, form, "/account/confirm", password=PASSWORD)
        assert right.headers["location"] == "/account"

    async def test_without_a_password_a_link_will_do(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        await forget_password(runtime, practice)
        await grow_stale(runtime, practice)
        page = await browser.get("/account/security")
        assert "Password so far" not in page.text
        asked = await submit(browser, page, "/password", new_password=NEW)
        form = await browser.get(asked.headers["location"])
        assert "is on its way" in (await submit(browser, form, "/magic-link/request")).text
        [link] = await newest_links(runtime, practice)
        back = await submit(browser, await browser.get(link), "/magic-link")
        assert back.headers["location"] == "/account/security"
        page = await browser.get("/account/security")
        assert (await submit(browser, page, "/password", new_password=NEW)).headers["location"].endswith("password")


class TestMagicLink:
    async def test_from_the_sign_in_page_to_where_one_wanted_to_be(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        await make_client(runtime, practice, EMAIL, locale="en")
        browser = http(practice, headers=HTML)
        page = await browser.get("/sign-in", params={"next": "/account/security"})
        assert 'href="/magic-link/request?next=/account/security"' in page.text
        form = await browser.get("/magic-link/request", params={"next": "/account/security"})
        assert_sober(form)
        answers = [await submit(browser, form, "/request", email=email) for email in ("nobody@example.com", EMAIL)]
        assert [answer.text.count("is on its way") for answer in answers] == [1, 1]
        [link] = await newest_links(runtime, practice)
        assert parse_qs(urlsplit(link).query)["next"] == ["/account/security"]
        for _ in range(2):  # a program that checks mails looks at it too
            button = await browser.get(link)
            assert_sober(button)
        done = await submit(browser, button, "/magic-link")
        assert (done.status_code, done.headers["location"]) == (303, "/account/security")
        assert "Link by e-mail" in (await browser.get("/account/security")).text
        spent = await submit(browser, await browser.get(link), "/magic-link")
        assert spent.status_code == 400
        assert "Send me another link" in spent.text

    async def test_it_leads_to_this_host_only(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        await make_client(runtime, practice, EMAIL)
        browser = http(practice, headers=HTML)
        await submit(browser, await browser.get("/magic-link/request"), "/request", email=EMAIL)
        [link] = await newest_links(runtime, practice)
        button = await browser.get(link.partition("&next=")[0] + "&next=//evil.example.com")
        done = await submit(browser, button, "/magic-link")
        assert done.headers["location"] == "/appointments"

    async def test_no_other_site_can_send_the_form(self, http: HttpFactory, practice: TenantContext) -> None:
        browser = http(practice, headers=HTML)
        data = form_of(await browser.get("/magic-link?token=x"), "/magic-link").data
        for path in ("/magic-link", "/magic-link/request", "/confirm-email", "/cancel-email"):
            answer = await browser.post(path, data=data | {"form_token": "forged"})
            assert answer.status_code == 403
