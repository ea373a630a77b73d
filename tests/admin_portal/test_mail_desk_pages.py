"""The front desk's pages about mails: what became of them, whom to call, sending one again, one client."""

import html
import re
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from notifications.announcing import announce, note_waiting
from notifications.models import EmailLog
from notifications.recipients import Recipient
from notifications.tracking.models import EventKind, SuppressionReason
from notifications.tracking.reports import Report
from notifications.tracking.repository import SuppressionRepository
from notifications.tracking.service import record_reports
from scheduling.appointments.mails import CONFIRMED
from tenants.accounts.models import StaffRole
from tenants.accounts.permissions import Permission, may
from tenants.privacy.erasure import erase_client
from tests.admin_portal.test_pages import staff_browser
from tests.conftest import HttpFactory
from tests.support.checkout import Desk, make_desk
from tests.support.events import run_due_events
from tests.support.mails import logs_of
from tests.support.pages import assert_sober, form_of, submit
from tests.support.practices import SignedIn, make_client, make_staff_member
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers, register_personal_data_sources


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    return await make_client(runtime, practice, phone="+34600000000", first_name="Carla", last_name="Ruiz")


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext, client: SignedIn) -> Desk:
    return await make_desk(runtime, practice, client)


@pytest.fixture
async def appointment_id(desk: Desk, client: SignedIn) -> UUID:
    """Paid for, and its client was told."""
    appointment = await desk.book(client)
    await desk.confirm(await desk.pay(appointment))
    await run_due_events(desk.runtime, desk.practice)
    return appointment.id


async def test_what_waits_is_shown_with_until_when_and_names_nobody_after_an_erasure(
    reception: httpx.AsyncClient,
    http: HttpFactory,
    runtime: Runtime,
    practice: TenantContext,
    client: SignedIn,
) -> None:
    register_personal_data_sources()
    subject_id = new_id()
    payload = {
        "kind": "appointment_reminder",
        "subject_id": str(subject_id),
        "version": "0-60",
        "recipient_kind": "client",
        "recipient_id": str(client.id),
    }
    announced_at = clock.now().replace(hour=20, minute=59, second=0, microsecond=0)
    with clock.at(announced_at):
        async with runtime.database.tenant(practice) as session:
            for _ in range(2):
                await announce(
                    session,
                    payload["kind"],
                    subject_id=subject_id,
                    version=payload["version"],
                    recipients=[Recipient.client(client.id)],
                )
    async with runtime.database.tenant(practice) as session:
        await note_waiting(session, payload, announced_at + timedelta(hours=11))
    shown = await reception.get("/admin/sent-mails", params={"show": "waiting"})
    assert_sober(shown)
    assert "Queued" in shown.text
    assert re.search(r"Waits until [^<]+ \(quiet hours\)", shown.text)
    assert "Carla Ruiz" in shown.text
    staff = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
    api = http(practice, headers=staff.headers)
    [found] = (await api.get("/api/v1/admin/email-logs", params={"waiting_only": True})).json()["items"]
    assert (found["status"], found["failure"], found["recipient"]) == ("queued", "quiet hours", "")
    assert datetime.fromisoformat(found["announced_at"]) == announced_at
    page = await reception.get(f"/admin/sent-mails/{found['id']}")
    assert_sober(page)
    assert "Send it again" not in page.text
    assert (await api.get("/api/v1/admin/email-logs", params={"problems_only": True})).json()["items"] == []
    async with runtime.database.tenant(practice) as session:
        await erase_client(session, runtime.vault, client.id, requested_by="staff")
    with clock.at(announced_at):
        await run_due_events(runtime, practice)
    shown = await reception.get("/admin/sent-mails")
    assert "Carla" not in shown.text
    assert client.email not in shown.text
    [log] = await logs_of(runtime, practice, "appointment_reminder")
    assert (log.status, log.recipient, log.subject) == ("skipped", "", "")


