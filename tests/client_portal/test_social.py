"""Signing in by Google and Facebook as browsers meet it, without scripts."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from tenants.settings.service import update_practice_settings
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.oauth_provider import OAuthProvider, Person
from tests.support.pages import HTML, assert_sober, form_of, forms_of, submit
from tests.support.practices import PASSWORD, make_client
from tests.support.social import ANA, return_from, running_provider, running_runtime, visit, with_providers
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
def provider() -> Iterator[OAuthProvider]:
    """Google and Facebook."""
    with running_provider() as running:
        yield running


@pytest.fixture
async def runtime(settings: Settings, provider: OAuthProvider) -> AsyncIterator[Runtime]:
    """The process's tools, with both providers set up."""
    async with running_runtime(with_providers(settings, provider)) as made:
        yield made


@pytest.fixture
def browser(http: HttpFactory, practice: TenantContext) -> httpx.AsyncClient:
    """Somebody's browser on the practice's host."""
    return http(practice, headers=HTML)


async def sign_in(browser: httpx.AsyncClient, email: str) -> None:
    """By password, past the buttons."""
    page = await browser.get("/sign-in")
    answer = await submit(browser, page, "/sign-in", email=email, password=PASSWORD)
    assert answer.status_code == 303, answer.text


async def follow(http: HttpFactory, leaving: httpx.Response) -> str:
    """From the page that leads to the provider, there and back: the address at the practice."""
    assert_sober(leaving)
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', leaving.text)
    assert found, leaving.text
    return await return_from(http(), await visit(found.group(1).replace("&amp;", "&")))


async def press(http: HttpFactory, browser: httpx.AsyncClient, name: str, path: str = "/sign-in") -> httpx.Response:
    """Press a provider's button on a page, and come back."""
    page = await browser.get(path)
    assert_sober(page)
    back = await follow(http, await submit(browser, page, f"/sign-in/with/{name}"))
    return await browser.get(back)


