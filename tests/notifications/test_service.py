"""One mail, once: repeats, crashes, unavailable providers, and what is no longer true."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from notifications.account_mails import CLIENT_PASSWORD_RESET, CLIENT_VERIFICATION
from notifications.events import NOTIFICATION_SEND
from notifications.mailbox import Mailbox
from notifications.models import Delivery, EmailLog, EmailStatus
from notifications.port import Mail, MailRejectedError, MailUnavailableError
from notifications.recipients import Recipient
from notifications.service import GIVE_UP_AFTER, announce, deliver, register_composer, send_notification
from notifications.watching import list_practice_recipients
from tenants.accounts.models import Client, StaffRole
from tenants.settings.models import PracticeSettings
from tests.support.events import queued
from tests.support.mails import links_in, logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


class Crashing:
    """Delivers, and then the process dies before anything is recorded."""

    def __init__(self, port: Mailbox) -> None:
        self._port = port

    async def send(self, mail: Mail) -> str:
        await self._port.send(mail)
        raise KeyboardInterrupt


class Failing:
    """A provider that answers with one error."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.asked: list[UUID] = []

    async def send(self, mail: Mail) -> str:
        self.asked.append(mail.id)
        raise self._error


def context(runtime: Runtime, tenant: TenantContext) -> TenantEventContext:
    return TenantEventContext(runtime=runtime, event_id=new_id(), topic=NOTIFICATION_SEND, attempt=1, tenant=tenant)


def payload(client: SignedIn, kind: str = CLIENT_PASSWORD_RESET, version: int | str = "v") -> dict[str, Any]:
    return {
        "kind": kind,
        "subject_id": str(client.id),
        "version": version,
        "recipient_kind": "client",
        "recipient_id": str(client.id),
    }


