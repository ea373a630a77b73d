"""What owners hear of their sending itself: a domain that breaks, text messages that are used up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from notifications.catalogue import Channel
from notifications.mail_tasks.mails import announce_tasks
from notifications.mail_tasks.models import TaskReason
from notifications.mail_tasks.service import open_task
from notifications.models import EmailLog
from notifications.sender import service
from notifications.sender.refusals import note_refusal
from notifications.sender.service import SenderChoices, SenderStatus
from notifications.texting.choices import choose
from notifications.texting.consents import give_consent
from notifications.texting.models import GivenBy
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import DAY, HOUR, NOW, WEDNESDAY, World
from tests.notifications.sender.conftest import asking
from tests.notifications.sender.test_smtp import ARRANGED
from tests.notifications.texting.helpers import agree
from tests.support.dns_server import DnsServer, dns_server
from todoenbalance.kit import clock

DOMAINS = {"es": "nuria-sol.example", "en": "sol-nuria.example"}


@contextmanager
def asked_by_us(world: World, dns: DnsServer) -> Iterator[None]:
    """Domains are looked up in ``dns`` meanwhile."""
    usual = world.runtime
    world.runtime = replace(usual, settings=asking(usual.settings, dns, **ARRANGED))
    try:
        yield
    finally:
        world.runtime = usual


@shows("mail_sender_broken")
async def a_domain_breaks(world: World) -> None:
    async with dns_server() as dns:
        with asked_by_us(world, dns):
            await use_own_address(world, dns)
            dns.zone.clear()
            assert await look(world) is SenderStatus.BROKEN


@shows("mail_sender_broken")
async def an_address_is_refused(world: World) -> None:
    async with dns_server() as dns:
        with asked_by_us(world, dns):
            address = await use_own_address(world, dns)
            world.travel(NOW + HOUR / 60)  # another outage than the one before
            async with world.session() as session:
                await note_refusal(session, address)
            await world.run()


async def use_own_address(world: World, dns: DnsServer) -> str:
    """Choose one, and have its domain shown to be the practice's."""
    address = f"nuria@{DOMAINS[world.language]}"
    async with world.session() as session:
        await service.change_sender(session, world.runtime, SenderChoices(None, None, address))
    await world.run()
    async with world.session() as session:
        wanted = (await service.get_sender(session, world.runtime)).records
    for one in wanted:
        if one.is_required:
            dns.zone.setdefault((one.type, one.name), []).append(one.value)
    assert await look(world) is SenderStatus.VERIFIED
    return address


async def look(world: World) -> SenderStatus:
    """Press the button, and see what came of it."""
    async with world.session() as session:
        await service.ask_for_check(session, world.runtime)
    await world.run()
    async with world.session() as session:
        return (await service.get_sender(session, world.runtime)).status


@shows("mail_tasks_practice")
async def mail_does_not_reach_two_clients(world: World) -> None:
    await world.front_desk()
    offer = await world.offer()
    for hours, role in enumerate(("client", "other")):
        client = await world.client(role)
        await world.book(offer, client, WEDNESDAY + hours * HOUR)
        await world.run()
        [sent] = [one for one in await world.letters() if one.role == role]
        async with world.session() as session:
            log = await session.get_one(EmailLog, sent.mail.id)
            await announce_tasks(session, await open_task(session, log, TaskReason.HARD_BOUNCE, clock.now()))
    await world.run(NOW + HOUR)


@shows("text_limit_reached")
async def text_messages_are_used_up(world: World) -> None:
    async with world.session() as session:
        await choose(session, world.runtime.settings, is_on=True, monthly_limit=1)
    client = await world.client(phone="+34 611 222 333")
    await agree(world.runtime, world.practice, client)
    offer = await world.offer()
    for hours in range(2):
        await world.book(offer, client, WEDNESDAY + hours * HOUR)
    await world.run(WEDNESDAY - DAY + 2 * HOUR)


@shows("text_limit_reached")
async def strangers_ask_for_many_codes(world: World) -> None:
    async with world.session() as session:
        await choose(session, world.runtime.settings, is_on=True, monthly_limit=4)
    for digit in range(2):
        client = await world.client(f"stranger{digit}", phone=f"+34 611 222 33{digit}")
        async with world.session() as session:
            await give_consent(session, world.runtime, client.id, Channel.SMS, GivenBy.API, world.language)
    await world.run()
    await world.run()
