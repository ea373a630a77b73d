"""Requests, terms, notes and history on the portal's pages."""

import re
from datetime import timedelta
from uuid import UUID

import httpx

from scheduling.appointments.models import Appointment
from tenants.accounts.models import StaffRole
from tests.admin_portal.test_pages import book, owner, staff_browser
from tests.conftest import HttpFactory
from tests.support.pages import assert_sober, submit
from tests.support.scheduling import make_offer, stored
from tests.support.terms import add_payment, audit_of
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

__all__ = ["owner"]


def words(page: httpx.Response) -> str:
    """What is read, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split()).replace("&#39;", "'")


class TestRequests:
    async def test_wait_on_the_start_page_and_are_answered_there(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, owner: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, requires_approval=True)
        granted, _payment = await book(http, runtime, practice, offer)
        refused, _payment = await book(http, runtime, practice, offer)
        for path in ("/admin", "/admin/appointments"):
            page = await owner.get(path)
            assert_sober(page)
            assert "Requests that wait for your answer" in page.text
            assert "To be answered by" in page.text
        answer = await submit(owner, await owner.get("/admin"), f"{granted}/approve")
        assert answer.headers["location"] == f"/admin/appointments/{granted}"
        assert (await stored(runtime, practice, granted)).status == "confirmed"
        shown = await owner.get(f"/admin/appointments/{refused}")
        assert_sober(shown)
        assert "Waiting for the practice's answer" in words(shown)
        await submit(owner, shown, f"{refused}/decline")
        assert (await stored(runtime, practice, refused)).status == "cancelled"
        assert "Requests that wait" not in (await owner.get("/admin")).text
        assert [action for action, _detail in await audit_of(runtime, practice)][-2:] == [
            "appointment.approved",
            "appointment.declined",
        ]


class TestAppointment:
    async def test_shows_its_history_and_keeps_private_notes(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, owner: httpx.AsyncClient
    ) -> None:
        made, _payment = await book(http, runtime, practice, await make_offer(runtime, practice))
        page = await owner.get(f"/admin/appointments/{made}")
        assert_sober(page)
        await submit(owner, page, f"{made}/details", private_notes="Parece triste")
        again = await owner.get(f"/admin/appointments/{made}")
        assert "Parece triste" in again.text
        assert "Private notes changed" in words(again)
        assert "Booked · Carla Cliente" in words(again)
        desk = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
        seen = await desk.get(f"/admin/appointments/{made}")
        assert "triste" not in seen.text
        assert "Private notes" not in seen.text
        emptied = await submit(owner, again, f"{made}/details", private_notes="")
        assert emptied.status_code == 303
        assert (await stored(runtime, practice, made)).private_notes is None

    async def test_is_cancelled_for_the_client_by_their_terms_or_with_a_reason_by_others(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, owner: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, refund_tiers=[{"hours_before": 0, "percent": 40}])
        made, _payment = await book(http, runtime, practice, offer)
        row = await stored(runtime, practice, made)
        async with runtime.database.tenant(practice) as session:
            await add_payment(session, row.id, row.client_id, 4500)
        page = await owner.get(f"/admin/appointments/{made}")
        assert_sober(page)
        assert "€45.00 is paid. If the client cancels now, their terms give back €18.00." in words(page)
        refused = await submit(owner, page, f"{made}/cancel", on_behalf_of_client="1", refund="full")
        assert refused.status_code == 422
        assert "Say why." in refused.text
        await submit(owner, page, f"{made}/cancel", on_behalf_of_client="1")
        shown = words(await owner.get(f"/admin/appointments/{made}"))
        assert "the client asked for it" in shown
        assert "€18.00 given back" in shown

    async def test_a_fee_is_waived_by_who_may_with_a_reason(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, owner: httpx.AsyncClient
    ) -> None:
        made, _payment = await book(http, runtime, practice, await make_offer(runtime, practice))
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Appointment, UUID(made))
            begun = clock.now() - timedelta(hours=2)
            row.starts_at, row.ends_at = begun, begun + timedelta(hours=1)
            row.occupied = type(row.occupied)(row.starts_at, row.ends_at, bounds="[)")
            row.status, row.no_show_fee_minor = "no_show", 2000
        desk = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
        assert "Waive the fee" not in (await desk.get(f"/admin/appointments/{made}")).text
        page = await owner.get(f"/admin/appointments/{made}")
        assert_sober(page)
        assert "€20.00" in page.text
        assert (await submit(owner, page, f"{made}/waive-no-show-fee", reason="")).status_code == 422
        await submit(owner, page, f"{made}/waive-no-show-fee", reason="Nieve")
        assert (await stored(runtime, practice, made)).no_show_fee_minor is None
        assert "Fee waived" in words(await owner.get(f"/admin/appointments/{made}"))
