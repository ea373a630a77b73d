"""From entering an address to mails from it, and back when DNS says so no more: SendGrid's package and real DNS."""

import asyncio
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from notifications.sender.checking import MOST_UNANSWERED, check_mail_sender
from notifications.sender.events import MAIL_SENDER_CHECK
from notifications.sender.models import MailDomain, Trouble
from notifications.sender.records import Purpose, RecordState
from notifications.sender.repository import MailSenderRepository
from notifications.sender.sendgrid_domains import SendGridDomains
from notifications.sender.service import SenderStatus
from tenants.registry.models import TenantStatus
from tests.notifications.sender.conftest import ADDRESS, DOMAIN, DOMAINS_KEY, PLATFORM, Desk
from tests.support.events import queued
from todoenbalance.kit import clock
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.outbox.tasks import TenantEventContext

VALIDATE = "/validate"


class SlowZone(dict[tuple[str, str], list[str]]):
    """DNS as SendGrid sees it, and it takes as long as the test wants."""

    def __init__(self, zone: dict[tuple[str, str], list[str]]) -> None:
        super().__init__(zone)
        self.is_asked, self.may_answer = threading.Event(), threading.Event()

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        """Waits."""
        self.is_asked.set()
        assert self.may_answer.wait(10)
        return super().get(key, default)


async def claim_of(desk: Desk) -> MailDomain | None:
    async with desk.runtime.database.platform() as session:
        return await session.get(MailDomain, desk.practice.id)


def next_check(desk: Desk, **changes: object) -> TenantEventContext:
    values = {"runtime": desk.runtime, "event_id": uuid4(), "topic": MAIL_SENDER_CHECK, "attempt": 1} | changes
    return TenantEventContext(**{"tenant": desk.practice} | values)  # type: ignore[arg-type]  # a test's own values


