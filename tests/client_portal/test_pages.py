"""The booking site as browsers meet it: booking and paying, and what must not work."""

import html
import re
import secrets
from datetime import timedelta

import httpx
import pytest

from client_portal.router import PARTS
from scheduling.appointments.models import AppointmentStatus
from scheduling.catalogue.models import ServicePractitioner
from tests.conftest import HttpFactory
from tests.support.booking_pages import EVIL, book, count_appointments, first_confirmation, id_in, signed_in
from tests.support.events import run_due_events
from tests.support.pages import HTML, assert_sober, form_of, posting_paths, submit
from tests.support.practices import PASSWORD, make_client
from tests.support.problems import assert_problem
from tests.support.scheduling import Offer, make_offer, make_practitioner, stored
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.service import suspend_tenant


class TestBooking:
    async def test_a_stranger_registers_on_the_way_books_pays_and_is_confirmed(
        self, browser: httpx.AsyncClient, offer: Offer, runtime: Runtime, practice: TenantContext
    ) -> None:
        landing = await browser.get("/")
        assert "Primera visita" in landing.text
        assert "€45.00" in landing.text
        confirm = await first_confirmation(browser, offer)
        onward = re.search(r'href="(/register\?next=[^"]+)"', confirm.text)
        assert onward is not None
        register = await browser.get(html.unescape(onward.group(1)))
        after = await submit(
            browser,
            register,
            first_name="Nina",
            last_name="Nueva",
            email="nina@example.com",
            password=PASSWORD,
            accept_privacy="yes",
            timezone="Atlantic/Canary",
        )
        assert "Thank you. Sign in" in after.text
        back = await submit(browser, after, password=PASSWORD)
        assert back.status_code == 303
        confirm = await browser.get(back.headers["location"])
        assert "Atlantic" not in confirm.text  # the choice made on the way is kept: times in Madrid
        leaving = await submit(browser, confirm, method="sandbox", notes="Soy celíaca")
        assert leaving.status_code == 303
        order = leaving.headers["location"]
        assert "/sandbox/pay/" in order
        paid = await browser.post(order, data={"outcome": "approve"})
        returned = await browser.get(paid.headers["location"])
        assert returned.status_code == 303
        page = await browser.get(returned.headers["location"])
        assert "Your appointment is confirmed." in page.text
        assert "Canary" in page.text
        assert "€45.00 paid" in page.text
        assert "Soy celíaca" in page.text
        row = await stored(runtime, practice, id_in(returned.headers["location"]))
        assert row.status == AppointmentStatus.CONFIRMED
        calendar = await browser.get(f"/appointments/{row.id}/calendar.ics")
        assert calendar.headers["content-type"] == "text/calendar; charset=utf-8"
        assert calendar.text.startswith("BEGIN:VCALENDAR")

    async def test_a_double_click_books_once(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        browser = await signed_in(http, runtime, practice)
        page = await first_confirmation(browser, offer)
        answers = [await submit(browser, page, method="offline") for _ in range(2)]
        assert {answer.status_code for answer in answers} == {303}
        assert len({answer.headers["location"] for answer in answers}) == 1
        assert await count_appointments(runtime, practice) == 1

    async def test_a_time_that_is_gone_leads_back_to_the_times_with_a_sentence(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        slow, fast = [await signed_in(http, runtime, practice) for _ in range(2)]
        page = await first_confirmation(slow, offer)
        await book(fast, offer)
        answer = await submit(slow, page, method="offline")
        assert answer.status_code == 409
        assert "This time has just been taken" in answer.text
        assert 'class="times"' in answer.text
        assert await count_appointments(runtime, practice) == 1

    async def test_a_free_service_is_confirmed_without_paying(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        free = await make_offer(runtime, practice)
        browser = await signed_in(http, runtime, practice)
        page = await browser.get(await book(browser, free))
        assert "Your appointment is confirmed." in page.text

    async def test_declining_keeps_the_time_for_another_try(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        browser = await signed_in(http, runtime, practice)
        declined = await browser.post(await book(browser, offer, "sandbox"), data={"outcome": "decline"})
        page = await browser.get(declined.headers["location"])
        assert "Not paid yet." in page.text
        again = await submit(browser, page, "/pay", method="offline")
        page = await browser.get(again.headers["location"])
        assert "Your appointment is confirmed." in page.text

    async def test_a_payment_that_is_undecided_says_so_and_offers_to_look_again(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        browser = await signed_in(http, runtime, practice)
        await book(browser, offer, "sandbox")
        listed = await browser.get("/appointments")
        own = re.search(r"/appointments/[0-9a-f-]{36}", listed.text)
        assert own is not None
        page = await browser.get(f"{own.group()}/return")
        assert "The payment is on its way" in page.text
        assert_sober(page)

    async def test_nobody_dearer_is_offered_to_move_to(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        browser = await signed_in(http, runtime, practice)
        address = await book(browser, offer)
        async with runtime.database.tenant(practice) as session:
            for name, price_minor in (("Carmen Cara", 9000), ("Bea Barata", 3000)):
                other = await make_practitioner(session, name=name)
                session.add(
                    ServicePractitioner(service_id=offer.service_id, practitioner_id=other.id, price_minor=price_minor)
                )
        times = await browser.get(f"{address}/move")
        assert "Bea Barata" in times.text
        assert "Carmen Cara" not in times.text

    async def test_moving_and_cancelling(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        browser = await signed_in(http, runtime, practice)
        address = await book(browser, offer)
        before = await stored(runtime, practice, id_in(address))
        day = (before.starts_at + timedelta(days=1)).date()
        times = await browser.get(f"{address}/move", params={"from": day.isoformat()})
        links = re.findall(r'href="([^"]+/move/confirm\?[^"]+)"', times.text)
        moved = await submit(browser, await browser.get(html.unescape(links[1])))
        assert moved.headers["location"] == address
        after = await stored(runtime, practice, id_in(address))
        assert after.starts_at > before.starts_at
        asked = await browser.get(f"{address}/cancel")
        assert_sober(asked)
        cancelled = await submit(browser, asked, reason="Estoy de viaje")
        page = await browser.get(cancelled.headers["location"])
        assert "This appointment is cancelled." in page.text
        row = await stored(runtime, practice, id_in(address))
        assert row.cancellation_reason == "Estoy de viaje"

    async def test_cancelling_says_beforehand_what_comes_back_and_then_it_does(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        browser = await signed_in(http, runtime, practice)
        paid = await browser.post(await book(browser, offer, "sandbox"), data={"outcome": "approve"})
        address = (await browser.get(paid.headers["location"])).headers["location"]
        asked = await browser.get(f"{address}/cancel")
        assert "€45.00 goes back to you." in asked.text
        await submit(browser, asked)
        await run_due_events(runtime, practice)
        assert "€45.00 goes back to you." in (await browser.get(address)).text

    async def test_times_are_in_the_zone_that_was_asked_for(self, browser: httpx.AsyncClient, offer: Offer) -> None:
        page = await browser.get(f"/book/{offer.service_id}", params={"timezone": "Asia/Tokyo", "from": "2099-01-01"})
        assert "Tokyo" in page.text
        nonsense = await browser.get(f"/book/{offer.service_id}", params={"timezone": "Nowhere", "from": "soon"})
        assert nonsense.status_code == 200
        assert "Madrid" in nonsense.text


class TestForgedForms:
    @pytest.mark.parametrize("path", posting_paths(PARTS))
    async def test_no_form_is_taken_without_its_own_token_from_its_own_origin(
        self, path: str, http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        browser = await signed_in(http, runtime, practice)
        token = form_of(await browser.get("/"), "/sign-out").data["form_token"]
        stranger = await signed_in(http, runtime, practice)
        foreign = form_of(await stranger.get("/"), "/sign-out").data["form_token"]
        attempts: list[tuple[dict[str, str], dict[str, str]]] = [
            ({}, {}),
            ({"form_token": ""}, {}),
            ({"form_token": secrets.token_hex(32)}, {}),
            ({"form_token": foreign}, {}),
            ({"form_token": token}, {"Origin": "https://evil.example"}),
            ({"form_token": token}, {"Origin": f"http://{other_practice.slug}.localhost:8000"}),
            ({"form_token": token}, {"Origin": f"http://{practice.slug}.localhost:9999"}),
            ({"form_token": token}, {"Origin": "null"}),
            ({"form_token": token}, {"Sec-Fetch-Site": "cross-site"}),
            ({"form_token": token}, {"Sec-Fetch-Site": "same-site"}),
        ]
        for data, headers in attempts:
            answer = await browser.post(path, data=data, headers=headers)
            assert answer.status_code == 403, (data, headers)
            assert "nothing was done" in answer.text
        assert (await browser.get("/appointments")).status_code == 200  # not even signed out

    async def test_a_token_of_an_anonymous_visitor_needs_their_cookie(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        victim, attacker = (http(practice, headers=HTML) for _ in range(2))
        page = await attacker.get("/sign-in")
        data = form_of(page).data | {"email": client.email, "password": PASSWORD}
        assert (await victim.post("/sign-in", data=data)).status_code == 403
        await victim.get("/sign-in")
        assert (await victim.post("/sign-in", data=data)).status_code == 403
        assert (await attacker.post("/sign-in", data=data)).status_code == 303

    async def test_our_own_origin_is_right_and_null_is_when_the_browser_vouches(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        for headers in (
            {"Origin": f"http://{practice.slug}.localhost:8000", "Sec-Fetch-Site": "same-origin"},
            {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        ):
            browser = http(practice, headers=HTML)
            data = form_of(await browser.get("/sign-in")).data | {"email": client.email, "password": PASSWORD}
            assert (await browser.post("/sign-in", data=data, headers=headers)).status_code == 303

    async def test_a_forged_cancellation_changes_nothing(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        browser = await signed_in(http, runtime, practice)
        address = await book(browser, offer)
        for data in ({}, {"form_token": "x"}):
            assert (await browser.post(f"{address}/cancel", data=data)).status_code == 403
        assert (await stored(runtime, practice, id_in(address))).status == AppointmentStatus.CONFIRMED


class TestPages:
    async def test_what_people_typed_is_only_ever_text(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, name=EVIL, description=EVIL, price_minor=4500)
        browser = await signed_in(http, runtime, practice, first_name=EVIL, last_name='"><img src=x onerror=alert(1)>')
        confirm = await first_confirmation(browser, offer)
        answer = await submit(browser, confirm, method="offline", notes=EVIL)
        address = answer.headers["location"]
        for path in ("/", f"/book/{offer.service_id}", "/appointments", address, f"{address}/cancel"):
            page = await browser.get(path)
            assert "<script>alert" not in page.text
            assert "<img" not in page.text
            assert "&lt;script&gt;" in page.text
            assert_sober(page)

    async def test_every_page_is_sober_in_both_languages(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, offer: Offer
    ) -> None:
        confirm = str((await first_confirmation(browser, offer)).url)
        words = {"en": "Skip to the content", "es": "Ir al contenido"}
        paths = ("/", f"/book/{offer.service_id}", confirm, "/sign-in", "/register", "/forgot-password",
                 "/reset-password?token=x", "/verify-email?token=x")  # fmt: skip
        for language, word in words.items():
            for path in paths:
                page = await browser.get(path, headers={"Accept-Language": language})
                assert page.status_code == 200
                assert_sober(page)
                assert word in page.text
                assert f'<html lang="{language}">' in page.text
        assert "Times are" not in (await browser.get(paths[1], headers={"Accept-Language": "es-MX"})).text

    async def test_browsers_get_a_page_for_what_is_missing_and_programs_a_document(
        self, http: HttpFactory, browser: httpx.AsyncClient, practice: TenantContext
    ) -> None:
        page = await browser.get("/nowhere")
        assert page.status_code == 404
        assert_sober(page)
        assert "There is no such page" in page.text
        assert_problem(await http(practice).get("/nowhere"), 404, "not_found")
        assert_problem(await browser.get("/api/v1/nowhere"), 404, "not_found")
        assert_problem(await browser.get("/api/v1/users/me"), 401, "not_authenticated")

    async def test_a_suspended_practice_and_an_unknown_one_say_so_in_a_page(
        self, http: HttpFactory, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        async with runtime.database.platform() as session:
            await suspend_tenant(session, None, practice.id, "test")
        page = await browser.get("/")
        assert page.status_code == 403
        assert "This practice is not available at the moment." in page.text
        unknown = await http().get("http://nobody-here.localhost:8000/", headers=HTML)
        assert unknown.status_code == 404
        assert "There is no practice at this address." in unknown.text

    async def test_static_files_may_be_kept_for_good_under_the_name_that_the_page_gave_them(
        self, browser: httpx.AsyncClient
    ) -> None:
        page = await browser.get("/")
        style = re.search(r'href="(/static/pages\.css\?v=[0-9a-f]+)"', page.text)
        assert style is not None
        assert "immutable" in (await browser.get(style.group(1))).headers["cache-control"]
        assert (await browser.get("/static/pages.css")).headers["cache-control"] == "no-cache"
        assert (await browser.get("/static/../page.py")).status_code == 404