class TestSigningIn:
    @pytest.mark.parametrize("path", ["/sign-in?next=%2Fappointments", "/register?next=%2Fappointments"])
    async def test_google_signs_in_from_either_page_and_leads_on(
        self, path: str, http: HttpFactory, browser: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        back = await press(http, browser, "google", path)
        assert (back.status_code, back.headers["location"]) == (303, "/appointments")
        page = await browser.get("/appointments")
        assert page.status_code == 200
        assert "Ana Arce" in page.text

    async def test_a_way_back_that_is_too_long_is_left_out(
        self, http: HttpFactory, browser: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        page = await browser.get("/sign-in")
        back = await follow(http, await submit(browser, page, "/sign-in/with/google", next="/" + "?" * 1999))
        assert (await browser.get(back)).headers["location"] == "/appointments"

    async def test_the_buttons_say_what_is_accepted_by_pressing_them(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        assert "you accept the practice's privacy policy" in (await browser.get("/sign-in")).text
        async with runtime.database.tenant(practice) as session:
            await update_practice_settings(session, {"privacy_policy_url": "https://example.com/privacy"})
        assert 'href="https://example.com/privacy"' in (await browser.get("/sign-in")).text

    async def test_without_providers_there_are_no_buttons(self, browser: httpx.AsyncClient, runtime: Runtime) -> None:
        runtime.settings.providers.google.client_id = runtime.settings.providers.facebook.client_id = ""
        assert "/sign-in/with/" not in (await browser.get("/sign-in")).text

    async def test_whoever_declines_reads_a_sentence_where_they_began(
        self, http: HttpFactory, browser: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.denies = True
        back = await press(http, browser, "google", "/sign-in?next=%2Fbook")
        assert back.headers["location"] == "/sign-in?social=denied&next=%2Fbook"
        page = await browser.get(back.headers["location"])
        assert_sober(page)
        assert "You did not allow it there" in page.text
        provider.wishes.denies, provider.wishes.token_status, provider.wishes.person = False, 500, ANA
        page = await browser.get((await press(http, browser, "google")).headers["location"])
        assert "That did not work just now" in page.text

    async def test_the_way_on_is_never_to_another_host(
        self, http: HttpFactory, browser: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        page = await browser.get("/sign-in")
        back = await follow(http, await submit(browser, page, "/sign-in/with/google", next="//evil.example/x"))
        answer = await browser.get(back.replace("%2Fappointments", "https%3A%2F%2Fevil.example"))
        assert answer.headers["location"] == "/appointments"

    async def test_a_link_from_somebody_elses_sign_in_signs_nobody_in(
        self, http: HttpFactory, browser: httpx.AsyncClient, provider: OAuthProvider, practice: TenantContext
    ) -> None:
        provider.wishes.person = ANA
        attacker = http(practice, headers=HTML)
        leaving = await submit(attacker, await attacker.get("/sign-in"), "/sign-in/with/google")
        link = await follow(http, leaving)
        answer = await browser.get(link)
        assert answer.status_code == 400
        assert_sober(answer)
        assert "begun in another browser" in answer.text
        assert "client" not in browser.cookies

    async def test_an_account_that_was_never_confirmed_is_told_of_the_mail(
        self,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        await make_client(runtime, practice, ANA.email, is_verified=False)
        provider.wishes.person = ANA
        answer = await press(http, browser, "google")
        assert answer.status_code == 409
        assert "We have sent you a link" in answer.text
        await run_due_events(runtime, practice)
        assert len(await mails_of(runtime, practice, ANA.email)) == 1

    async def test_a_form_from_elsewhere_begins_nothing(self, browser: httpx.AsyncClient) -> None:
        await browser.get("/sign-in")
        answer = await browser.post("/sign-in/with/google", data={"next": "/"})
        assert answer.status_code == 403


class TestSomebodyNewByFacebook:
    async def test_they_give_an_address_and_type_in_the_code(
        self,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        provider.wishes.person = Person("1001", "tel@example.com", first_name="Tel", last_name="Fono")
        back = await press(http, browser, "facebook")
        assert urlsplit(back.headers["location"]).path == "/sign-in/social/email"
        assert "signup" not in back.headers["location"]  # the token is in a cookie, not in an address
        ask = await browser.get(back.headers["location"])
        assert_sober(ask)
        assert dict(form_of(ask).fields)["email"] == "tel@example.com"
        wrong = await submit(browser, ask, email="no address")
        assert wrong.status_code == 422
        assert_sober(wrong)
        sent = await submit(browser, ask, email="other@example.com")
        code_page = await browser.get(sent.headers["location"])
        assert_sober(code_page)
        assert "other@example.com" in code_page.text
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, "other@example.com")
        found = re.search(r"\b(\d{4} \d{4})\b", mail.text)
        assert found
        refused = await submit(browser, code_page, code="0000 0000")
        assert refused.status_code == 400
        assert_sober(refused)
        assert "other@example.com" in refused.text
        done = await submit(browser, refused, code=found.group(1))
        assert (done.status_code, done.headers["location"]) == (303, "/appointments")
        assert "Tel Fono" in (await browser.get("/appointments")).text

    @pytest.mark.parametrize("path", ["/sign-in/social/email", "/sign-in/social/code"])
    async def test_without_a_sign_up_there_is_nothing_to_give(self, path: str, browser: httpx.AsyncClient) -> None:
        page = await browser.get(path)
        assert page.status_code == 400
        assert_sober(page)
        sign_in_page = await browser.get("/sign-in")
        token = dict(forms_of(sign_in_page)[0].fields)["form_token"]
        answer = await browser.post(path, data={"form_token": token, "email": "a@example.com", "code": "12345678"})
        assert answer.status_code == 400


class TestConnections:
    async def test_a_client_connects_and_disconnects(
        self,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        client = await make_client(runtime, practice, locale="en")
        await sign_in(browser, client.email)
        page = await browser.get("/account/connections")
        assert_sober(page)
        assert "Nothing is connected" in page.text
        provider.wishes.person = ANA
        leaving = await submit(browser, page, "/account/connections/google")
        back = await browser.get(await follow(http, leaving))
        assert back.headers["location"] == "/account/connections?connected=google"
        page = await browser.get(back.headers["location"])
        assert_sober(page)
        assert "You can sign in with Google from now on." in page.text
        assert ANA.email is not None
        assert ANA.email in page.text
        gone = await submit(browser, page, "/disconnect")
        assert gone.headers["location"] == "/account/connections"
        assert "Nothing is connected" in (await browser.get("/account/connections")).text

    async def test_declining_leads_back_with_a_sentence(
        self,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        client = await make_client(runtime, practice, locale="en")
        await sign_in(browser, client.email)
        provider.wishes.denies = True
        leaving = await submit(browser, await browser.get("/account/connections"), "/account/connections/google")
        back = await browser.get(await follow(http, leaving))
        page = await browser.get(back.headers["location"])
        assert "You did not allow it there" in page.text

    async def test_an_old_sign_in_is_confirmed_first(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice, locale="en")
        with clock.at(clock.now() - timedelta(minutes=20)):
            await sign_in(browser, client.email)
        page = await browser.get("/account/connections")
        answer = await submit(browser, page, "/account/connections/google")
        assert answer.headers["location"] == "/account/confirm?next=%2Faccount%2Fconnections"

    async def test_an_unconfirmed_address_is_asked_for_first(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice, locale="en", is_verified=False)
        await sign_in(browser, client.email)
        page = await browser.get("/account/connections")
        assert "Confirm your e-mail address first" in page.text

    async def test_strangers_are_sent_to_sign_in(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.get("/account/connections")
        assert answer.headers["location"] == "/sign-in?next=%2Faccount%2Fconnections"
