"""The terms on the booking site: told before one books, kept while the appointment stands; and requests."""

import re
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.approving import approve_request
from scheduling.appointments.services.cancelling import cancel_appointment
from tests.conftest import HttpFactory
from tests.support.booking_pages import first_confirmation, id_in, signed_in
from tests.support.pages import assert_sober, submit
from tests.support.practices import make_staff_member
from tests.support.scheduling import make_offer, stored
from tests.support.terms import add_payment
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

STEPS = [{"hours_before": 72, "percent": 100}, {"hours_before": 1, "percent": 50}]


@pytest.fixture
async def browser(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    """A client's browser, in English."""
    return await signed_in(http, runtime, practice)


def words(page: httpx.Response) -> str:
    """What is read, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


async def set_start(runtime: Runtime, practice: TenantContext, appointment_id: UUID, hours: float) -> None:
    """Have it begin in so many hours."""
    async with runtime.database.tenant(practice) as session:
        row = await session.get_one(Appointment, appointment_id)
        move = clock.now() + timedelta(hours=hours) - row.starts_at
        lower, upper = row.occupied.lower, row.occupied.upper
        assert lower is not None
        assert upper is not None
        row.starts_at, row.ends_at = row.starts_at + move, row.ends_at + move
        row.occupied = type(row.occupied)(lower + move, upper + move, bounds="[)")


class TestTerms:
    async def test_are_told_before_booking_and_on_the_appointment(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(
            runtime,
            practice,
            price_minor=4500,
            refund_tiers=STEPS,
            cancel_notice_hours=6,
            move_notice_hours=48,
            no_show_fee_minor=2000,
        )
        confirm = await first_confirmation(browser, offer)
        assert_sober(confirm)
        for sentence in (
            "If you cancel at least 3 days before, 100 % comes back.",
            "If you cancel at least an hour before, 50 % comes back.",
            "If you cancel later, nothing comes back.",
            "You can cancel it yourself until 6 hours before it begins.",
            "You can move it yourself until 2 days before it begins.",
            "If you don't come, you owe €20.00; what you paid counts towards it.",
        ):
            assert sentence in words(confirm).replace("&#39;", "'"), sentence
        booked = await submit(browser, confirm, method="offline")
        appointment_id = id_in(booked.headers["location"])
        row = await stored(runtime, practice, appointment_id)
        async with runtime.database.tenant(practice) as session:
            await add_payment(session, row.id, row.client_id, 4500)
        await set_start(runtime, practice, row.id, 30)
        page = await browser.get(f"/appointments/{row.id}")
        assert_sober(page)
        assert "If you cancel now, €22.50 of the €45.00 you paid goes back to you." in words(page)
        assert "You can cancel it yourself until" in words(page)
        assert "It is too late to move this appointment online." in words(page)
        assert f"/appointments/{row.id}/move" not in page.text
        moving = await browser.get(f"/appointments/{row.id}/move")
        assert moving.headers["location"].endswith("problem=move_too_late")
        assert "call the practice" in words(await browser.get(moving.headers["location"]))
        ask = await browser.get(f"/appointments/{row.id}/cancel")
        assert_sober(ask)
        assert "€22.50 goes back to you." in words(ask)
        await set_start(runtime, practice, row.id, 3)
        late = await browser.get(f"/appointments/{row.id}/cancel")
        assert "can't be cancelled" in words(late).replace("&#39;", "'")
        assert "call the practice" in words(late)
        refused = await submit(browser, ask)
        assert refused.status_code == 409
        assert (await stored(runtime, practice, row.id)).status == "confirmed"

    async def test_a_fee_that_is_owed_is_shown(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        confirm = await first_confirmation(browser, await make_offer(runtime, practice))
        row_id = id_in((await submit(browser, confirm)).headers["location"])
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Appointment, row_id)
            row.status, row.no_show_fee_minor = "no_show", 2000
        assert "owe the practice €20.00" in words(await browser.get(f"/appointments/{row_id}"))


class TestRequests:
    async def test_are_sent_wait_and_are_paid_once_they_are_granted(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500, requires_approval=True)
        confirm = await first_confirmation(browser, offer)
        assert "Send the request" in confirm.text
        assert "You pay once it has said yes." in words(confirm)
        sent = await submit(browser, confirm)
        assert sent.status_code == 303
        row_id = id_in(sent.headers["location"])
        page = await browser.get(sent.headers["location"])
        assert_sober(page)
        answer = words(page).replace("&#39;", "'")
        assert "Waiting for the practice's answer" in answer
        assert "Waiting for payment" not in answer
        assert f"/appointments/{row_id}/pay" not in page.text
        listed = words(await browser.get("/appointments")).replace("&#39;", "'")
        assert "Waiting for the practice's answer" in listed
        staff = await make_staff_member(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            await approve_request(session, UUID(str(row_id)), actor=Actor.staff(staff.id))
        granted = await browser.get(f"/appointments/{row_id}")
        assert "Waiting for payment" in words(granted)
        assert f"/appointments/{row_id}/pay" in granted.text

    async def test_that_nobody_answered_say_so(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice, requires_approval=True)
        sent = await submit(browser, await first_confirmation(browser, offer))
        row_id = id_in(sent.headers["location"])
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Appointment, UUID(str(row_id)))
            row.hold_expires_at = clock.now() - timedelta(minutes=1)
        page = words(await browser.get(f"/appointments/{row_id}"))
        assert "Not answered in time" in page
        assert "was not paid" not in page

    async def test_why_the_practice_cancelled_can_be_read(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        sent = await submit(browser, await first_confirmation(browser, await make_offer(runtime, practice)))
        row_id = UUID(str(id_in(sent.headers["location"])))
        staff = Actor.staff((await make_staff_member(runtime, practice)).id)
        async with runtime.database.tenant(practice) as session:
            await cancel_appointment(session, row_id, actor=staff, reason="Pilar is ill")
        assert "Pilar is ill" in words(await browser.get(f"/appointments/{row_id}"))