async def due_payload(desk: Desk) -> dict[str, str]:
    """Of the look that counts: rows that it replaced are still there, and may be due after it, for each is a little
    early or late by chance."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        sender = await MailSenderRepository(session).find()
    assert sender is not None
    assert sender.due_at is not None
    rows = [row for row in await queued(desk.runtime, desk.practice) if row.topic == MAIL_SENDER_CHECK]
    [payload] = [row.payload for row in rows if datetime.fromisoformat(row.payload["due_at"]) == sender.due_at]
    return dict(payload)


async def test_mails_follow_what_dns_says(desk: Desk) -> None:
    owner = f"owner@{desk.practice.slug}.example.com"
    chosen = await desk.choose(name="Nuria Núñez", reply_to="nuria@gmail.com")
    assert (chosen.status, chosen.is_being_checked, chosen.records) == (SenderStatus.PENDING, True, ())
    state = await desk.work()
    assert {one.state for one in state.records} == {RecordState.MISSING}
    assert [(one.purpose, one.type) for one in state.records] == [
        ("ownership", "TXT"), ("return_path", "CNAME"), ("dkim", "CNAME"), ("dkim", "CNAME"), ("dmarc", "TXT"),
    ]  # fmt: skip
    waiting = await desk.mail()
    assert waiting["from"] == {"email": PLATFORM, "name": "Nuria Núñez"}
    assert waiting["reply_to"] == {"email": "nuria@gmail.com"}

    # All but one are not enough, whichever it is.
    for missing in (Purpose.OWNERSHIP, Purpose.RETURN_PATH, Purpose.DKIM):
        desk.dns.zone.clear()
        await desk.enter_records(*(set(Purpose) - {missing}))
        assert (await desk.check()).status is SenderStatus.PENDING
    await desk.enter_records()
    desk.dns.zone["TXT", f"_todoenbalance.{DOMAIN}"].insert(0, "practice=somebody-else")
    state = await desk.check()
    assert (state.status, state.trouble) == (SenderStatus.VERIFIED, None)
    assert [one.state for one in state.records if not one.is_required] == [RecordState.MISSING]  # DMARC is advice
    own = await desk.mail()
    assert own["from"] == {"email": ADDRESS, "name": "Nuria Núñez"}
    assert own["headers"]["Message-ID"].endswith(f"@{DOMAIN}>")
    assert desk.sent(owner)[-1]["from"]["email"] == PLATFORM  # the invitation, which went before

    # A day later a record is gone, which nobody had to ask for.
    told = len(desk.sent(owner))
    kept = desk.dns.zone.pop(("CNAME", f"s1._domainkey.{DOMAIN}"))
    with clock.at(clock.now() + timedelta(hours=25)):
        state = await desk.work()
        assert state.status is SenderStatus.BROKEN
        assert (await desk.mail())["from"]["email"] == PLATFORM
        [news] = desk.sent(owner)[told:]
        assert news["from"]["email"] == PLATFORM
        assert news["subject"] == f"Los correos ya no salen desde {ADDRESS}"
        assert f"https://{desk.practice.slug}" in news["content"][0]["value"].replace("http://", "https://")
    with clock.at(clock.now() + timedelta(hours=27)):
        assert (await desk.work()).status is SenderStatus.BROKEN
        assert len(desk.sent(owner)) == told + 1  # once an outage
        desk.dns.zone["CNAME", f"s1._domainkey.{DOMAIN}"] = kept
    with clock.at(clock.now() + timedelta(hours=29)):
        state = await desk.work()  # by itself within an hour
        assert (state.status, state.broken_at) == (SenderStatus.VERIFIED, None)
        assert (await desk.mail())["from"]["email"] == ADDRESS
        desk.dns.zone["CNAME", f"s1._domainkey.{DOMAIN}"] = ["elsewhere.example"]
        state = await desk.check()
        [wrong] = [one for one in state.records if one.state is RecordState.WRONG]
        assert wrong.found == "elsewhere.example"
        assert len(desk.sent(owner)) == told + 2

    # Without an address of its own the domain is nobody's, and SendGrid forgets it.
    with clock.at(clock.now() + timedelta(hours=30)):
        await desk.choose(None)
        assert (await desk.work()).status is SenderStatus.PLATFORM
    assert desk.domains.by_id == {}
    assert await claim_of(desk) is None


async def test_nobody_takes_a_domain_that_another_practice_has_shown_to_be_its_own(
    desk: Desk, other_desk: Desk
) -> None:
    await other_desk.choose()
    await other_desk.work()
    assert (await desk.verified()).status is SenderStatus.VERIFIED
    # The provider's records are the same for both and are all there; what shows whose the domain is, is not.
    assert list(desk.domains.by_id) == [302183]
    state = await other_desk.check()
    assert {one.purpose for one in state.records if one.state is not RecordState.OK} == {"ownership", "dmarc"}
    assert (state.status, state.trouble) == (SenderStatus.PENDING, Trouble.TAKEN)
    assert (await other_desk.mail())["from"]["email"] == PLATFORM
    # Even who can write to its DNS has to wait until the other is done with it.
    await other_desk.enter_records()
    state = await other_desk.check()
    assert (state.status, state.trouble) == (SenderStatus.PENDING, Trouble.TAKEN)
    await other_desk.choose(None)
    await other_desk.work()
    with pytest.raises(InvalidInputError) as refused:
        await other_desk.choose(f"hola@{DOMAIN.upper()}")
    assert refused.value.errors[0]["type"] == "sender_domain_taken"
    assert list(desk.domains.by_id) == [302183]
    assert (await desk.mail())["from"]["email"] == ADDRESS

    # It breaks for the first: the second shows it to be its own, and the first can't have it back meanwhile.
    desk.dns.zone.pop(("TXT", f"_todoenbalance.{DOMAIN}"))
    assert (await desk.check()).status is SenderStatus.BROKEN
    assert (await other_desk.verified()).status is SenderStatus.VERIFIED
    await desk.enter_records()
    state = await desk.check()
    assert (state.status, state.trouble) == (SenderStatus.BROKEN, Trouble.TAKEN)
    await desk.choose(None)
    await desk.work()
    assert list(desk.domains.by_id) == [302183]  # the second needs it
    await other_desk.choose(None)
    await other_desk.work()
    assert desk.domains.by_id == {}  # whichever of them had it made


async def test_what_nobody_answers_changes_nothing_for_a_while(desk: Desk) -> None:
    owner = f"owner@{desk.practice.slug}.example.com"
    await desk.verified()
    told = len(desk.sent(owner))
    desk.dns.is_silent = True
    state = await desk.check()
    assert (state.status, state.trouble) == (SenderStatus.VERIFIED, Trouble.UNANSWERED)
    desk.dns.is_silent, desk.dns.is_broken = False, True
    for _ in range(MOST_UNANSWERED - 2):
        state = await desk.check()
    assert state.status is SenderStatus.VERIFIED
    assert {one.state for one in state.records} == {RecordState.UNKNOWN}
    assert len(desk.sent(owner)) == told
    state = await desk.check()
    assert (state.status, state.trouble) == (SenderStatus.BROKEN, Trouble.UNANSWERED)
    assert len(desk.sent(owner)) == told + 1
    desk.dns.is_broken = False
    with clock.at(clock.now() + timedelta(hours=1)):
        assert (await desk.work()).status is SenderStatus.VERIFIED

    # Nor does what SendGrid can't say; an answer that was lost makes no second domain.
    for status, path in ((500, f"*{VALIDATE}"), (401, "/v3/whitelabel/domains/*"), (None, "/v3/whitelabel/domains/*")):
        if status is None:
            desk.server.faults.drop(path)
        else:
            desk.server.faults.answer(status, path)
        state = await desk.check()
        assert (state.status, state.trouble) == (SenderStatus.VERIFIED, Trouble.UNANSWERED)
        assert (await desk.check()).trouble is None
    desk.server.faults.answer(429, "/v3/whitelabel/domains/*", times=MOST_UNANSWERED + 1)
    for _ in range(MOST_UNANSWERED + 1):
        assert (await desk.check()).status is SenderStatus.VERIFIED  # DNS is as it was
    desk.domains.by_id.clear()
    desk.server.faults.lose_answer("/v3/whitelabel/domains", method="POST")
    assert (await desk.check()).trouble == Trouble.UNANSWERED
    await desk.check()
    assert len(desk.domains.by_id) == 1


async def test_the_provider_has_the_last_word(desk: Desk) -> None:
    desk.server.zone = {}
    state = await desk.verified()
    assert (state.status, state.trouble) == (SenderStatus.PENDING, Trouble.PROVIDER_WAITS)
    assert {one.state for one in state.records if one.is_required} == {RecordState.OK}
    desk.server.zone = desk.dns.zone
    with clock.at(clock.now() + timedelta(hours=1)):
        assert (await desk.work()).status is SenderStatus.VERIFIED
    # Its key may do nothing else, and no other key is used for this.
    asked = {it.headers["authorization"] for it in desk.server.requests("/v3/whitelabel")}
    assert asked == {f"Bearer {DOMAINS_KEY}"}
    [made] = desk.server.requests("/v3/whitelabel/domains", "POST")[:1]
    assert made.body == {"domain": DOMAIN, "automatic_security": True, "custom_spf": False, "default": False}


async def test_who_changes_their_mind_while_it_is_looked_at_gets_what_they_chose_last(desk: Desk) -> None:
    await desk.choose()
    await desk.work()
    await desk.enter_records()
    await desk.choose("hola@other.example")
    await desk.choose()
    await desk.work()
    await desk.enter_records()  # the practice came back: what it is to enter is new
    payload = await due_payload(desk)
    desk.server.zone = zone = SlowZone(desk.dns.zone)
    with clock.at(clock.now() + timedelta(hours=2)):
        looking = asyncio.create_task(check_mail_sender(next_check(desk), payload))
        assert await asyncio.to_thread(zone.is_asked.wait, 10)
        await desk.choose(None)
        zone.may_answer.set()
        await looking
        assert (await desk.state()).status is SenderStatus.PLATFORM
        await desk.work()
    assert await claim_of(desk) is None
    assert desk.domains.by_id == {}
    assert (await desk.mail())["from"]["email"] == PLATFORM
    # And a row of the queue that was replaced does nothing.
    asked = len(desk.dns.asked)
    await check_mail_sender(next_check(desk), payload)
    assert len(desk.dns.asked) == asked


async def test_another_address_on_the_same_domain_is_used_at_once(desk: Desk) -> None:
    await desk.verified()
    state = await desk.choose(f"HOLA@{DOMAIN}")
    assert (state.status, state.address) == (SenderStatus.VERIFIED, f"hola@{DOMAIN}")
    assert (await desk.mail())["from"]["email"] == f"hola@{DOMAIN}"
    await desk.choose("hola@other.example")
    assert (await desk.mail())["from"]["email"] == PLATFORM
    await desk.work()
    assert [one["domain"] for one in desk.domains.by_id.values()] == ["other.example"]


async def test_letters_beyond_ascii_travel_as_dns_wants_them(desk: Desk) -> None:
    state = await desk.verified("citas@nutrición-núñez.example")
    assert (state.status, state.address) == (SenderStatus.VERIFIED, f"citas@{state.domain}")
    assert state.domain == "xn--nutricin-nez-jhby2i.example"
    assert (await desk.mail())["from"]["email"] == state.address


async def test_a_closing_practice_gives_its_domain_up(desk: Desk, other_desk: Desk) -> None:
    await desk.verified()
    payload = await due_payload(desk)
    await check_mail_sender(next_check(desk, tenant=replace(desk.practice, status=TenantStatus.CLOSING)), payload)
    assert await claim_of(desk) is None
    await desk.work()
    assert (await other_desk.verified()).status is SenderStatus.VERIFIED


async def test_a_domain_that_the_operator_made_for_something_else_is_left_alone(desk: Desk) -> None:
    """It is in the same account, so it serves the practice too; but we did not make it."""
    operators = SendGridDomains(desk.runtime.settings.providers.sendgrid)
    made = await operators.prepare(DOMAIN, None)
    assert (await desk.verified()).status is SenderStatus.VERIFIED
    await desk.choose(None)
    await desk.work()
    assert [str(number) for number in desk.domains.by_id] == [made.ref]
