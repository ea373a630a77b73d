"""What a check does when something around it goes wrong: suspended practices, odd answers, lost rows, old domains."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from notifications.sender.checking import check_mail_sender
from notifications.sender.events import MAIL_DOMAIN_FORGET, MAIL_SENDER_CHECK
from notifications.sender.identity import TRUSTED_FOR
from notifications.sender.port import DomainsUnavailableError
from notifications.sender.repository import MailDomainRepository
from notifications.sender.sendgrid_domains import SendGridDomains
from notifications.sender.service import SenderStatus
from tenants.registry.models import TenantStatus
from tests.notifications.sender.conftest import ADDRESS, DOMAIN, PLATFORM, Desk
from tests.notifications.sender.test_own_domain import claim_of, due_payload, next_check
from tests.support.blocked import until_blocked
from tests.support.events import queued, run_platform_events
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.tasks import RetryLaterError

DOMAINS = "/v3/whitelabel/domains"


async def look(desk: Desk, **changes: object) -> None:
    """The check that is due, and nothing else of the queue."""
    await check_mail_sender(next_check(desk, **changes), await due_payload(desk))


async def forgetting(desk: Desk) -> list[OutboxEvent]:
    """Domains that SendGrid is still to forget."""
    async with desk.runtime.database.platform() as session:
        return list(await session.scalars(select(OutboxEvent).where(OutboxEvent.topic == MAIL_DOMAIN_FORGET)))


@pytest.fixture(autouse=True)
async def nothing_to_forget(desk: Desk) -> None:
    """What other tests have left is of another SendGrid."""
    async with desk.runtime.database.platform() as session:
        await session.execute(delete(OutboxEvent).where(OutboxEvent.topic == MAIL_DOMAIN_FORGET))


async def test_a_suspended_practice_loses_a_domain_that_is_not_its_own_any_more_and_hears_of_it_later(
    desk: Desk, other_desk: Desk
) -> None:
    owner = f"owner@{desk.practice.slug}.example.com"
    await desk.verified()
    told = len(desk.sent(owner))
    suspended = replace(desk.practice, status=TenantStatus.SUSPENDED)
    await look(desk, tenant=suspended)
    assert (await desk.state()).status is SenderStatus.VERIFIED  # nothing is wrong with it
    desk.dns.zone.pop(("TXT", f"_todoenbalance.{DOMAIN}"))
    await look(desk, tenant=suspended)
    assert (await desk.state()).status is SenderStatus.BROKEN
    assert len(desk.sent(owner)) == told
    assert (await other_desk.verified()).status is SenderStatus.VERIFIED
    await desk.work()
    assert len(desk.sent(owner)) == told + 1


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        [None],
        ["x"],
        "x",
        7,
        {"valid": "yes"},
        {"id": 1, "domain": DOMAIN, "dns": None},
        {"id": None, "dns": {}},
    ],
)
async def test_answers_that_are_none_are_asked_again(desk: Desk, body: Any) -> None:
    await desk.verified()
    domains = SendGridDomains(desk.runtime.settings.providers.sendgrid)
    for path in (f"{DOMAINS}/*", DOMAINS):
        desk.server.faults.answer(200, path, body=body, times=9)
    for ref in ("302183", None):
        with pytest.raises(DomainsUnavailableError):
            await domains.prepare(DOMAIN, ref)
    desk.server.faults.clear()
    desk.server.faults.answer(200, f"{DOMAINS}/*/validate", body=body)
    try:
        assert await domains.confirm("302183") is False  # of an object that does not say so
        assert isinstance(body, dict)
    except DomainsUnavailableError:
        assert not isinstance(body, dict)
    desk.server.faults.clear()
    desk.server.faults.answer(200, f"{DOMAINS}/*", body=body)
    state = await desk.check()
    assert state.status is SenderStatus.VERIFIED


async def test_a_check_that_was_lost_is_no_reason_for_trust_and_comes_again(desk: Desk) -> None:
    await desk.verified()
    async with desk.runtime.database.platform() as session:
        lost = (OutboxEvent.tenant == desk.practice.key, OutboxEvent.topic == MAIL_SENDER_CHECK)
        await session.execute(delete(OutboxEvent).where(*lost))
    with clock.at(clock.now() + TRUSTED_FOR - timedelta(minutes=5)):
        assert (await desk.state()).current.address == ADDRESS
    with clock.at(clock.now() + TRUSTED_FOR + timedelta(minutes=5)):
        assert (await desk.state()).current.address == PLATFORM
        await desk.work()  # the daily housekeeping among it
        assert (await desk.state()).current.address == ADDRESS
        assert len([row for row in await queued(desk.runtime, desk.practice) if row.topic == MAIL_SENDER_CHECK]) == 1


async def test_a_domain_that_sendgrid_does_not_delete_keeps_the_practice_from_nothing(desk: Desk) -> None:
    await desk.verified()
    desk.server.faults.answer(400, f"{DOMAINS}/*", method="DELETE", times=99)
    assert (await desk.verified("hola@other.example")).status is SenderStatus.VERIFIED
    [left] = await forgetting(desk)
    assert left.payload == {"ref": "302183"}
    assert (left.failures, left.last_error) == (1, "DomainsRefusedError: sendgrid refuses (400)")  # in the end: parked
    desk.server.faults.clear()
    with clock.at(clock.now() + timedelta(minutes=10)):
        await run_platform_events(desk.runtime)
    assert [one["domain"] for one in desk.domains.by_id.values()] == ["other.example"]
    assert await forgetting(desk) == []


async def test_one_that_is_gone_already_is_forgotten(desk: Desk) -> None:
    await desk.verified()
    desk.domains.by_id.clear()
    await desk.choose(None)
    await desk.work()
    assert await forgetting(desk) == []
    assert await claim_of(desk) is None


async def test_of_two_who_give_it_up_at_once_the_last_has_it_deleted(desk: Desk, other_desk: Desk) -> None:
    for one in (other_desk, desk):
        await one.choose()
        await one.work()
    for one in (desk, other_desk):
        await one.choose(None)
    async with desk.runtime.database.platform() as session:
        await MailDomainRepository(session).lock_ref("302183")
        both = [asyncio.create_task(look(one)) for one in (desk, other_desk)]
        await until_blocked(session, waiting=2)
    await asyncio.gather(*both)
    assert len(await forgetting(desk)) == 1
    await desk.work()
    assert desk.domains.by_id == {}


async def test_nobody_names_a_domain_that_is_about_to_be_deleted(desk: Desk, other_desk: Desk) -> None:
    await desk.verified()
    await desk.choose(None)
    await look(desk)
    await other_desk.choose()
    with pytest.raises(RetryLaterError):
        await look(other_desk)
    claim = await claim_of(other_desk)
    assert claim is not None
    assert claim.provider_ref is None
    await desk.work()
    assert desk.domains.by_id == {}
    with clock.at(clock.now() + timedelta(minutes=10)):
        await other_desk.work()
        assert list(desk.domains.by_id) == [302184]
        assert (await other_desk.verified()).status is SenderStatus.VERIFIED


async def test_who_named_it_while_nobody_tried_to_delete_it_keeps_it(desk: Desk, other_desk: Desk) -> None:
    await desk.verified()
    await desk.choose(None)
    await look(desk)
    [row] = await forgetting(desk)
    statement = update(OutboxEvent).where(OutboxEvent.id == row.id)
    async with desk.runtime.database.platform() as session:
        await session.execute(statement.values(parked_at=clock.now()))
    assert (await other_desk.verified()).status is SenderStatus.VERIFIED
    async with desk.runtime.database.platform() as session:  # an operator puts it back
        await session.execute(statement.values(parked_at=None, run_at=clock.now()))
    await desk.work()
    assert list(desk.domains.by_id) == [302183]
    await other_desk.choose(None)
    await other_desk.work()
    assert desk.domains.by_id == {}  # it was ours to delete, whoever made it


async def test_a_practice_without_a_domain_is_left_in_peace(desk: Desk) -> None:
    await desk.verified()
    await desk.choose(None)
    await desk.work()
    with clock.at(clock.now() + timedelta(days=2)):
        await desk.work()
    assert [row for row in await queued(desk.runtime, desk.practice) if row.topic == MAIL_SENDER_CHECK] == []
