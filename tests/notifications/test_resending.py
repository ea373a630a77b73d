"""Sending a mail again as things are now, and what is kept of what clients were written."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select

from notifications.announcing import announce
from notifications.bodies.models import MailBody
from notifications.bodies.redaction import redact
from notifications.bodies.service import is_kept
from notifications.catalogue import CATALOGUE
from notifications.events import NOTIFICATION_SEND
from notifications.handing_over import GIVEN_UP, MAY_HAVE_ARRIVED
from notifications.keys import MailKey
from notifications.mail_tasks.models import MailTask
from notifications.models import EmailLog, EmailStatus
from notifications.port import Mail, MailRejectedError
from notifications.recipients import Recipient
from notifications.resending import is_lost, may_be_resent, resend
from notifications.service import deliver, get_email_log, send_notification
from notifications.tracking.models import SuppressionReason
from notifications.tracking.repository import SuppressionRepository
from scheduling.appointments.history import Actor
from scheduling.appointments.mails import CONFIRMED
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.appointments.visit_mails import REMINDER
from tenants.accounts.models import Client, StaffRole
from tenants.privacy.erasure import erase_client
from tenants.privacy.export import export_client
from tenants.privacy.retention import clean_practice
from tests.conftest import HttpFactory
from tests.support.checkout import Desk, make_desk
from tests.support.events import queued, run_due_events
from tests.support.mails import links_in, logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import set_practice
from tests.support.terms import audit_of
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_personal_data_sources

LOGS = "/api/v1/admin/email-logs"


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    return await make_client(runtime, practice)


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext, client: SignedIn) -> Desk:
    return await make_desk(runtime, practice, client)


@pytest.fixture
async def confirmed(desk: Desk, client: SignedIn) -> UUID:
    """A paid appointment, whose client was told."""
    appointment = await desk.book(client)
    await desk.confirm(await desk.pay(appointment))
    await run_due_events(desk.runtime, desk.practice)
    return appointment.id


@pytest.fixture
async def reception(runtime: Runtime, practice: TenantContext) -> SignedIn:
    return await make_staff_member(runtime, practice, StaffRole.RECEPTION)


async def body_of(desk: Desk, log_id: UUID) -> MailBody | None:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await session.get(MailBody, log_id)


class Refusing:
    """A provider that takes nothing."""

    async def send(self, mail: Mail) -> str:
        """As the port says."""
        raise MailRejectedError(f"refused ({len(mail.headers)} headers)")


class TestAgain:
    async def test_it_is_a_mail_of_its_own_with_links_of_its_own_to_the_address_of_now(
        self, http: HttpFactory, desk: Desk, client: SignedIn, confirmed: UUID, reception: SignedIn
    ) -> None:
        [first] = await logs_of(desk.runtime, desk.practice, CONFIRMED)
        async with desk.runtime.database.tenant(desk.practice) as session:
            (await session.get_one(Client, client.id)).email = "new@example.com"
        here = http(desk.practice, headers=reception.headers)
        for _ in range(2):  # pressed twice before the queue came to it
            answer = await here.post(f"{LOGS}/{first.id}/resend")
            assert (answer.status_code, answer.json()) == (202, {"email_log_id": str(first.id), "again": 1})
        await run_due_events(desk.runtime, desk.practice)

        _, second = await logs_of(desk.runtime, desk.practice, CONFIRMED)
        assert (second.recipient, second.status) == ("new@example.com", EmailStatus.SENT)
        key = MailKey.of(second)
        assert key is not None
        assert (key.again, key.first) == (1, MailKey.of(first))
        [before] = [it for it in await mails_of(desk.runtime, desk.practice) if it.id == first.id]
        [after] = await mails_of(desk.runtime, desk.practice, "new@example.com")
        keys_before, keys_after = ({it for it in links_in(m.text) if "/a/" in it} for m in (before, after))
        assert keys_before
        assert keys_after
        assert not keys_before & keys_after
        lines = [it for it in await audit_of(desk.runtime, desk.practice) if it[0] == "mail.resent"]
        assert lines == [("mail.resent", {"kind": CONFIRMED, "again": 1})] * 2

    async def test_so_often_and_no_oftener(
        self, http: HttpFactory, desk: Desk, confirmed: UUID, reception: SignedIn
    ) -> None:
        here = http(desk.practice, headers=reception.headers)
        for again in (1, 2, 3):
            newest = (await logs_of(desk.runtime, desk.practice, CONFIRMED))[-1]
            # One that was itself sent again counts with the one it came from.
            assert (await here.post(f"{LOGS}/{newest.id}/resend")).json()["again"] == again
            await run_due_events(desk.runtime, desk.practice)
        refused = await here.post(f"{LOGS}/{newest.id}/resend")
        assert_problem(refused, 429, "too_many_requests")
        assert 0 < int(refused.headers["retry-after"]) <= 24 * 3600

    async def test_what_is_no_longer_true_or_may_not_be_written_is_not(
        self, http: HttpFactory, desk: Desk, client: SignedIn, confirmed: UUID, reception: SignedIn
    ) -> None:
        here, runtime, practice = http(desk.practice, headers=reception.headers), desk.runtime, desk.practice
        [log] = await logs_of(runtime, practice, CONFIRMED)
        async with runtime.database.tenant(practice) as session:
            moment, suppressions = clock.now(), SuppressionRepository(session)
            await suppressions.suppress(client.email, SuppressionReason.HARD_BOUNCE, moment, client_id=client.id)
        assert_problem(await here.post(f"{LOGS}/{log.id}/resend"), 409, "mail_address_suppressed")
        [row] = (await here.get("/api/v1/admin/mail-suppressions")).json()["items"]
        await here.post(f"/api/v1/admin/mail-suppressions/{row['id']}/lift")

        async with runtime.database.tenant(practice) as session:
            await reschedule_appointment(
                session, confirmed, desk.opens_at + timedelta(hours=5), actor=Actor.staff(reception.id)
            )
        waiting = len(await queued(runtime, practice))
        assert_problem(await here.post(f"{LOGS}/{log.id}/resend"), 409, "mail_no_longer_true")
        assert len(await queued(runtime, practice)) == waiting
        assert [it for it in await audit_of(runtime, practice) if it[0] == "mail.resent"] == []

        [welcome, *_] = [it async for it in _logs_of_staff(desk)]
        assert_problem(await here.post(f"{LOGS}/{welcome}/resend"), 409, "mail_not_resendable")

    async def test_one_that_is_stuck_because_the_queue_lost_it_is(
        self, http: HttpFactory, desk: Desk, client: SignedIn, confirmed: UUID, reception: SignedIn
    ) -> None:
        here, runtime, practice = http(desk.practice, headers=reception.headers), desk.runtime, desk.practice
        [log] = await logs_of(runtime, practice, CONFIRMED)
        key = MailKey.of(log)
        assert key is not None
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(EmailLog, log.id)).status = EmailStatus.SENDING
            await announce(
                session, CONFIRMED, subject_id=confirmed, version=key.version, recipients=[Recipient.client(client.id)]
            )
        assert_problem(await here.post(f"{LOGS}/{log.id}/resend"), 409, "mail_under_way")
        [row] = [one for one in await queued(runtime, practice) if one.payload.get("kind") == CONFIRMED]
        async with runtime.database.platform() as platform:
            await platform.execute(delete(OutboxEvent).where(OutboxEvent.id == row.id))
        assert (await here.post(f"{LOGS}/{log.id}/resend")).json()["again"] == 1
        await run_due_events(runtime, practice)
        first, again = await logs_of(runtime, practice, CONFIRMED)
        assert (first.status, first.failure) == (EmailStatus.FAILED, f"{MAY_HAVE_ARRIVED}; {GIVEN_UP}")
        assert again.status == EmailStatus.SENT

    def test_it_is_offered_for_what_has_been_on_its_way_for_long(self) -> None:
        now = clock.now()
        log = EmailLog(
            kind=CONFIRMED,
            subject_id=new_id(),
            status=EmailStatus.SENDING,
            created_at=now,
        )
        log.dedupe_key = f"{CONFIRMED}:{log.subject_id}:1:client:{new_id()}"
        assert not may_be_resent(log)
        with clock.at(now + timedelta(hours=2)):
            assert may_be_resent(log)
            log.status = EmailStatus.HELD
            assert not may_be_resent(log)

    async def test_not_by_strangers(
        self, http: HttpFactory, desk: Desk, confirmed: UUID, other_practice: TenantContext, client: SignedIn
    ) -> None:
        [log] = await logs_of(desk.runtime, desk.practice, CONFIRMED)
        stranger = await make_staff_member(desk.runtime, other_practice, StaffRole.OWNER)
        practitioner = await make_staff_member(desk.runtime, desk.practice, StaffRole.PRACTITIONER)
        there = http(other_practice, headers=stranger.headers)
        for method, path in (("post", "/resend"), ("get", "/body"), ("get", "")):
            assert_problem(await there.request(method, f"{LOGS}/{log.id}{path}"), 404, "not_found")
            for nosy in (practitioner, client):
                answer = await http(desk.practice, headers=nosy.headers).request(method, f"{LOGS}/{log.id}{path}")
                assert answer.status_code in (401, 403)

    async def test_whoever_asked_for_it_does_not_wait_for_the_morning(
        self, runtime: Runtime, practice: TenantContext, desk: Desk, client: SignedIn, confirmed: UUID
    ) -> None:
        await set_practice(runtime, practice, quiet_from=time(21), quiet_until=time(8))
        appointment = await desk.appointment(confirmed)
        payload: dict[str, Any] = {
            "kind": REMINDER,
            "subject_id": str(confirmed),
            "version": appointment.version,
            "recipient_kind": "client",
            "recipient_id": str(client.id),
        }
        context = TenantEventContext(
            runtime=runtime, event_id=new_id(), topic=NOTIFICATION_SEND, attempt=1, tenant=practice
        )
        night = datetime.combine(clock.now().date(), datetime.min.time(), ZoneInfo("Europe/Madrid"))
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Client, client.id)).timezone = "Europe/Madrid"
        with clock.at(night.astimezone(UTC) + timedelta(hours=2)):
            with pytest.raises(RetryLaterError):
                await send_notification(context, payload)
            await send_notification(context, payload | {"again": 1})
        [log] = [it for it in await logs_of(runtime, practice, REMINDER) if it.status == EmailStatus.SENT]
        key = MailKey.of(log)
        assert key is not None
        assert key.again == 1

    async def test_what_went_while_it_was_looked_for_in_the_queue_stays_sent(
        self, runtime: Runtime, practice: TenantContext, confirmed: UUID
    ) -> None:
        [sent] = await logs_of(runtime, practice, CONFIRMED)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(EmailLog, sent.id)).status = EmailStatus.SENDING
        async with runtime.database.tenant(practice) as session:
            seen = await get_email_log(session, sent.id)
            assert await is_lost(session, runtime, sent.id)  # since the worker was through with its row
            async with runtime.database.tenant(practice) as workers:
                (await workers.get_one(EmailLog, sent.id)).status = EmailStatus.SENT
            locked, _again = await resend(session, runtime, sent.id, was_lost=True)
            assert locked is seen
        [log] = await logs_of(runtime, practice, CONFIRMED)
        assert (log.status, log.failure) == (EmailStatus.SENT, None)


async def _logs_of_staff(desk: Desk) -> Any:
    """Mails that guard accounts."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        for log in await session.scalars(select(EmailLog).where(EmailLog.kind == "staff_invitation")):
            yield log.id


