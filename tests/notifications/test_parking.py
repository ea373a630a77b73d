"""A mail whose row the queue gives up has failed, the front desk hears of it, and an operator can have it sent."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from notifications import composing
from notifications.account_mails import CLIENT_PASSWORD_RESET
from notifications.announcing import announce, announce_again
from notifications.events import NOTIFICATION_SEND
from notifications.handing_over import GIVEN_UP, MAY_HAVE_ARRIVED
from notifications.keys import MailKey
from notifications.mail_tasks.models import MailTask
from notifications.mailbox import Mailbox
from notifications.models import Delivery, EmailLog, EmailStatus
from notifications.port import Mail, MailUnavailableError
from notifications.recipients import Recipient
from notifications.service import deliver, on_send_parked
from tenants.registry.service import TenantDirectory
from tests.support.events import queued, run_due_events
from tests.support.mails import logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_practice
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox import relay
from todoenbalance.kit.outbox.dispatch import Dispatcher
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.relay import parked_topic
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import SUBSCRIPTIONS


@pytest.fixture
def impatient(runtime: Runtime) -> Runtime:
    """A queue that gives up at the first failure."""
    outbox = runtime.settings.outbox.model_copy(update={"max_attempts": 1})
    return replace(runtime, settings=runtime.settings.model_copy(update={"outbox": outbox}))


@pytest.fixture
def broken() -> Iterator[pytest.MonkeyPatch]:
    """The mail can't be composed, until this is undone."""
    with pytest.MonkeyPatch.context() as patch:

        async def fail(*_arguments: object) -> None:
            raise KeyError("a fault of ours")

        patch.setitem(composing._composers, CLIENT_PASSWORD_RESET, fail)
        yield patch


async def ask_for_mail(runtime: Runtime, practice: TenantContext, client: SignedIn, version: str = "v") -> MailKey:
    key = MailKey(CLIENT_PASSWORD_RESET, client.id, version, Recipient.client(client.id))
    async with runtime.database.tenant(practice) as session:
        recipients = [key.recipient]
        await announce(session, key.kind, subject_id=client.id, version=version, recipients=recipients)
    return key


async def parked_rows(runtime: Runtime, practice: TenantContext) -> list[OutboxEvent]:
    return [row for row in await queued(runtime, practice) if row.parked_at is not None]


async def put_back(runtime: Runtime, row: OutboxEvent) -> None:
    """As the runbook has it."""
    statement = update(OutboxEvent).where(OutboxEvent.id == row.id)
    async with runtime.database.platform() as session:
        await session.execute(statement.values(parked_at=None, failures=0, run_at=clock.now()))


async def reset_log(runtime: Runtime, practice: TenantContext) -> EmailLog:
    [log] = [row for row in await logs_of(runtime, practice, CLIENT_PASSWORD_RESET) if ".resend" not in row.dedupe_key]
    return log


def notice(runtime: Runtime, practice: TenantContext) -> TenantEventContext:
    return TenantEventContext(runtime, new_id(), parked_topic(NOTIFICATION_SEND), 1, practice)


async def test_a_mail_that_cant_be_composed_has_failed_and_goes_out_once_when_it_is_put_back(
    impatient: Runtime, practice: TenantContext, broken: pytest.MonkeyPatch
) -> None:
    client = await make_client(impatient, practice)
    await ask_for_mail(impatient, practice, client)
    await run_due_events(impatient, practice)
    log = await reset_log(impatient, practice)
    assert (log.status, log.failure, log.recipient, log.attempts) == (EmailStatus.FAILED, GIVEN_UP, client.email, 0)
    [row] = await parked_rows(impatient, practice)
    assert row.topic == NOTIFICATION_SEND

    broken.undo()
    await put_back(impatient, row)
    await run_due_events(impatient, practice)
    again = await reset_log(impatient, practice)
    assert (again.id, again.status, again.failure) == (log.id, EmailStatus.SENT, None)
    assert [mail.id for mail in await mails_of(impatient, practice, client.email)] == [log.id]
    assert NOTIFICATION_SEND not in [row.topic for row in await queued(impatient, practice)]
    await ask_for_mail(impatient, practice, client)  # the same event once more
    await run_due_events(impatient, practice)
    assert len(await mails_of(impatient, practice, client.email)) == 1


async def test_what_is_put_back_days_later_has_all_its_time_anew(
    impatient: Runtime, practice: TenantContext, broken: pytest.MonkeyPatch
) -> None:
    client = await make_client(impatient, practice)
    await ask_for_mail(impatient, practice, client)
    with clock.at(clock.now() - timedelta(days=3)):
        await run_due_events(impatient, practice, until=clock.now() + timedelta(days=4))
    [row] = await parked_rows(impatient, practice)

    broken.undo()
    context = TenantEventContext(impatient, row.id, NOTIFICATION_SEND, 2, practice)
    with pytest.raises(RetryLaterError):
        await deliver(context, row.payload, Busy())
    log = await reset_log(impatient, practice)
    assert (log.status, log.attempts) == (EmailStatus.SENDING, 1)


class Busy:
    """A provider that has no time just now."""

    async def send(self, mail: Mail) -> str:
        """As the port says."""
        raise MailUnavailableError(f"later ({len(mail.headers)} headers)")


async def test_the_front_desk_is_to_call_whom_three_in_a_row_did_not_reach(
    impatient: Runtime, practice: TenantContext, broken: pytest.MonkeyPatch
) -> None:
    client = await make_client(impatient, practice, is_verified=True)
    for version in "abc":
        await ask_for_mail(impatient, practice, client, version)
    await run_due_events(impatient, practice)
    async with impatient.database.tenant(practice) as session:
        tasks = (await session.scalars(select(MailTask))).all()
    assert [(task.client_id, task.reason) for task in tasks] == [(client.id, "failures")]


