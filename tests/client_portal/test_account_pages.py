"""Clients' own accounts as browsers meet them: registered, signed in, changed."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from scheduling.appointments.models import AppointmentStatus
from tenants.accounts.models import Client
from tenants.accounts.services import client_accounts
from tenants.settings.service import update_practice_settings
from tests.conftest import HttpFactory
from tests.support.booking_pages import book, id_in, signed_in
from tests.support.events import run_due_events
from tests.support.pages import HTML, assert_sober, form_of, sign_in, submit
from tests.support.practices import PASSWORD, make_client
from tests.support.problems import assert_problem
from tests.support.scheduling import Offer, stored
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


class TestAccounts:
    async def test_a_taken_address_gets_the_same_answer_as_a_new_one(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        known = await make_client(runtime, practice)
        pages = [
            await submit(
                browser,
                await browser.get("/register"),
                first_name="A",
                last_name="B",
                email=email,
                password=PASSWORD + "x",
                accept_privacy="yes",
            )
            for email in ("new@example.com", known.email)
        ]
        texts = [
            re.sub(r'name="form_token" value="[^"]+"', "", page.text).replace(email, "")
            for page, email in zip(pages, ("new@example.com", known.email), strict=True)
        ]
        assert texts[0] == texts[1]
        assert pages[0].status_code == pages[1].status_code == 200
        assert pages[0].cookies.keys() == pages[1].cookies.keys()

    async def test_a_practice_that_reveals_taken_addresses_signs_new_clients_in_at_once(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            await update_practice_settings(session, {"reveal_taken_email": True})
        values = {"first_name": "A", "last_name": "B", "email": "a@example.com", "password": PASSWORD}
        page = await browser.get("/register")
        answer = await submit(browser, page, **values, accept_privacy="yes")
        assert answer.headers["location"] == "/appointments"
        assert (await browser.get("/appointments")).status_code == 200
        again = await submit(browser, await browser.get("/register"), **values, accept_privacy="yes")
        assert again.status_code == 409
        assert "There is an account with this e-mail already." in again.text

    async def test_a_refused_form_keeps_what_was_typed_but_the_password(self, browser: httpx.AsyncClient) -> None:
        answer = await submit(
            browser,
            await browser.get("/register"),
            first_name="Rosa",
            last_name="",
            email="rosa-at-example",
            password="secret99",
        )
        assert answer.status_code == 422
        assert_sober(answer)
        assert 'value="Rosa"' in answer.text
        assert "secret99" not in answer.text
        assert 'href="#f-email"' in answer.text
        assert "Write an e-mail address like name@example.com." in answer.text
        assert "Write at least 10 characters." in answer.text
        assert "To open an account you need to accept this." in answer.text
        assert 'aria-invalid="true"' in answer.text

    async def test_links_from_mails_do_nothing_until_the_button_is_pressed(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice, is_verified=False)
        async with runtime.database.tenant(practice) as session:
            await client_accounts.request_verification(session, client.email)
            await client_accounts.request_password_reset(session, client.email)
        await run_due_events(runtime, practice)
        mails = (await browser.get("/dev/mailbox", headers={"Accept": "application/json"})).json()["items"]
        links = {
            urlsplit(url).path: url for mail in mails for url in re.findall(r"http://\S+\?token=\S+", mail["text"])
        }
        verify = await browser.get(links["/verify-email"])
        async with runtime.database.tenant(practice) as session:
            assert not (await session.get_one(Client, client.id)).is_verified
        assert "your address is confirmed" in (await submit(browser, verify)).text
        async with runtime.database.tenant(practice) as session:
            assert (await session.get_one(Client, client.id)).is_verified
        used = await submit(browser, verify)
        assert used.status_code == 400
        reset = await submit(browser, await browser.get(links["/reset-password"]), password="another password 9")
        assert "Your new password is set." in reset.text
        await sign_in(browser, "/sign-in", client.email, "another password 9")

    async def test_forgotten_passwords_tell_nothing(self, browser: httpx.AsyncClient) -> None:
        answer = await submit(browser, await browser.get("/forgot-password"), email="nobody@example.com")
        assert "If there is an account" in answer.text

    @pytest.mark.parametrize(
        "target",
        ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
         "/\t/evil.example", "http:/evil.example", "///evil.example", "evil.example"],
    )  # fmt: skip
    async def test_signing_in_leads_nowhere_but_here(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, target: str
    ) -> None:
        client = await make_client(runtime, practice)
        page = await browser.get("/sign-in", params={"next": target})
        answer = await submit(browser, page, email=client.email, password=PASSWORD)
        assert answer.headers["location"] == "/appointments"
        browser.cookies.clear()
        page = await browser.get("/sign-in")
        answer = await submit(browser, page, email=client.email, password=PASSWORD, next=target)
        assert answer.headers["location"] == "/appointments"

    async def test_signing_in_leads_back_to_where_one_was(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        asked = await browser.get("/appointments?cursor=")
        onward = urlsplit(asked.headers["location"])
        assert onward.path == "/sign-in"
        assert parse_qs(onward.query)["next"] == ["/appointments?cursor="]
        answer = await submit(
            browser, await browser.get(asked.headers["location"]), email=client.email, password=PASSWORD
        )
        assert answer.headers["location"] == "/appointments?cursor="


class TestSignIns:
    async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        answer = await sign_in(browser, "/sign-in", client.email, PASSWORD)
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "path=/" in cookie
        assert "domain" not in cookie

    async def test_the_cookie_of_another_practice_is_worthless(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        theirs = await signed_in(http, runtime, other_practice)
        here = http(practice, headers=HTML, cookies={"client": theirs.cookies["client"]})
        assert (await here.get("/appointments")).headers["location"].startswith("/sign-in")

    async def test_a_cookie_is_no_bearer_token_and_a_bearer_token_is_no_cookie(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        browser = http(practice, headers=HTML)
        await sign_in(browser, "/sign-in", client.email, PASSWORD)
        token = browser.cookies["client"]
        api = http(practice)
        assert_problem(
            await api.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"}), 401, "invalid_token"
        )
        assert (await browser.get("/api/v1/users/me")).status_code == 401
        bearer = client.headers["Authorization"].removeprefix("Bearer ")
        other = http(practice, headers=HTML, cookies={"client": bearer, "staff": bearer})
        assert (await other.get("/appointments")).status_code == 303
        assert (await other.get("/admin")).status_code == 303

    async def test_signing_out_ends_the_copies_of_the_cookie_too(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        browser = await signed_in(http, runtime, practice)
        copy = http(practice, headers=HTML, cookies=dict(browser.cookies))
        page = await browser.get("/")
        answer = await submit(browser, page, "/sign-out")
        assert answer.headers["location"] == "/"
        assert "client" not in browser.cookies
        assert (await copy.get("/appointments")).status_code == 303

    async def test_a_closed_account_is_out_at_once(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        browser = await signed_in(http, runtime, practice, email="gone@example.com")
        async with runtime.database.tenant(practice) as session:
            row = (await session.scalars(select(Client).where(Client.email == "gone@example.com"))).one()
            row.is_active = False
        assert (await browser.get("/appointments")).status_code == 303

    async def test_another_clients_appointment_is_not_there(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        address = await book(await signed_in(http, runtime, practice), offer)
        other = await signed_in(http, runtime, practice)
        page = await other.get("/appointments")
        for path in ("", "/cancel", "/move", "/return", "/calendar.ics"):
            assert (await other.get(address + path)).status_code == 404
        token = form_of(page, "/sign-out").data["form_token"]
        for path in ("/cancel", "/pay"):
            assert (await other.post(address + path, data={"form_token": token})).status_code == 404
        assert (await stored(runtime, practice, id_in(address))).status == AppointmentStatus.CONFIRMED