@pytest.fixture
async def reception(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    return await staff_browser(http, runtime, practice, StaffRole.RECEPTION)


async def bounce(desk: Desk, log: EmailLog) -> None:
    """The provider tells that a mail came back."""
    moments = ((EventKind.PROCESSED, 0, None), (EventKind.BOUNCED, 1, "550 <no> such mailbox"))
    reports = [
        Report(f"e{second}", log.id, desk.practice.key, kind, clock.now() + timedelta(seconds=second), why, None)
        for kind, second, why in moments
    ]
    async with desk.runtime.database.tenant(desk.practice) as session:
        await record_reports(session, reports)


async def test_from_a_bounce_to_a_call_to_a_mail_that_is_sent_again(
    desk: Desk, client: SignedIn, appointment_id: UUID, reception: httpx.AsyncClient
) -> None:
    [log] = await logs_of(desk.runtime, desk.practice, CONFIRMED)
    await bounce(desk, log)
    start = await reception.get("/admin")
    assert "Mail does not reach 1 client: call them" in start.text

    calls = await reception.get("/admin/mail-tasks")
    assert_sober(calls)
    for said in ("Carla Ruiz", "+34600000000", client.email, "there is no such mailbox"):
        assert said in calls.text
    assert f"/admin/appointments/{appointment_id}" in calls.text
    assert (await submit(reception, calls, "/done")).status_code == 303
    assert "Nobody is to be called." in (await reception.get("/admin/mail-tasks")).text
    done = await reception.get("/admin/mail-tasks?show=all")
    assert_sober(done)
    assert "Done · " in done.text
    assert "client: call them" not in (await reception.get("/admin")).text

    path = f"/admin/sent-mails/{log.id}"
    one = await reception.get(path)
    assert_sober(one)
    words = html.unescape(one.text)
    steps = ("Queued", "Handed over to be sent", "Taken over by the mail provider", "Came back: there is no such")
    assert [words.index(step) for step in steps] == sorted(words.index(step) for step in steps)
    assert "550 <no> such mailbox" in words
    assert "<no>" not in one.text
    assert "Madrid time" in words
    refused = await submit(reception, one, "/resend")
    assert refused.status_code == 409
    assert "Have it written to again first." in refused.text
    assert (await submit(reception, one, "/lift")).status_code == 303
    again = await reception.get(path)
    sent = await submit(reception, again, "/resend")
    assert (sent.status_code, sent.headers["location"]) == (303, f"{path}?again=yes")
    assert "It is sent once more" in (await reception.get(f"{path}?again=yes")).text
    await run_due_events(desk.runtime, desk.practice)
    assert len(await logs_of(desk.runtime, desk.practice, CONFIRMED)) == 2


async def test_what_was_written_is_shown_in_a_frame_in_which_nothing_runs(
    desk: Desk, appointment_id: UUID, reception: httpx.AsyncClient
) -> None:
    [log] = await logs_of(desk.runtime, desk.practice, CONFIRMED)
    page = await reception.get(f"/admin/sent-mails/{log.id}")
    assert f'src="/admin/sent-mails/{log.id}/body" sandbox=""' in page.text
    frame = await reception.get(f"/admin/sent-mails/{log.id}/body")
    policy = frame.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert policy.endswith("sandbox")
    assert (frame.headers["x-frame-options"], frame.headers["cache-control"]) == ("SAMEORIGIN", "no-store")
    assert "/a/…" in frame.text
    # What guards an account has none, for whoever may see the mail.
    async with desk.runtime.database.tenant(desk.practice) as session:
        guarding = (await session.scalars(select(EmailLog.id).where(EmailLog.kind == "staff_invitation"))).first()
    assert guarding is not None
    assert "<iframe" not in (await reception.get(f"/admin/sent-mails/{guarding}")).text
    assert (await reception.get(f"/admin/sent-mails/{guarding}/body")).status_code == 404
    assert f"/admin/sent-mails/{log.id}" in (await reception.get(f"/admin/appointments/{appointment_id}")).text


async def test_the_list_is_narrowed_and_turned_over(
    desk: Desk, client: SignedIn, appointment_id: UUID, reception: httpx.AsyncClient
) -> None:
    [log] = await logs_of(desk.runtime, desk.practice, CONFIRMED)

    async def shown(query: str) -> str:
        page = await reception.get(f"/admin/sent-mails{query}")
        assert_sober(page)
        return page.text

    link = f"/admin/sent-mails/{log.id}"
    assert link in await shown("")
    assert link in await shown("?client=carla")
    assert link not in await shown("?client=nobody")
    assert link not in await shown("?show=problems")
    assert link not in await shown("?kind=appointment_cancelled")
    assert link in await shown("?kind=no_such_kind")
    await bounce(desk, log)
    assert link in await shown("?show=problems&client=Ruiz&kind=appointment_confirmed")
    assert (await reception.get("/admin/sent-mails?cursor=x")).status_code in (400, 422)


async def test_one_client_and_who_sees_how_much(
    http: HttpFactory, desk: Desk, client: SignedIn, appointment_id: UUID, reception: httpx.AsyncClient
) -> None:
    [log] = await logs_of(desk.runtime, desk.practice, CONFIRMED)
    await bounce(desk, log)
    page = await reception.get(f"/admin/clients/{client.id}")
    assert_sober(page)
    for said in (client.email, "+34600000000", f"/admin/sent-mails/{log.id}", f"/admin/appointments/{appointment_id}"):
        assert said in page.text
    assert [form_of(page, action).method for action in ("/done", "/lift")] == ["post", "post"]

    practitioner = await staff_browser(http, desk.runtime, desk.practice, StaffRole.PRACTITIONER)
    for path in ("/admin/sent-mails", f"/admin/sent-mails/{log.id}", f"/admin/sent-mails/{log.id}/body",
                 "/admin/mail-tasks"):  # fmt: skip
        assert (await practitioner.get(path)).status_code == 403
    # Not one of their own clients.
    assert (await practitioner.get(f"/admin/clients/{client.id}")).status_code == 404


async def test_an_address_can_be_written_to_again_from_the_list(
    desk: Desk, client: SignedIn, reception: httpx.AsyncClient
) -> None:
    async with desk.runtime.database.tenant(desk.practice) as session:
        suppressions = SuppressionRepository(session)
        await suppressions.suppress(client.email, SuppressionReason.COMPLAINT, clock.now(), client_id=client.id)
    page = await reception.get("/admin/mail-tasks")
    assert "Its reader reported a mail as unwanted" in page.text
    assert (await submit(reception, page, "/lift")).status_code == 303
    assert client.email not in (await reception.get("/admin/mail-tasks")).text


def test_who_may_see_mails_may_see_every_client() -> None:
    """The pages and endpoints of mails are not narrowed to a practitioner's own clients."""
    for role in StaffRole:
        assert not may(role, Permission.VIEW_EMAILS) or may(role, Permission.MANAGE_CALENDAR)
