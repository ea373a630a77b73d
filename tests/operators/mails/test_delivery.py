"""A mail to an operator goes once: retries, lost answers, killed workers, and people who are operators no more."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from notifications.handing_over import MAY_HAVE_ARRIVED
from notifications.models import NOBODY, EmailStatus
from notifications.operator_mails.announcing import announce_to_operators
from notifications.operator_mails.models import OperatorMail
from notifications.operator_mails.reports import record_operator_reports
from notifications.operator_mails.service import deliver
from notifications.port import Mail, MailRejectedError, MailUnavailableError
from notifications.tracking.models import EventKind
from notifications.tracking.reports import Report
from tests.notifications.test_crashes import BySmtp, start_worker
from tests.support.events import run_platform_events
from tests.support.mail_server import mail_server
from tests.support.operator_mails import mail_rows, operator_mails
from tests.support.operators import make_operator
from tests.support.practices import SignedIn
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.tasks import RetryLaterError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.operators.access import disable_operator
from todoenbalance.operators.mails.kinds import OPERATOR_LOCKED_OUT, OPERATOR_NEWS, OPERATOR_PASSWORD_CHANGED
from todoenbalance.operators.models import Operator

CHANGED = OPERATOR_PASSWORD_CHANGED


class Carrier:
    """A provider that answers what the test says; ``given`` is what it was handed."""

    def __init__(self, *answers: BaseException | None) -> None:
        self._answers = list(answers)
        self.given: list[Mail] = []

    async def send(self, mail: Mail) -> str:
        """By turns; after them always yes."""
        self.given.append(mail)
        answer = self._answers.pop(0) if self._answers else None
        if answer is not None:
            raise answer
        return f"ref-{len(self.given)}"


@pytest.fixture
async def operator(runtime: Runtime) -> SignedIn:
    """Whom the mails are for."""
    return await make_operator(runtime)


def payload_for(operator: SignedIn, kind: str = CHANGED, version: str = "v") -> dict[str, Any]:
    return {
        "kind": kind,
        "subject_id": str(operator.id),
        "version": version,
        "operator_id": str(operator.id),
    }


async def only_row(runtime: Runtime, operator: SignedIn, kind: str = CHANGED) -> OperatorMail:
    [row] = await mail_rows(runtime, kind, operator.id)
    return row


async def test_it_goes_from_the_platforms_own_address(runtime: Runtime, operator: SignedIn) -> None:
    carrier = Carrier()
    await deliver(runtime, payload_for(operator), carrier)
    [mail] = carrier.given
    sender = runtime.settings.mail
    assert (mail.to, mail.sender_address, mail.sender_name) == (
        operator.email,
        sender.sender_address,
        sender.sender_name,
    )
    assert mail.reply_to is None
    row = await only_row(runtime, operator)
    assert (row.status, row.provider_ref, row.attempts, row.id) == (EmailStatus.SENT, "ref-1", 1, mail.id)
    assert row.subject == mail.subject


async def test_the_same_event_again_is_no_second_mail(runtime: Runtime, operator: SignedIn) -> None:
    carrier = Carrier()
    for _ in range(3):
        await deliver(runtime, payload_for(operator), carrier)
    assert len(carrier.given) == 1


async def test_a_worker_that_dies_during_the_call_leaves_it_to_the_next(runtime: Runtime, operator: SignedIn) -> None:
    carrier = Carrier(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await deliver(runtime, payload_for(operator), carrier)
    assert (await only_row(runtime, operator)).status == EmailStatus.SENDING
    await deliver(runtime, payload_for(operator), carrier)
    first, second = carrier.given
    assert (first.id, first.headers["Message-ID"]) == (second.id, second.headers["Message-ID"])
    assert (await only_row(runtime, operator)).status == EmailStatus.SENT


async def test_a_worker_that_is_killed_while_the_server_is_silent_loses_nothing(
    runtime: Runtime, operator: SignedIn
) -> None:
    async with runtime.database.platform() as session:
        await announce_to_operators(
            session, CHANGED, subject_id=operator.id, version="k", operator_ids=[operator.id]
        )  # fmt: skip
        mine = OutboxEvent.payload["operator_id"].astext == str(operator.id)
        event_id = (
            await session.execute(update(OutboxEvent).where(mine).values(attempts=1).returning(OutboxEvent.id))
        ).scalar_one()
    reached, opened = asyncio.Event(), asyncio.Event()

    async def hold(step: str) -> None:
        if step == "content" and not opened.is_set():
            reached.set()
            await opened.wait()

    async with mail_server() as server:
        server.before_answering = hold
        worker = await start_worker(runtime.settings, BySmtp(server), event_id)
        try:
            async with asyncio.timeout(60):
                await reached.wait()
        finally:
            worker.kill()
        assert await worker.wait() == -9
        opened.set()
        assert (await only_row(runtime, operator)).status == EmailStatus.SENDING
        await run_platform_events(BySmtp(server).takes_over(runtime))
        arrived = [message for message in server.messages if message["To"] == operator.email]
    assert {message["Message-ID"] for message in arrived} == {(await only_row(runtime, operator)).provider_ref}
    assert len(arrived) == 2  # the window that SMTP leaves open
    assert (await only_row(runtime, operator)).status == EmailStatus.SENT


async def test_what_the_provider_told_of_is_not_handed_over_again(runtime: Runtime, operator: SignedIn) -> None:
    carrier = Carrier(MailUnavailableError("no answer"))
    with pytest.raises(RetryLaterError):
        await deliver(runtime, payload_for(operator), carrier)
    row = await only_row(runtime, operator)
    async with runtime.database.platform() as session:
        report = Report("e-1", row.id, "platform", EventKind.DELIVERED, clock.now(), None, operator.email)
        assert await record_operator_reports(session, [report]) == 1
    await deliver(runtime, payload_for(operator), carrier)
    assert len(carrier.given) == 1
    row = await only_row(runtime, operator)
    assert (row.status, row.delivery) == (EmailStatus.SENT, "delivered")


async def test_a_silent_provider_is_asked_again_for_a_day(runtime: Runtime, operator: SignedIn) -> None:
    carrier = Carrier(*[MailUnavailableError("no answer")] * 3)
    with pytest.raises(RetryLaterError) as first:
        await deliver(runtime, payload_for(operator), carrier)
    with pytest.raises(RetryLaterError) as second:
        await deliver(runtime, payload_for(operator), carrier)
    assert 20 < (first.value.delay_seconds or 0) <= 30 < 90 < (second.value.delay_seconds or 0)
    with clock.at(clock.now() + timedelta(hours=25)):
        await deliver(runtime, payload_for(operator), carrier)
    row = await only_row(runtime, operator)
    assert (row.status, row.failure, row.attempts) == (EmailStatus.FAILED, "no answer", 3)


async def test_what_is_refused_is_given_up_at_once(runtime: Runtime, operator: SignedIn) -> None:
    await deliver(runtime, payload_for(operator), Carrier(MailRejectedError("400 to")))
    row = await only_row(runtime, operator)
    assert (row.status, row.failure) == (EmailStatus.FAILED, "400 to")


async def disable(runtime: Runtime, operator: SignedIn) -> None:
    async with runtime.database.platform() as session:
        await disable_operator(session, runtime.settings, operator.email)


async def test_who_is_no_operator_any_more_gets_nothing(runtime: Runtime, operator: SignedIn) -> None:
    carrier = Carrier()
    await disable(runtime, operator)
    await deliver(runtime, payload_for(operator), carrier)
    assert carrier.given == []
    assert await mail_rows(runtime, CHANGED, operator.id) == []


async def test_nor_is_tried_again_what_was_begun_before(runtime: Runtime, operator: SignedIn) -> None:
    carrier = Carrier(MailUnavailableError("no answer"))
    with pytest.raises(RetryLaterError):
        await deliver(runtime, payload_for(operator), carrier)
    await disable(runtime, operator)
    await deliver(runtime, payload_for(operator), carrier)
    assert len(carrier.given) == 1
    row = await only_row(runtime, operator)
    assert (row.status, row.failure) == (EmailStatus.FAILED, f"{MAY_HAVE_ARRIVED}; {NOBODY}")
    async with runtime.database.platform() as session:
        report = Report("e-2", row.id, "platform", EventKind.DELIVERED, clock.now(), None, operator.email)
        await record_operator_reports(session, [report])
    row = await only_row(runtime, operator)
    assert (row.status, row.failure, row.delivery) == (EmailStatus.SENT, None, "delivered")


async def test_guessing_does_not_flood_anybody(runtime: Runtime, operator: SignedIn) -> None:
    carrier = Carrier()
    for number in range(5):
        await deliver(runtime, payload_for(operator, OPERATOR_LOCKED_OUT, str(number)), carrier)
    assert len(carrier.given) == 3
    rows = await mail_rows(runtime, OPERATOR_LOCKED_OUT, operator.id)
    assert [row.failure for row in rows] == [None] * 3 + ["too many lately"] * 2


async def test_news_that_were_switched_off_meanwhile_are_left_out(runtime: Runtime, operator: SignedIn) -> None:
    async with runtime.database.platform() as session:
        (await session.get_one(Operator, operator.id)).wants_news = False
    await deliver(runtime, payload_for(operator, OPERATOR_NEWS), Carrier())
    row = await only_row(runtime, operator, OPERATOR_NEWS)
    assert (row.status, row.failure) == (EmailStatus.SKIPPED, "switched off")


async def test_the_queue_sends_it_by_the_adapter_of_the_settings(runtime: Runtime, operator: SignedIn) -> None:
    async with runtime.database.platform() as session:
        await announce_to_operators(
            session, CHANGED, subject_id=operator.id, version="q", operator_ids=[operator.id]
        )  # fmt: skip
    await run_platform_events(runtime)
    [mail] = await operator_mails(runtime, operator.email)
    assert mail.id == (await only_row(runtime, operator)).id
    assert "Message-ID" in mail.headers


class TestReports:
    async def test_the_gravest_holds_whatever_the_order(self, runtime: Runtime, operator: SignedIn) -> None:
        await deliver(runtime, payload_for(operator), Carrier())
        row, now = await only_row(runtime, operator), clock.now()
        told = [
            Report("1", row.id, "platform", EventKind.PROCESSED, now, None, None),
            Report("2", row.id, "platform", EventKind.BOUNCED, now + timedelta(seconds=2), "550 no such", None),
            Report("3", row.id, "platform", EventKind.DELIVERED, now + timedelta(seconds=9), None, None),
            Report("4", new_id(), "platform", EventKind.DELIVERED, now, None, None),
        ]
        for reports in (told, told[::-1]):
            async with runtime.database.platform() as session:
                assert await record_operator_reports(session, reports) == 3
            row = await only_row(runtime, operator)
            assert (row.delivery, row.delivery_reason) == ("bounced", "550 no such")