class TestAnnouncing:
    async def test_queues_one_row_for_each_recipient_with_ids_only(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        client_id = client.id
        async with runtime.database.tenant(practice) as session:
            recipients = [Recipient.client(client_id), Recipient.practice_contact()]
            await announce(session, "k", subject_id=client_id, version=3, recipients=recipients)
        rows = [row.payload for row in await queued(runtime, practice) if row.topic == NOTIFICATION_SEND]
        assert [(row["recipient_kind"], row["recipient_id"]) for row in rows] == [
            ("client", str(client_id)),
            ("address", "practice_contact"),
        ]
        assert all(row["version"] == 3 for row in rows)
        assert not [row for row in rows if "@" in str(row)]

    async def test_the_practice_hears_once_for_each_address(self, runtime: Runtime, practice: TenantContext) -> None:
        staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        staff_id, kind = staff.id, "appointment_confirmed_practice"
        async with runtime.database.tenant(practice) as session:
            # Provisioning made the owner's address the practice's contact.
            assert len(await list_practice_recipients(session, kind)) == 1
            assert len(await list_practice_recipients(session, kind, staff_id, staff_id, None)) == 2
            settings = await session.get_one(PracticeSettings, 1)
            settings.contact_email = "hola@example.com"
            assert Recipient.practice_contact() in await list_practice_recipients(session, kind, staff_id)


class TestSending:
    async def test_sends_and_records(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice)
        await send_notification(context(runtime, practice), payload(client))
        [mail] = await mails_of(runtime, practice)
        [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
        assert (log.status, log.attempts, log.provider) == (EmailStatus.SENT, 1, "mailbox")
        assert log.id == mail.id
        assert log.recipient == mail.recipient == client.email
        assert log.subject == mail.subject
        assert log.sent_at is not None
        assert mail.headers["Auto-Submitted"] == "auto-generated"
        assert mail.headers["Reply-To"] == f"owner@{practice.slug}.example.com"
        assert str(mail.id) in mail.headers["Message-ID"]
        assert practice.name in mail.headers["From"]

    async def test_the_same_event_twice_is_one_mail(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice)
        for _ in range(2):
            await send_notification(context(runtime, practice), payload(client))
        assert len(await mails_of(runtime, practice)) == 1

    async def test_the_same_event_at_the_same_time_is_one_mail(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice)
        await asyncio.gather(*(send_notification(context(runtime, practice), payload(client)) for _ in range(5)))
        assert len(await mails_of(runtime, practice)) == 1
        [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
        assert log.status == EmailStatus.SENT

    async def test_a_mail_that_anybody_can_cause_is_no_means_to_bomb_an_address(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        for version in "abcdefgh":
            await send_notification(context(runtime, practice), payload(client, version=version))
        assert len(await mails_of(runtime, practice)) == 3
        with clock.at(clock.now() + timedelta(hours=1)):
            await send_notification(context(runtime, practice), payload(client, version="later"))
        assert len(await mails_of(runtime, practice)) == 4

    async def test_another_version_is_another_mail(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice)
        for version in ("a", "b"):
            await send_notification(context(runtime, practice), payload(client, version=version))
        assert len(await mails_of(runtime, practice)) == 2

    async def test_a_crash_after_the_provider_took_it_leaves_one_mail(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        with pytest.raises(KeyboardInterrupt):
            await deliver(context(runtime, practice), payload(client), Crashing(Mailbox(runtime.database, practice)))
        [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
        assert log.status == EmailStatus.SENDING
        await send_notification(context(runtime, practice), payload(client))
        [mail] = await mails_of(runtime, practice)
        [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
        assert (log.status, log.attempts, log.id) == (EmailStatus.SENT, 2, mail.id)
        assert links_in(mail.text)

    async def test_an_unavailable_provider_is_tried_again_with_the_same_message(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        port = Failing(MailUnavailableError("timeout"))
        for _ in range(2):
            with pytest.raises(RetryLaterError):
                await deliver(context(runtime, practice), payload(client), port)
        assert len(set(port.asked)) == 1
        [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
        assert (log.status, log.attempts, log.failure) == (EmailStatus.SENDING, 2, "timeout")
        await send_notification(context(runtime, practice), payload(client))
        [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
        assert (log.status, log.failure) == (EmailStatus.SENT, None)

    async def test_a_provider_that_does_not_answer_is_handed_it_less_and_less_often(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        port = Failing(MailUnavailableError("timeout"))
        waits = []
        for _ in range(7):
            with pytest.raises(RetryLaterError) as caught:
                await deliver(context(runtime, practice), payload(client), port)
            waits.append(caught.value.delay_seconds or 0.0)
        for wait, longest in zip(waits, (30, 120, 480, 1920, 7200, 7200, 7200), strict=True):
            assert longest * 0.8 <= wait <= longest
        with pytest.raises(RetryLaterError) as caught:
            await deliver(context(runtime, practice), payload(client), Failing(MailUnavailableError("429", 7.0)))
        assert caught.value.delay_seconds == 7.0  # it said so itself

    async def test_what_the_provider_told_of_is_not_handed_over_again(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        port = Failing(MailUnavailableError("timeout"))
        with pytest.raises(RetryLaterError):
            await deliver(context(runtime, practice), payload(client), port)
        async with runtime.database.tenant(practice) as session:
            await session.execute(update(EmailLog).values(delivery=Delivery.DELIVERED))  # its event came meanwhile
        await deliver(context(runtime, practice), payload(client), port)
        assert len(port.asked) == 1
        log = next(row for row in await logs_of(runtime, practice, CLIENT_PASSWORD_RESET))
        assert (log.status, log.failure) == (EmailStatus.SENT, None)

    async def test_after_a_day_it_is_given_up(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice)
        port = Failing(MailUnavailableError("timeout"))
        with pytest.raises(RetryLaterError):
            await deliver(context(runtime, practice), payload(client), port)
        with clock.at(clock.now() + GIVE_UP_AFTER + timedelta(minutes=1)):
            await deliver(context(runtime, practice), payload(client), port)
        [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
        assert log.status == EmailStatus.FAILED

    async def test_a_rejected_mail_is_final(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice)
        port = Failing(MailRejectedError("bad address"))
        for _ in range(2):
            await deliver(context(runtime, practice), payload(client), port)
        assert len(port.asked) == 1
        [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
        assert (log.status, log.failure) == (EmailStatus.FAILED, "bad address")

    async def test_what_is_no_longer_true_is_skipped(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice, is_verified=True)
        await send_notification(context(runtime, practice), payload(client, CLIENT_VERIFICATION))
        assert await mails_of(runtime, practice) == []
        [log] = await logs_of(runtime, practice, CLIENT_VERIFICATION)
        assert (log.status, log.attempts) == (EmailStatus.SKIPPED, 0)

    async def test_what_may_have_arrived_was_not_left_out(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice, is_verified=False)
        with pytest.raises(RetryLaterError):
            port = Failing(MailUnavailableError("timeout"))
            await deliver(context(runtime, practice), payload(client, CLIENT_VERIFICATION), port)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Client, client.id)).is_verified = True  # by a link of that copy, maybe
        await send_notification(context(runtime, practice), payload(client, CLIENT_VERIFICATION))
        assert await mails_of(runtime, practice) == []
        [log] = await logs_of(runtime, practice, CLIENT_VERIFICATION)
        assert (log.status, log.failure) == (EmailStatus.FAILED, "may have arrived; no longer true")
        assert (log.attempts, log.recipient) == (1, client.email)

    async def test_a_closed_account_gets_nothing(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Client, client.id)).is_active = False
        await send_notification(context(runtime, practice), payload(client))
        assert await mails_of(runtime, practice) == []
        [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
        assert (log.status, log.recipient) == (EmailStatus.SKIPPED, "")

    async def test_a_mail_stays_in_its_practice(
        self, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        await send_notification(context(runtime, other_practice), payload(client))
        assert await mails_of(runtime, practice) == []
        assert await mails_of(runtime, other_practice) == []


def test_a_kind_has_one_composer() -> None:
    async def composer(*_arguments: object) -> None:
        return None

    with pytest.raises(ValueError, match=CLIENT_PASSWORD_RESET):
        register_composer(CLIENT_PASSWORD_RESET, composer)
