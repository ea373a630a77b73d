"""Pages of one's own people and data."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from scheduling.appointments.models import Appointment
from tenants.accounts.models import Client, SignIn
from tenants.settings.service import update_practice_settings
from tests.conftest import HttpFactory
from tests.support.checkout import make_desk
from tests.support.pages import HTML, assert_sober, form_of, sign_in, submit
from tests.support.practices import PASSWORD, SignedIn, make_client
from tests.support.scheduling import make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    return await make_client(runtime, practice, locale="en")


@pytest.fixture
async def browser(http: HttpFactory, practice: TenantContext, client: SignedIn) -> httpx.AsyncClient:
    made = http(practice, headers=HTML)
    await sign_in(made, "/sign-in", client.email, PASSWORD)
    return made


async def add(browser: httpx.AsyncClient, first_name: str = "Leo", **more: str) -> httpx.Response:
    page = await browser.get("/account/people")
    values = {"first_name": first_name, "last_name": "Pequeño", "relationship": "child", **more}
    return await submit(browser, page, "/account/people", **values)


class TestPeople:
    async def test_are_added_changed_and_taken_away(self, browser: httpx.AsyncClient) -> None:
        assert (await add(browser, birth_date="2019-03-04")).status_code == 303
        page = await browser.get("/account/people")
        assert_sober(page)
        assert "Leo Pequeño" in page.text
        assert "March 4, 2019" in page.text
        link = page.text.partition('href="/account/people/')[2].partition('"')[0]
        person = await browser.get(f"/account/people/{link}")
        assert_sober(person)
        changed = await submit(browser, person, f"/account/people/{link}", first_name="Leonor", birth_date="")
        assert changed.status_code == 303
        page = await browser.get("/account/people")
        assert "Leonor Pequeño" in page.text
        assert "born on" not in page.text
        assert (await submit(browser, person, "/remove")).status_code == 303
        assert "Leonor" not in (await browser.get("/account/people")).text
        assert (await browser.get(f"/account/people/{link}")).status_code == 404

    async def test_what_makes_no_sense_is_said_beside_the_field(self, browser: httpx.AsyncClient) -> None:
        refused = await add(browser, "", birth_date="2999-01-01")
        assert refused.status_code == 422
        assert_sober(refused)
        assert "not to come" in refused.text

    async def test_are_chosen_when_booking_and_shown_with_the_appointment(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        starts_at = (clock.now() + timedelta(days=3)).replace(hour=10, minute=0, second=0, microsecond=0)
        address = f"/book/{offer.service_id}/confirm?starts_at={starts_at.isoformat().replace('+', '%2B')}"
        page = await browser.get(address)
        assert "For whom" not in page.text
        await add(browser)
        page = await browser.get(address)
        assert_sober(page)
        assert "For me" in page.text
        child = page.text.partition(">Leo Pequeño<")[0].rpartition('value="')[2].partition('"')[0]
        stranger = await submit(browser, page, dependant_id=str(offer.service_id))
        assert stranger.status_code == 422
        assert "Choose one of the people you book for." in stranger.text
        booked = await submit(browser, page, dependant_id=child)
        assert booked.status_code == 303, booked.text
        shown = await browser.get(booked.headers["location"])
        assert "Leo Pequeño" in shown.text
        entry = await browser.get(f"{booked.headers['location']}/calendar.ics")
        assert "Leo Pequeño" in entry.text.replace("\r\n ", "")
        assert "Leo Pequeño" in (await browser.get("/appointments")).text


class TestConsent:
    async def test_a_new_version_is_announced_on_pages_until_it_is_agreed_to_and_blocks_nothing(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        assert "new privacy policy" not in (await browser.get("/appointments")).text
        async with runtime.database.tenant(practice) as session:
            await update_practice_settings(
                session, {"privacy_policy_version": "2", "privacy_policy_url": "https://example.com/privacy"}
            )
        page = await browser.get("/appointments")
        assert_sober(page)
        assert "new privacy policy (version 2)" in page.text
        assert "https://example.com/privacy" in page.text
        accepted = await submit(browser, page, "/account/privacy/accept")
        assert (accepted.status_code, accepted.headers["location"]) == (303, "/appointments")
        assert "new privacy policy" not in (await browser.get("/appointments")).text
        own = await browser.get("/account/privacy")
        assert_sober(own)
        assert "You agreed to version 2" in own.text
        assert "You agreed to version 1" in own.text

    async def test_an_older_version_can_not_be_agreed_to(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            await update_practice_settings(session, {"privacy_policy_version": "3"})
        page = await browser.get("/account/privacy")
        answer = await submit(browser, page, "/account/privacy/accept", version="2")
        assert answer.status_code == 409
        assert "the current version is 3" in answer.text


class TestOwnData:
    async def test_is_downloaded_as_a_file(self, browser: httpx.AsyncClient, client: SignedIn) -> None:
        answer = await browser.get("/account/privacy/export")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith('attachment; filename="')
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["data"]["account"]["profile"]["email"] == client.email

    async def test_is_erased_after_a_preview_and_a_tick_with_a_receipt(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        desk = await make_desk(runtime, practice, client)
        held = await desk.book()
        page = await browser.get("/account/privacy/erase")
        assert_sober(page)
        assert "Primera consulta" in page.text
        assert "Nothing obliges us to keep it." in page.text
        unticked = await submit(browser, page, "/account/privacy/erase")
        assert unticked.status_code == 422
        assert "Tick this box" in unticked.text
        receipt = await submit(browser, page, "/account/privacy/erase", understood="yes")
        assert receipt.status_code == 200, receipt.text
        assert_sober(receipt)
        assert "Your account is deleted" in receipt.text
        assert "Sign out" not in receipt.text
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Client, client.id)
            assert row.erased_at is not None
            assert (await session.get_one(Appointment, held.id)).status == "cancelled"
            assert (await session.scalars(select(SignIn).where(SignIn.account_id == client.id))).all() == []
        gone = await browser.get("/appointments")
        assert (gone.status_code, gone.headers["location"].partition("?")[0]) == (303, "/sign-in")

    @pytest.mark.parametrize("path", ["/account/privacy/erase", "/account/privacy/export"])
    async def test_wants_proof_of_who_one_is(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, path: str
    ) -> None:
        page = await browser.get("/account/privacy/erase")
        async with runtime.database.tenant(practice) as session:
            await session.execute(update(SignIn).values(authenticated_at=clock.now() - timedelta(hours=1)))
        answer = await browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/account/confirm?next=%2Faccount%2Fprivacy%2F")
        form = form_of(page, "/account/privacy/erase")
        sent = await browser.post(form.action, data={**form.data, "understood": "yes"})
        assert (sent.status_code, sent.headers["location"]) == (
            303,
            "/account/confirm?next=%2Faccount%2Fprivacy%2Ferase",
        )
