"""Whoever carries mails refuses the practice's own address: mails go from the platform's at once, and stay there until
somebody has reason to trust the address again."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from notifications.account_mails import CLIENT_PASSWORD_RESET
from notifications.models import EmailLog, EmailStatus
from notifications.sender.models import Trouble
from notifications.sender.service import SenderStatus
from tests.notifications.sender.conftest import ADDRESS, DOMAIN, PLATFORM, SEND_KEY, Desk
from tests.notifications.sender.test_smtp import ARRANGED, by_smtp
from tests.support.events import run_due_events
from tests.support.mail_server import MailServer, mail_server
from tests.support.mails import logs_of
from todoenbalance.kit import clock

NOT_OWNED = "553 5.7.1 <citas@nuria-nutricion.example>: Sender address rejected: not owned by user relay"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as made:
        yield made


async def verified_by_smtp(desk: Desk, server: MailServer) -> Desk:
    desk = by_smtp(desk, server, **ARRANGED)
    assert (await desk.verified()).status is SenderStatus.VERIFIED
    return desk


async def send(desk: Desk) -> EmailLog:
    await desk.announce()
    await run_due_events(desk.runtime, desk.practice)
    return (await logs_of(desk.runtime, desk.practice, CLIENT_PASSWORD_RESET))[-1]


def senders(server: MailServer) -> list[str | None]:
    """Of password mails, which go to the client alone, oldest first."""
    return [one.mail_from for one in server.envelopes if not one.rcpt_tos[0].startswith("owner@")]


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("sender", "550 5.7.1 not you"),
        ("recipient", NOT_OWNED),
        ("content", "550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
        ("content", "554 Message rejected: Email address is not verified"),
        ("content", "550 5.7.26 this mail is unauthenticated"),
    ],
)
async def test_the_mail_goes_from_the_platforms_address_at_once(
    desk: Desk, server: MailServer, step: str, answer: str
) -> None:
    desk = await verified_by_smtp(desk, server)
    server.refusals[ADDRESS] = (step, answer)
    log = await send(desk)
    assert (log.status, log.attempts, log.failure) == (EmailStatus.SENT, 2, None)
    assert senders(server) == [PLATFORM]
    [arrived] = [one for one in server.messages if one["Message-ID"] == log.provider_ref]
    assert arrived["From"].addresses[0].addr_spec == PLATFORM
    assert log.provider_ref == f"<{log.id}@{DOMAIN}>"  # the same as a copy would have whose answer was lost
    state = await desk.state()
    assert (state.status, state.trouble, state.current.address) == (SenderStatus.BROKEN, Trouble.REFUSED, PLATFORM)
    [news] = [one for one in server.messages if "ya no salen desde" in str(one["Subject"])]
    body = news.get_body(("plain",))
    assert body is not None
    assert "no ha aceptado" in " ".join(body.get_content().split())


async def test_it_does_not_flap_where_no_check_can_see_it(desk: Desk, server: MailServer) -> None:
    desk = await verified_by_smtp(desk, server)
    server.refusals[ADDRESS] = ("recipient", NOT_OWNED)
    now = clock.now()
    for _ in range(3):
        await send(desk)
    with clock.at(now + timedelta(hours=20)):
        assert (await send(desk)).attempts == 1  # every check since then found all records right
        assert (await desk.state()).trouble == Trouble.REFUSED
    told = [one for one in server.messages if "ya no salen desde" in str(one["Subject"])]
    assert len(told) == 1
    assert [log.attempts for log in await logs_of(desk.runtime, desk.practice, CLIENT_PASSWORD_RESET)] == [2, 1, 1, 1]

    # After a day it is tried again, and another refusal is another day.
    with clock.at(now + timedelta(hours=26)):
        assert (await desk.work()).status is SenderStatus.VERIFIED
        assert (await send(desk)).attempts == 2
        assert (await desk.state()).status is SenderStatus.BROKEN
    # Or at once, when the owner has mended it and says so.
    server.refusals.clear()
    with clock.at(now + timedelta(hours=27)):
        assert (await desk.check()).status is SenderStatus.VERIFIED
        assert (await send(desk)).attempts == 1
    assert senders(server)[-1] == ADDRESS


async def test_another_address_is_not_held_to_account_for_the_refused_one(desk: Desk, server: MailServer) -> None:
    desk = await verified_by_smtp(desk, server)
    server.refusals[ADDRESS] = ("sender", "550 5.7.1 not you")
    await send(desk)
    await desk.choose(f"hola@{DOMAIN}")
    assert (await desk.work()).status is SenderStatus.VERIFIED
    await send(desk)
    assert senders(server) == [PLATFORM, f"hola@{DOMAIN}"]


async def test_records_that_are_wrong_are_said_and_right_ones_are_trusted_again(desk: Desk, server: MailServer) -> None:
    desk = await verified_by_smtp(desk, server)
    server.refusals[ADDRESS] = ("sender", "550 5.7.1 not you")
    kept = desk.dns.zone.pop(("CNAME", f"teb._domainkey.{DOMAIN}"))
    now = clock.now()
    await send(desk)
    assert ((await desk.state()).status, (await desk.state()).trouble) == (SenderStatus.BROKEN, None)
    desk.dns.zone["CNAME", f"teb._domainkey.{DOMAIN}"] = kept
    with clock.at(now + timedelta(hours=2)):
        assert (await desk.work()).status is SenderStatus.VERIFIED


async def test_what_is_refused_from_any_sender_is_what_it_was(desk: Desk, server: MailServer) -> None:
    desk = await verified_by_smtp(desk, server)
    spam = "550 5.7.1 Message rejected: sender or content looks like spam"
    server.refusals |= {ADDRESS: ("content", spam), PLATFORM: ("content", spam)}
    log = await send(desk)
    assert (log.status, log.failure, log.attempts) == (
        EmailStatus.FAILED,
        "refused by the mail server (content: 550 5.7.1)",
        2,
    )
    server.refusals |= {ADDRESS: ("sender", "550 no"), PLATFORM: ("sender", "550 no")}
    log = await send(desk)
    assert (log.status, log.failure, log.attempts) == (EmailStatus.SENDING, "the mail server refuses us (550)", 2)
    server.refusals = {ADDRESS: ("recipient", "550 5.1.1 no such mailbox")}
    log = await send(desk)
    assert (log.status, log.attempts) == (EmailStatus.FAILED, 1)
    assert (await desk.state()).status is SenderStatus.VERIFIED


async def test_sendgrid_that_knows_the_domain_no_more(desk: Desk) -> None:
    owner = f"owner@{desk.practice.slug}.example.com"
    await desk.verified()
    told = len(desk.sent(owner))
    desk.domains.by_id.clear()
    desk.server.account(SEND_KEY).senders.add(PLATFORM)
    log = await send(desk)
    assert (log.status, log.attempts) == (EmailStatus.SENT, 2)
    mail = next(one for one in desk.sent() if one["personalizations"][0]["custom_args"]["message"] == str(log.id))
    assert mail["from"]["email"] == PLATFORM
    assert (await desk.state()).status is SenderStatus.BROKEN
    assert len(desk.sent(owner)) == told + 1
    assert (await send(desk)).attempts == 1

    # A key that may not send at all says nothing about the domain.
    desk.server.account(SEND_KEY).senders.clear()
    with clock.at(clock.now() + timedelta(hours=2)):
        await desk.enter_records()
        assert (await desk.check()).status is SenderStatus.VERIFIED
        desk.server.faults.answer(403, "/v3/mail/send", times=2)
        log = await send(desk)
        assert (log.status, log.failure) == (EmailStatus.SENDING, "sendgrid refuses our account (403)")
        assert (await desk.state()).status is SenderStatus.VERIFIED