class TestWhatWasWritten:
    async def test_a_copy_is_kept_that_opens_nothing_and_goes_with_its_time(
        self, http: HttpFactory, desk: Desk, confirmed: UUID, reception: SignedIn
    ) -> None:
        register_personal_data_sources()
        [log] = await logs_of(desk.runtime, desk.practice, CONFIRMED)
        [sent] = [it for it in await mails_of(desk.runtime, desk.practice) if it.id == log.id]
        shown = (await http(desk.practice, headers=reception.headers).get(f"{LOGS}/{log.id}/body")).json()
        assert shown["subject"] == sent.subject
        keys = {link.rpartition("/")[2] for link in links_in(sent.text) if "/a/" in link}
        assert keys
        for words in (shown["text"], shown["html"]):
            assert not [key for key in keys if key in words]
            assert "/a/…" in words
        for days, is_there in ((29, True), (31, False)):
            with clock.at(clock.now() + timedelta(days=days)):
                await clean_practice(desk.runtime.database, desk.practice)
            assert (await body_of(desk, log.id) is not None) is is_there
        gone = await http(desk.practice, headers=reception.headers).get(f"{LOGS}/{log.id}/body")
        assert_problem(gone, 404, "not_found")

    async def test_a_practice_may_keep_nothing(self, desk: Desk, client: SignedIn) -> None:
        await set_practice(desk.runtime, desk.practice, mail_body_days=0)
        await desk.confirm(await desk.pay(await desk.book(client)))
        await run_due_events(desk.runtime, desk.practice)
        [log] = await logs_of(desk.runtime, desk.practice, CONFIRMED)
        assert log.status == EmailStatus.SENT
        assert await body_of(desk, log.id) is None

    async def test_what_never_went_is_not_kept_and_three_of_that_are_a_call(
        self, desk: Desk, client: SignedIn, confirmed: UUID
    ) -> None:
        runtime, practice = desk.runtime, desk.practice
        context = TenantEventContext(
            runtime=runtime, event_id=new_id(), topic=NOTIFICATION_SEND, attempt=1, tenant=practice
        )
        appointment = await desk.appointment(confirmed)
        tasks = []
        for again in (1, 2, 3):
            payload: dict[str, Any] = {
                "kind": CONFIRMED,
                "subject_id": str(confirmed),
                "version": appointment.version,
                "recipient_kind": "client",
                "recipient_id": str(client.id),
                "again": again,
            }
            await deliver(context, payload, Refusing())
            newest = (await logs_of(runtime, practice, CONFIRMED))[-1]
            assert (newest.status, await body_of(desk, newest.id)) == (EmailStatus.FAILED, None)
            async with runtime.database.tenant(practice) as session:
                tasks.append([row.reason for row in await session.scalars(select(MailTask))])
        assert tasks == [[], [], ["failures"]]

    async def test_an_export_has_it_and_an_erasure_ends_it(self, desk: Desk, client: SignedIn, confirmed: UUID) -> None:
        register_personal_data_sources()
        [log] = await logs_of(desk.runtime, desk.practice, CONFIRMED)
        async with desk.runtime.database.tenant(desk.practice) as session:
            data = (await export_client(session, client.id))["data"]["mails"]
        assert str(log.id) in [str(it["email_log_id"]) for it in data["mail_bodies"]]
        async with desk.runtime.database.tenant(desk.practice) as session:
            await erase_client(session, desk.runtime.vault, client.id, requested_by="client")
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert (await session.scalars(select(MailBody))).all() == []

    def test_none_of_what_guards_an_account_is(self) -> None:
        for row in CATALOGUE.values():
            if row.topic == "security" or row.is_essential or row.on_strangers_request or row.audience != "client":
                assert not is_kept(row), row.kind
        assert is_kept(CATALOGUE[CONFIRMED])


