"""The portal as the practice's staff meets it: from the invitation to the first booking, and who may not."""

import re
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from admin_portal.pages.router import PARTS, PREFIX
from billing.payments.models import Payment, Refund
from scheduling.appointments.models import AppointmentStatus
from scheduling.catalogue.models import BlockedTimeSlot, Practitioner, RecurringTimeSlot, Service, TimeSlot
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tenants.accounts.services.staff_accounts import change_staff, invite_staff
from tenants.settings.service import get_practice_settings
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.pages import HTML, assert_sober, form_of, posting_paths, sign_in, submit
from tests.support.practices import PASSWORD, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import Offer, make_offer, stored
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

EVIL = "<script>alert(1)</script>"
DAY = timedelta(days=1)


async def staff_browser(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, role: StaffRole = StaffRole.OWNER
) -> httpx.AsyncClient:
    """The browser of a member of staff, whose language is English."""
    member = await make_staff_member(runtime, practice, role)
    async with runtime.database.tenant(practice) as session:
        await change_staff(session, member.id, locale="en")
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
    return browser


@pytest.fixture
async def owner(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    """An owner's browser."""
    return await staff_browser(http, runtime, practice)


async def token_of(browser: httpx.AsyncClient) -> str:
    """A token for this visitor's forms."""
    return str(form_of(await browser.get("/admin"), "/sign-out").data["form_token"])


async def book(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, offer: Offer, *, method: str | None = None
) -> tuple[str, str | None]:
    """The id of an appointment booked through the API, and of its payment."""
    client = await make_client(runtime, practice)
    api = http(practice, headers=client.headers)
    days = {
        "from": (datetime.now(UTC) + DAY).date().isoformat(),
        "to": (datetime.now(UTC) + 8 * DAY).date().isoformat(),
    }
    slots = (await api.get("/api/v1/time-slots", params={"service_id": str(offer.service_id), **days})).json()["items"]
    body = {"service_id": str(offer.service_id), "starts_at": slots[0]["starts_at"]}
    made = (await api.post("/api/v1/appointments", json=body)).json()
    if method is None:
        return made["id"], None
    paid = (await api.post("/api/v1/payments", json={"appointment_id": made["id"], "method": method})).json()
    if method == "sandbox":
        await api.post(paid["next_action"]["url"], data={"outcome": "approve"})
        await api.post(f"/api/v1/payments/{paid['id']}/confirm")
    return made["id"], paid["id"]


class TestBeginning:
    async def test_an_owner_goes_from_the_invitation_to_hours_that_clients_can_book(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            _staff, token = await invite_staff(
                session,
                runtime.settings.auth,
                email="new-owner@example.com",
                first_name="Olivia",
                last_name="Owner",
                role=StaffRole.OWNER,
                locale="en",
            )
        browser = http(practice, headers=HTML)
        invitation = await browser.get("/admin/accept-invitation", params={"token": token})
        assert_sober(invitation)
        short = await submit(browser, invitation, password="short")
        assert short.status_code == 422
        accepted = await submit(browser, short, password=PASSWORD)
        assert accepted.headers["location"] == "/admin"
        start = await browser.get("/admin")
        assert "Hello, Olivia" in start.text
        assert "Next steps" in start.text
        assert f"http://{practice.slug}.localhost:8000/" in start.text

        added = await submit(browser, await browser.get("/admin/practitioners/new"), name="Pilar")
        hours = added.headers["location"]
        assert hours.startswith("/admin/hours/")
        priced = await submit(browser, await browser.get("/admin/services/new"), name="First visit", price="45,50")
        assert priced.headers["location"] == "/admin/services"
        page = await browser.get(hours)
        assert_sober(page)
        week = [str(day) for day in range(1, 8)]
        await submit(browser, page, "/weekly", weekday=week, start_time="09:00", end_time="13:00")

        async with runtime.database.tenant(practice) as session:
            service = (await session.scalars(select(Service))).one()
            assert service.price_minor == 4550
            assert len((await session.scalars(select(RecurringTimeSlot))).all()) == 7
        assert "Next steps" not in (await browser.get("/admin")).text
        tomorrow = (datetime.now(UTC) + DAY).date().isoformat()
        times = await http(practice, headers=HTML).get(f"/book/{service.id}", params={"from": tomorrow})
        assert 'class="times"' in times.text
        again = http(practice, headers=HTML)
        page = await again.get("/admin/accept-invitation", params={"token": token})
        assert (await submit(again, page, password=PASSWORD)).status_code == 400


class TestCatalogue:
    async def test_a_service_is_changed_and_a_wrong_one_comes_back_as_typed(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500)
        page = await owner.get(f"/admin/services/{offer.service_id}")
        assert 'value="45.00"' in page.text
        wrong = await submit(owner, page, price="free", deposit="50", duration_minutes="1", location_kinds=None)
        assert wrong.status_code == 422
        assert_sober(wrong)
        for sentence in ("Write an amount like 45.00.", "It must be at least 5.", "Choose at least one."):
            assert sentence in wrong.text
        assert 'value="free"' in wrong.text
        too_much = await submit(owner, page, price="45", deposit="50")
        assert "The deposit must be more than nothing and at most the price." in too_much.text
        right = await submit(owner, page, price="60", deposit="20", archived="yes")
        assert right.status_code == 303
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Service, offer.service_id)
            assert (row.price_minor, row.deposit_minor, row.archived) == (6000, 2000, True)

    async def test_a_form_that_names_someone_elses_ids_changes_nothing(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        theirs = await make_offer(runtime, other_practice)
        page = await owner.get("/admin/services/new")
        answer = await submit(owner, page, name="X", price="1", practitioner_ids=str(theirs.practitioner_id))
        assert answer.status_code == 422
        async with runtime.database.tenant(practice) as session:
            assert (await session.scalars(select(Service))).all() == []
        assert (await owner.get(f"/admin/services/{theirs.service_id}")).status_code == 404

    async def test_a_practitioner_is_changed(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        page = await owner.get(f"/admin/practitioners/{offer.practitioner_id}")
        assert (await submit(owner, page, name="Petra", timezone="Atlantic/Canary")).status_code == 303
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Practitioner, offer.practitioner_id)
            assert (row.name, row.timezone) == ("Petra", "Atlantic/Canary")


class TestHours:
    async def test_openings_and_blocks_are_in_the_practitioners_zone_and_can_be_taken_away(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        address = f"/admin/hours/{offer.practitioner_id}"
        summer = {"starts_at": "2099-07-01T10:00", "ends_at": "2099-07-01T12:00"}
        assert (await submit(owner, await owner.get(address), "/openings", **summer)).status_code == 303
        blocked = await submit(owner, await owner.get(address), "/blocks", **summer, reason="Congress")
        assert blocked.status_code == 303
        async with runtime.database.tenant(practice) as session:
            opening = (await session.scalars(select(TimeSlot))).one()
            assert opening.starts_at == datetime(2099, 7, 1, 8, tzinfo=UTC)  # Madrid is two hours ahead in summer
            block = (await session.scalars(select(BlockedTimeSlot))).one()
        page = await owner.get(address)
        assert "Congress" in page.text
        assert (await submit(owner, page, f"/blocks/{block.id}/delete")).status_code == 303
        assert "Congress" not in (await owner.get(address)).text

    async def test_what_makes_no_sense_is_refused_with_sentences(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        page = await owner.get(f"/admin/hours/{offer.practitioner_id}")
        empty = await submit(owner, page, "/weekly", start_time="13:00", end_time="09:00")
        assert "Choose at least one." in empty.text
        late = await submit(owner, page, "/weekly", weekday=["1", "2"], start_time="13:00", end_time="09:00")
        assert late.status_code == 422
        assert "The end must come after the beginning." in late.text
        skipped = {"starts_at": "2027-03-28T02:30", "ends_at": "2027-03-28T05:00"}
        gap = await submit(owner, page, "/openings", **skipped)
        assert "The clocks change that day and skip this time." in gap.text
        assert_sober(gap)
        async with runtime.database.tenant(practice) as session:
            assert len((await session.scalars(select(RecurringTimeSlot))).all()) == 7  # those of the offer
            assert (await session.scalars(select(TimeSlot))).all() == []


class TestAppointments:
    async def test_staff_see_confirm_cancel_and_say_how_it_went(
        self, owner: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500)
        held, _ = await book(http, runtime, practice, offer)
        listed = await owner.get("/admin/appointments")
        assert "Carla Cliente" in listed.text
        assert_sober(listed)
        page = await owner.get(f"/admin/appointments/{held}")
        assert_sober(page)
        assert (await submit(owner, page, "/confirm")).status_code == 303
        assert (await stored(runtime, practice, held)).status == AppointmentStatus.CONFIRMED
        early = await owner.post(f"/admin/appointments/{held}/completed", data={"form_token": await token_of(owner)})
        assert early.status_code == 409
        page = await owner.get(f"/admin/appointments/{held}")
        assert (await submit(owner, page, "/cancel", reason="Ill")).status_code == 303
        assert (await stored(runtime, practice, held)).status == AppointmentStatus.CANCELLED
        async with runtime.database.tenant(practice) as session:
            actions = (await session.scalars(select(StaffAuditEntry.action))).all()
        assert "appointment.cancelled" in actions

    async def test_names_are_only_ever_text(
        self, owner: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, name=EVIL)
        made, _ = await book(http, runtime, practice, offer)
        for path in ("/admin", "/admin/appointments", f"/admin/appointments/{made}", "/admin/services",
                     "/admin/practitioners", f"/admin/services/{offer.service_id}"):  # fmt: skip
            page = await owner.get(path)
            assert "<script>alert" not in page.text
            assert "&lt;script&gt;" in page.text, path
            assert_sober(page)


class TestPayments:
    async def test_money_at_the_desk_is_recorded_once_and_given_back_in_part(
        self, owner: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500)
        _, payment = await book(http, runtime, practice, offer, method="offline")
        page = await owner.get(f"/admin/payments/{payment}")
        assert_sober(page)
        nonsense = await submit(owner, page, "/receipt", amount="lots")
        assert nonsense.status_code == 422
        assert (await submit(owner, page, "/receipt", kind="cash", amount="45.01")).status_code == 422
        for _ in range(2):
            assert (await submit(owner, page, "/receipt", kind="cash", amount="45")).status_code == 303
        async with runtime.database.tenant(practice) as session:
            assert (await session.get_one(Payment, UUID(payment))).captured_minor == 4500
        page = await owner.get(f"/admin/payments/{payment}")
        too_much = await submit(owner, page, "/refund", amount="45.01")
        assert too_much.status_code == 422
        for _ in range(2):
            assert (await submit(owner, page, "/refund", amount="10,50", reason="Sorry")).status_code == 303
        await run_due_events(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            refunds = (await session.scalars(select(Refund.amount_minor))).all()
            actions = (await session.scalars(select(StaffAuditEntry.action))).all()
        assert refunds == [1050]
        assert {"payment.receipt_recorded", "payment.refund_requested"} <= set(actions)
        assert "€10.50" in (await owner.get(f"/admin/payments/{payment}")).text
        assert_sober(await owner.get("/admin/payments"))


class TestWhoMay:
    async def test_a_practitioner_is_kept_out_of_what_is_not_theirs(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500)
        appointment, payment = await book(http, runtime, practice, offer, method="sandbox")
        browser = await staff_browser(http, runtime, practice, StaffRole.PRACTITIONER)
        token = await token_of(browser)
        start = await browser.get("/admin")
        assert "/admin/payments" not in start.text
        for path in ("/admin/payments", f"/admin/payments/{payment}", "/admin/services/new",
                     f"/admin/services/{offer.service_id}", "/admin/practitioners/new"):  # fmt: skip
            page = await browser.get(path)
            assert page.status_code == 403
            assert_sober(page)
            assert "Your account may not do this." in page.text
        for path in (
            "/admin/services/new",
            f"/admin/services/{offer.service_id}",
            "/admin/practitioners/new",
            f"/admin/practitioners/{offer.practitioner_id}",
            f"/admin/hours/{offer.practitioner_id}/weekly",
            f"/admin/hours/{offer.practitioner_id}/openings",
            f"/admin/hours/{offer.practitioner_id}/blocks",
            f"/admin/appointments/{appointment}/cancel",
            f"/admin/payments/{payment}/refund",
            f"/admin/payments/{payment}/receipt",
        ):
            assert (await browser.post(path, data={"form_token": token})).status_code == 403, path
        assert (await stored(runtime, practice, appointment)).status == AppointmentStatus.CONFIRMED
        assert (await browser.get(f"/admin/appointments/{appointment}")).status_code == 404
        async with runtime.database.tenant(practice) as session:
            (await get_practice_settings(session)).practitioners_see_all = True
        for path in (
            "/admin/appointments",
            f"/admin/appointments/{appointment}",
            f"/admin/hours/{offer.practitioner_id}",
        ):
            page = await browser.get(path)
            assert page.status_code == 200
            assert [form for form in re.findall(r'action="([^"]+)"', page.text) if "hours/" in form] == []

    async def test_reception_receives_money_but_gives_none_back(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500)
        _, payment = await book(http, runtime, practice, offer, method="offline")
        browser = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
        page = await browser.get(f"/admin/payments/{payment}")
        assert (await submit(browser, page, "/receipt", kind="card")).status_code == 303
        assert "Give money back" not in (await browser.get(f"/admin/payments/{payment}")).text
        data = {"form_token": await token_of(browser)}
        assert (await browser.post(f"/admin/payments/{payment}/refund", data=data)).status_code == 403

    async def test_someone_who_was_let_go_is_out_at_once(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        member = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
        browser = http(practice, headers=HTML)
        await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
        assert (await browser.get("/admin")).status_code == 200
        async with runtime.database.tenant(practice) as session:
            await change_staff(session, member.id, is_active=False)
        assert (await browser.get("/admin")).headers["location"].startswith("/admin/sign-in")
        page = await browser.get("/admin/sign-in")
        refused = await submit(browser, page, email=member.email, password=PASSWORD)
        assert refused.status_code == 422
        assert "The e-mail or the password is wrong." in refused.text

    async def test_a_cookie_opens_this_practices_portal_and_nothing_else(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        theirs = (await staff_browser(http, runtime, other_practice)).cookies["staff"]
        here = http(practice, headers=HTML, cookies={"staff": theirs, "client": theirs})
        assert (await here.get("/admin")).status_code == 303
        assert (await here.get("/appointments")).status_code == 303
        bearer = {"Authorization": f"Bearer {theirs}"}
        assert_problem(await http(other_practice).get("/api/v1/admin/auth/me", headers=bearer), 401, "invalid_token")

    @pytest.mark.parametrize("path", posting_paths(PARTS, PREFIX))
    async def test_no_form_is_taken_without_its_own_token_from_its_own_origin(
        self, path: str, owner: httpx.AsyncClient
    ) -> None:
        token = await token_of(owner)
        attempts: list[tuple[dict[str, str], dict[str, str]]] = [
            ({}, {}),
            ({"form_token": secrets.token_hex(32)}, {}),
            ({"form_token": token}, {"Origin": "https://evil.example"}),
            ({"form_token": token}, {"Origin": "null"}),
            ({"form_token": token}, {"Sec-Fetch-Site": "cross-site"}),
        ]
        for data, headers in attempts:
            answer = await owner.post(path, data=data, headers=headers)
            assert answer.status_code == 403, (data, headers)
            assert "nothing was done" in answer.text
        assert (await owner.get("/admin")).status_code == 200

    async def test_strangers_are_sent_to_sign_in_and_back(self, http: HttpFactory, practice: TenantContext) -> None:
        browser = http(practice, headers=HTML)
        for path in ("/admin", "/admin/appointments", "/admin/services", "/admin/hours", "/admin/payments"):
            answer = await browser.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/admin/sign-in?next=%2Fadmin")
        assert_sober(await browser.get("/admin/sign-in"))

    async def test_signing_in_leads_nowhere_but_here(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        member = await make_staff_member(runtime, practice)
        browser = http(practice, headers=HTML)
        page = await browser.get("/admin/sign-in")
        answer = await submit(browser, page, email=member.email, password=PASSWORD, next="//evil.example")
        assert answer.headers["location"] == "/admin"