async def test_a_mail_that_kills_each_worker_has_failed_and_may_have_arrived(fresh_runtime: Runtime) -> None:
    practice = await make_practice(fresh_runtime)
    client = await make_client(fresh_runtime, practice)
    await run_due_events(fresh_runtime, practice)
    await ask_for_mail(fresh_runtime, practice, client)
    settings, now = fresh_runtime.settings.outbox, clock.now()
    told = Dispatcher(fresh_runtime, TenantDirectory(fresh_runtime.database, fresh_runtime.settings), SUBSCRIPTIONS, {})
    for turn in range(settings.max_attempts + 1):
        with clock.at(now + timedelta(hours=turn)):
            async with fresh_runtime.database.platform() as session:
                batch = await relay.hand_over_due(session, settings, told=told.told)
            for item in batch:
                async with fresh_runtime.database.platform() as session:
                    begun = await relay.begin(session, item.event_id, item.attempt)
                if begun is None or begun.topic != NOTIFICATION_SEND:
                    continue
                # Here the process is killed, once the mail was handed over.
                with pytest.raises(KeyboardInterrupt):
                    await deliver(notice(fresh_runtime, practice), begun.payload, Crashing(fresh_runtime, practice))
    assert len(await parked_rows(fresh_runtime, practice)) == 1
    with clock.at(now + timedelta(hours=settings.max_attempts + 1)):
        await run_due_events(fresh_runtime, practice)
    log = await reset_log(fresh_runtime, practice)
    assert log.attempts == settings.max_attempts
    assert (log.status, log.failure) == (EmailStatus.FAILED, f"{MAY_HAVE_ARRIVED}; {GIVEN_UP}")


class Crashing:
    """Delivers, and then the process dies."""

    def __init__(self, runtime: Runtime, practice: TenantContext) -> None:
        self._port = Mailbox(runtime.database, practice)

    async def send(self, mail: Mail) -> str:
        await self._port.send(mail)
        raise KeyboardInterrupt


async def test_what_the_provider_told_of_meanwhile_was_sent(
    runtime: Runtime, practice: TenantContext, impatient: Runtime
) -> None:
    client = await make_client(runtime, practice)
    key = await ask_for_mail(runtime, practice, client)
    [row] = [row for row in await queued(runtime, practice) if row.payload.get("version") == key.version]
    with pytest.raises(KeyboardInterrupt):
        await deliver(notice(runtime, practice), row.payload, Crashing(runtime, practice))
    async with runtime.database.tenant(practice) as session:
        await session.execute(update(EmailLog).values(delivery=Delivery.DELIVERED))
    await park(runtime, row.id)
    await on_send_parked(notice(runtime, practice), {**row.payload, "parked_id": str(row.id)})
    log = await reset_log(runtime, practice)
    assert (log.status, log.failure) == (EmailStatus.SENT, None)


async def park(runtime: Runtime, event_id: UUID) -> None:
    statement = update(OutboxEvent).where(OutboxEvent.id == event_id)
    async with runtime.database.platform() as session:
        await session.execute(statement.values(parked_at=clock.now()))


async def test_the_notice_counts_only_while_the_row_is_parked_and_only_once(
    impatient: Runtime, practice: TenantContext, broken: pytest.MonkeyPatch
) -> None:
    client = await make_client(impatient, practice)
    await ask_for_mail(impatient, practice, client)
    [row] = [row for row in await queued(impatient, practice) if row.payload.get("version") == "v"]
    payload: dict[str, Any] = {**row.payload, "parked_id": str(row.id)}
    await on_send_parked(notice(impatient, practice), payload)  # put back before the notice came
    assert (await reset_log(impatient, practice)).status == EmailStatus.SENDING
    await run_due_events(impatient, practice)
    first = await reset_log(impatient, practice)
    await on_send_parked(notice(impatient, practice), payload)
    assert (await reset_log(impatient, practice)).failure == first.failure == GIVEN_UP


async def test_a_worker_that_was_thought_dead_has_the_last_word(
    impatient: Runtime, practice: TenantContext, broken: pytest.MonkeyPatch
) -> None:
    client = await make_client(impatient, practice)
    key = await ask_for_mail(impatient, practice, client)
    await run_due_events(impatient, practice)
    [row] = await parked_rows(impatient, practice)
    broken.undo()

    class GivenUpMeanwhile(Mailbox):
        async def send(self, mail: Mail) -> str:
            await on_send_parked(notice(impatient, practice), {**row.payload, "parked_id": str(row.id)})
            assert (await reset_log(impatient, practice)).status == EmailStatus.FAILED
            return await super().send(mail)

    await deliver(notice(impatient, practice), row.payload, GivenUpMeanwhile(impatient.database, practice))
    log = await reset_log(impatient, practice)
    assert (log.status, log.failure, log.dedupe_key) == (EmailStatus.SENT, None, str(key))


async def test_what_staff_had_sent_again_meanwhile_does_not_go_out_twice(
    impatient: Runtime, practice: TenantContext, broken: pytest.MonkeyPatch
) -> None:
    client = await make_client(impatient, practice)
    key = await ask_for_mail(impatient, practice, client)
    await run_due_events(impatient, practice)
    [row] = await parked_rows(impatient, practice)
    broken.undo()
    async with impatient.database.tenant(practice) as session:
        await announce_again(session, key, 1)
    await run_due_events(impatient, practice)
    await put_back(impatient, row)
    await run_due_events(impatient, practice)
    assert (await reset_log(impatient, practice)).status == EmailStatus.FAILED
    assert len(await mails_of(impatient, practice, client.email)) == 1