TOKEN = "k3yQ9_x-Zp7LmN2vB8sTwR4uHcJ6dFgA1eXoYiVbK0M"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (f"https://x.test/a/{TOKEN}", "https://x.test/a/…"),
        (f"https://x.test/mail-preferences/c.{TOKEN}.reminders.{'0' * 32}", "https://x.test/mail-preferences/…"),
        (f'<a href="https://x.test/b?token={TOKEN}&amp;next=%2F">', '<a href="https://x.test/b?…">'),
        (f"https://x.test/reset#{TOKEN}", "https://x.test/reset?…"),
        (f"webcal://x.test/feeds/{TOKEN}.ics", "webcal://x.test/feeds/…"),
        ("https://u:pw@x.test/account", "https://x.test/account"),
        ("https://x.test/account/appointments/", "https://x.test/account/appointments/"),
        ("<p>https://x.test</p> a/b?c", "<p>https://x.test</p> a/b?c"),
        (
            "_https://x.test/a/KEY-123xyz éhttps://X.test:8000/a/KEY",
            "_https://x.test/a/… éhttps://X.test:8000/a/…",
        ),
        ("https://meet.google.com/abc-defg-hij", "https://meet.google.com/…"),
        (
            '<a href="https://meet.example/consulta">https://meet.example/</a>',
            '<a href="https://meet.example/…">https://meet.example/</a>',
        ),
        (
            "https://x.test.evil.example/account https://x.test@evil.example/account",
            "https://x.test.evil.example/… https://evil.example/…",
        ),
    ],
)
def test_links_keep_their_way_and_lose_their_keys(written: str, kept: str) -> None:
    assert redact(written, "x.test") == kept


@pytest.mark.parametrize(
    "version", [3, "3-1440", "once", "2026-12-01T00:00:00+00:00", "01900000-0000-7000-8000-000000000000"]
)
@pytest.mark.parametrize("again", [0, 2])
def test_a_key_can_be_read_back(version: int | str, again: int) -> None:
    subject, recipient = new_id(), Recipient.client(new_id())
    key = MailKey("appointment_reminder", subject, version, recipient, again)
    assert MailKey.of(EmailLog(kind=key.kind, subject_id=subject, dedupe_key=str(key))) == key
