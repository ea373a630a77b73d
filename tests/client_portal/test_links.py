"""Links in mails about appointments: what they show, what they do once, and what never changes anything."""

import asyncio
import html
import re
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from billing.payments.models import Refund
from client_portal.links import router
from notifications.models import EmailLog
from scheduling.appointments.history import Actor
from scheduling.appointments.models import AppointmentChange, AppointmentLink
from scheduling.appointments.personal_data import ENDED_LINKS
from scheduling.appointments.series_mails import SERIES
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from tenants.privacy.erasure import erase_client
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.mails import links_in, mails_of
from tests.support.pages import HTML, assert_sober, submit
from tests.support.practices import SignedIn, make_client
from tests.support.scheduling import Offer, make_offer, stored
from todoenbalance.kit import clock
from todoenbalance.kit.ratelimit import LINK
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import hash_opaque_token
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

ENDED = "This link no longer works"


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


@pytest.fixture
async def account(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client who reads English."""
    return await make_client(runtime, practice, locale="en")


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    """An hour for nothing, with someone who works every day."""
    return await make_offer(runtime, practice)


@pytest.fixture
def browser(http: HttpFactory, practice: TenantContext) -> httpx.AsyncClient:
    """Of whoever opens the mail, signed in nowhere."""
    return http(practice, headers=HTML)


def in_days(days: int, hour: int = 9) -> datetime:
    """Within the hours of the offer (9 to 13 in Madrid), summer and winter."""
    return (clock.now() + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)


async def book(
    runtime: Runtime, practice: TenantContext, offer: Offer, account: SignedIn, at: datetime | None = None
) -> UUID:
    async with runtime.database.tenant(practice) as session:
        made = await book_appointment(
            session,
            client_id=account.id,
            service_id=offer.service_id,
            starts_at=at or in_days(3),
            practitioner_id=offer.practitioner_id,
        )
    return made.id


async def links(runtime: Runtime, practice: TenantContext, account: SignedIn) -> dict[str, str]:
    """The paths of the newest mail's links by what they do."""
    await run_due_events(runtime, practice)
    mail = (await mails_of(runtime, practice, account.email))[-1]
    paths = [httpx.URL(one).path for one in links_in(mail.text) if "/a/" in one]
    async with runtime.database.tenant(practice) as session:
        rows = {row.token_hash: row.action for row in await session.scalars(select(AppointmentLink))}
    found = {rows[hash_opaque_token(path.removeprefix("/a/"))]: path for path in paths}
    assert set(found) == {"confirm", "move", "cancel"}
    return found


async def kinds(runtime: Runtime, practice: TenantContext, appointment_id: UUID) -> list[str]:
    async with runtime.database.tenant(practice) as session:
        statement = select(AppointmentChange.kind).where(AppointmentChange.appointment_id == appointment_id)
        return list((await session.scalars(statement.order_by(AppointmentChange.created_at))).all())


async def assert_ended(browser: httpx.AsyncClient, path: str) -> str:
    page = await browser.get(path)
    assert page.status_code == 404, page.text
    assert ENDED in page.text or "Este enlace ya no funciona" in page.text
    return page.text


async def first_free(browser: httpx.AsyncClient, path: str) -> httpx.Response:
    """The page that asks whether to move to the first free time of next week."""
    day = (clock.now() + timedelta(days=8)).date()
    times = await browser.get(path, params={"from": day.isoformat()})
    assert times.status_code == 200, times.text
    assert_sober(times)
    found = re.findall(rf'href="({re.escape(path)}/confirm\?[^"]+)"', times.text)
    return await browser.get(html.unescape(found[0]))


class TestReading:
    async def test_reading_changes_nothing_however_often_and_by_whatever_method(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, offer: Offer, account: SignedIn
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        for action, path in (await links(runtime, practice, account)).items():
            for method in ("GET", "HEAD", "OPTIONS", "GET", "GET"):
                answer = await browser.request(method, path)
                assert answer.status_code in (200, 405), (action, method, answer.status_code)
            page = await browser.get(path)
            assert_sober(page)
            assert page.headers["referrer-policy"] == "no-referrer"
            assert page.headers["cache-control"] == "no-store"
            assert "Primera visita" in page.text
            await browser.get(f"{path}/confirm?starts_at={in_days(9).isoformat().replace('+', '%2B')}")
        assert await kinds(runtime, practice, appointment_id) == ["booked"]
        assert (await stored(runtime, practice, appointment_id)).version == 0
        async with runtime.database.tenant(practice) as session:
            assert all(row.used_at is None for row in await session.scalars(select(AppointmentLink)))

    async def test_a_button_without_our_form_does_nothing(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, offer: Offer, account: SignedIn
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        for path in (await links(runtime, practice, account)).values():
            for address in (path, f"{path}/confirm"):
                assert (await browser.post(address, data={"action": "cancel"})).status_code == 403
        assert await kinds(runtime, practice, appointment_id) == ["booked"]

    async def test_unknown_used_late_and_outdated_links_are_answered_alike(
        self,
        runtime: Runtime,
        practice: TenantContext,
        other_practice: TenantContext,
        browser: httpx.AsyncClient,
        http: HttpFactory,
        offer: Offer,
        account: SignedIn,
    ) -> None:
        starts_at = in_days(3)
        appointment_id = await book(runtime, practice, offer, account, starts_at)
        found = await links(runtime, practice, account)
        pages = {await assert_ended(browser, "/a/" + "x" * 43), await assert_ended(browser, "/a/%00")}
        await assert_ended(http(other_practice, headers=HTML), found["cancel"])
        with clock.at(starts_at):
            pages.add(await assert_ended(browser, found["confirm"]))
        await submit(browser, await browser.get(found["confirm"]))
        pages.add(await assert_ended(browser, found["confirm"]))
        async with runtime.database.tenant(practice) as session:
            await reschedule_appointment(session, appointment_id, in_days(4))
        pages |= {await assert_ended(browser, path) for path in found.values()}
        pages.add(await assert_ended(browser, f"{found['move']}/confirm?starts_at=2026-01-01T09:00:00Z"))
        assert len(pages) == 1

    async def test_a_cancelled_appointments_links_are_void(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, offer: Offer, account: SignedIn
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        found = await links(runtime, practice, account)
        pages = {action: await browser.get(path) for action, path in found.items() if action != "move"}
        async with runtime.database.tenant(practice) as session:
            await cancel_appointment(session, appointment_id, actor=Actor.client(account.id))
        for page in pages.values():
            answer = await submit(browser, page)
            assert answer.status_code == 404
            assert ENDED in answer.text
        assert await kinds(runtime, practice, appointment_id) == ["booked", "cancelled"]


class TestConfirming:
    async def test_i_will_come_is_noted_once_however_often_it_is_pressed(
        self,
        runtime: Runtime,
        practice: TenantContext,
        browser: httpx.AsyncClient,
        offer: Offer,
        account: SignedIn,
        http: HttpFactory,
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        own = http(practice, headers=account.headers)
        path = f"/api/v1/appointments/{appointment_id}"
        assert (await own.get(path)).json()["attendance_confirmed"] is False
        page = await browser.get((await links(runtime, practice, account))["confirm"])
        for _ in range(2):
            answer = await submit(browser, page)
            assert answer.status_code == 200, answer.text
            assert_sober(answer)
            assert "Thank you" in answer.text
        assert (await own.get(path)).json()["attendance_confirmed"] is True
        assert await kinds(runtime, practice, appointment_id) == ["booked", "attendance"]
        assert (await stored(runtime, practice, appointment_id)).version == 0

    async def test_one_links_form_does_not_do_what_another_is_for(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, offer: Offer, account: SignedIn
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        page = await browser.get((await links(runtime, practice, account))["confirm"])
        assert (await submit(browser, page, action="cancel")).status_code == 404
        assert await kinds(runtime, practice, appointment_id) == ["booked"]


class TestCancelling:
    async def test_it_cancels_once(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, offer: Offer, account: SignedIn
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        page = await browser.get((await links(runtime, practice, account))["cancel"])
        answers = await asyncio.gather(*(submit(browser, page) for _ in range(3)))
        assert sorted(one.status_code for one in answers) == [200, 404, 404]
        row = await stored(runtime, practice, appointment_id)
        assert (row.status, row.cancelled_by, row.version) == ("cancelled", "client", 1)
        assert await kinds(runtime, practice, appointment_id) == ["booked", "cancelled"]
        async with runtime.database.tenant(practice) as session:
            assert (await session.scalars(select(Refund))).all() == []

    async def test_too_late_by_the_terms_there_is_no_button_and_the_link_stays_good(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, account: SignedIn
    ) -> None:
        offer = await make_offer(runtime, practice, cancel_notice_hours=24, move_notice_hours=24)
        starts_at = in_days(3)
        appointment_id = await book(runtime, practice, offer, account, starts_at)
        found = await links(runtime, practice, account)
        page = await browser.get(found["cancel"])
        with clock.at(starts_at - timedelta(hours=2)):
            answer = await submit(browser, page)
            assert answer.status_code == 409
            assert "too late" in answer.text
            shown = await browser.get(found["cancel"])
            assert "Yes, cancel it" not in shown.text
            assert "can't be moved online" in (await browser.get(found["move"])).text
        assert await kinds(runtime, practice, appointment_id) == ["booked"]


class TestMoving:
    async def test_the_client_chooses_a_time_and_the_link_is_spent_by_that(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, offer: Offer, account: SignedIn
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        before = await stored(runtime, practice, appointment_id)
        path = (await links(runtime, practice, account))["move"]
        confirm = await first_free(browser, path)
        assert_sober(confirm)
        assert confirm.headers["referrer-policy"] == "no-referrer"
        answer = await submit(browser, confirm)
        assert answer.status_code == 200, answer.text
        assert_sober(answer)
        after = await stored(runtime, practice, appointment_id)
        assert after.starts_at > before.starts_at
        assert after.version == 1
        await assert_ended(browser, path)
        # The mail of the new time has links of its own.
        fresh = await links(runtime, practice, account)
        assert (await browser.get(fresh["move"])).status_code == 200

    async def test_a_time_that_is_gone_leaves_the_link_good(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, offer: Offer, account: SignedIn
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        path = (await links(runtime, practice, account))["move"]
        confirm = await first_free(browser, path)
        wished = re.search(r'name="starts_at" value="([^"]+)"', confirm.text)
        assert wished is not None
        other = await make_client(runtime, practice)
        await book(runtime, practice, offer, other, datetime.fromisoformat(html.unescape(wished.group(1))))
        answer = await submit(browser, confirm)
        assert answer.status_code == 409
        assert (await stored(runtime, practice, appointment_id)).version == 0
        assert (await submit(browser, await first_free(browser, path))).status_code == 200
        assert (await stored(runtime, practice, appointment_id)).version == 1

    async def test_of_racing_moves_with_one_link_one_wins(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, offer: Offer, account: SignedIn
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        path = (await links(runtime, practice, account))["move"]
        confirm = await first_free(browser, path)
        times = [in_days(10), in_days(11), in_days(12)]
        answers = await asyncio.gather(*(submit(browser, confirm, starts_at=one.isoformat()) for one in times))
        assert sorted(one.status_code for one in answers) == [200, 404, 404], [one.text for one in answers]
        row = await stored(runtime, practice, appointment_id)
        assert row.version == 1
        assert await kinds(runtime, practice, appointment_id) == ["booked", "moved"]

    async def test_of_cancelling_and_moving_at_once_one_wins(
        self, runtime: Runtime, practice: TenantContext, browser: httpx.AsyncClient, offer: Offer, account: SignedIn
    ) -> None:
        appointment_id = await book(runtime, practice, offer, account)
        found = await links(runtime, practice, account)
        move, cancel = await first_free(browser, found["move"]), await browser.get(found["cancel"])
        answers = await asyncio.gather(submit(browser, move), submit(browser, cancel))
        assert sorted(one.status_code for one in answers) == [200, 404]
        assert (await stored(runtime, practice, appointment_id)).version == 1


async def test_reminders_have_links_too_and_no_log_has_their_tokens(
    runtime: Runtime,
    practice: TenantContext,
    browser: httpx.AsyncClient,
    offer: Offer,
    account: SignedIn,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    starts_at = in_days(3)
    await book(runtime, practice, offer, account, starts_at)
    with clock.at(starts_at - timedelta(hours=23)):
        found = await links(runtime, practice, account)
        assert len(await mails_of(runtime, practice, account.email)) == 2
        with caplog.at_level("DEBUG"):
            await submit(browser, await browser.get(found["confirm"]))
            await browser.get(found["confirm"])
    ours = [one.getMessage() for one in caplog.records if one.name not in ("httpx", "httpcore")]
    said = "".join([*capfd.readouterr(), *ours])  # the test's own browser names what it asks for
    assert not any(path.removeprefix("/a/") in said for path in found.values())


async def test_an_erasure_takes_links_and_mails_of_series_along_and_old_links_go_by_themselves(
    runtime: Runtime,
    practice: TenantContext,
    offer: Offer,
    account: SignedIn,
    browser: httpx.AsyncClient,
    http: HttpFactory,
) -> None:
    await book(runtime, practice, offer, account)
    found = await links(runtime, practice, account)
    body = {"service_id": str(offer.service_id), "starts_at": in_days(4).isoformat(), "frequency": "weekly", "count": 2}
    made = await http(practice, headers=account.headers).post("/api/v1/appointment-series", json=body)
    assert made.status_code == 201, made.text
    await run_due_events(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        await erase_client(session, runtime.vault, account.id, requested_by="client")
    for path in found.values():
        await assert_ended(browser, path)
    async with runtime.database.tenant(practice) as session:
        assert (await session.scalars(select(AppointmentLink))).all() == []
        logs = (await session.scalars(select(EmailLog).where(EmailLog.kind == SERIES))).all()
        assert all(log.recipient != account.email for log in logs)
    assert ENDED_LINKS.keep == timedelta(days=1)


def test_addresses_that_guess_are_slowed_down() -> None:
    assert [getattr(one.dependency, "rate_limit", None) for one in router.dependencies] == [LINK]
