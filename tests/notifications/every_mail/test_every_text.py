"""Every kind of text message, as it is really made and sent, by every channel and in both languages."""

import re
from dataclasses import replace

from sqlalchemy import select

from notifications.catalogue import CATALOGUE, TEXT_CHANNELS, Channel
from notifications.models import MailboxMessage
from notifications.texting.choices import choose
from notifications.texting.composing import text_kinds
from notifications.texting.consents import TEXT_CODE, give_consent
from notifications.texting.models import GivenBy, TextLog
from scheduling.appointments.visit_mails import REMINDER
from tests.notifications.every_mail.test_every_mail import worlds
from tests.notifications.every_mail.world import DAY, HOUR, WEDNESDAY, World
from tests.notifications.texting.helpers import agree
from todoenbalance.kit.text_settings import TextSettings

__all__ = ["worlds"]

EXPECTED = {
    "es": {
        TEXT_CODE: 2 * ["Nuria Sol: tu código es <code>. Caduca en 15 minutos."],
        REMINDER: 2
        * [
            "Nuria Sol: recordatorio de tu cita, miércoles 4 de marzo a las 10:00.",
            "Nuria Sol: recordatorio de la cita de Leo, miércoles 4 de marzo a las 11:00.",
        ],
    },
    "en": {
        TEXT_CODE: 2 * ["Nuria Sol: your code is <code>. It runs out in 15 minutes."],
        REMINDER: 2
        * [
            "Nuria Sol: reminder of your appointment, Wednesday 4 March at 09:00 (London time, UTC+0).",
            "Nuria Sol: reminder of Leo's appointment, Wednesday 4 March at 10:00 (London time, UTC+0).",
        ],
    },
}
"""What is read: of each kind by SMS, then by WhatsApp, oldest first."""


async def told(world: World) -> dict[str, list[str]]:
    """What arrived at telephones, by kind."""
    arrived = select(TextLog.kind, TextLog.channel, MailboxMessage.text)
    arrived = arrived.join(MailboxMessage, MailboxMessage.id == TextLog.id)
    async with world.session() as session:
        rows = (await session.execute(arrived.order_by(TextLog.kind, TextLog.channel, TextLog.id))).all()
    found: dict[str, list[str]] = {}
    for kind, _channel, text in rows:
        found.setdefault(kind, []).append(re.sub(r"\b[0-9]{6}\b", "<code>", text))
    return found


async def play(world: World) -> None:
    """A client agrees to both channels, and books for herself and for a child."""
    texts = TextSettings(adapter="mailbox", channels="sms,whatsapp")
    world.runtime = replace(world.runtime, settings=world.runtime.settings.model_copy(update={"texts": texts}))
    async with world.session() as session:
        await choose(session, world.runtime.settings, is_on=True, monthly_limit=100)
    asks, client = await world.client("asks", phone="+34 611 222 331"), await world.client(phone="+34 611 222 332")
    for channel in TEXT_CHANNELS:
        async with world.session() as session:
            await give_consent(session, world.runtime, asks.id, channel, GivenBy.API, world.language)
        await agree(world.runtime, world.practice, client, channel)
    offer = await world.offer(reminder_minutes=[24 * 60])
    await world.book(offer, client)
    await world.book(offer, client, WEDNESDAY + HOUR, dependant_id=await world.child(client))
    await world.run()
    await world.run(WEDNESDAY - DAY + HOUR)


async def test_every_text_message_says_what_was_approved(worlds: list[World]) -> None:
    for world in worlds:
        async with world.playing("texts"):
            await play(world)
            assert await told(world) == EXPECTED[world.language]


def test_every_kind_and_channel_is_among_them() -> None:
    kinds = {TEXT_CODE, *text_kinds()}
    assert kinds - {TEXT_CODE} == {kind for kind, row in CATALOGUE.items() if set(row.channels) & set(TEXT_CHANNELS)}
    for by_kind in EXPECTED.values():
        assert by_kind.keys() == kinds
    assert set(TEXT_CHANNELS) == {Channel.SMS, Channel.WHATSAPP}
