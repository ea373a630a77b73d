"""A client's consent to text messages: given with a code that went to the number, kept with its words, withdrawn."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from notifications.catalogue import Channel
from notifications.formats import language_of
from notifications.texting.choices import is_wanted
from notifications.texting.errors import NumberNotUsableError, NumberSaidStopError, WrongTextCodeError
from notifications.texting.events import TEXT_SEND
from notifications.texting.models import GivenBy, TextConsent, TextLog, TextStop, WithdrawnBy
from tenants.accounts.models import Client
from tenants.accounts.services.client_accounts import lock_client
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

TEXT_CODE = "text_code"
CODE_LIFETIME = timedelta(minutes=15)
WRONG_CODES = 5
STOP_HOLDS = timedelta(days=30)
"""So long no account that has not shown the number to be its own has codes sent to one that answered STOP."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""So far the gateway's clock may be behind ours: of a STOP and a consent at about the same time the STOP holds."""
_CODE_DIGITS = 6
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_CHANNEL_NAMES = {Channel.SMS: "SMS", Channel.WHATSAPP: "WhatsApp"}
_SENTENCE = {
    "es": "Quiero que {practice} me envíe recordatorios de mis citas por {channel} al {number}. Dicen el nombre de la"
    " consulta, el día y la hora. Puedo retirar este consentimiento aquí cuando quiera.",
    "en": "I want {practice} to send me reminders of my appointments by {channel} to {number}. They say the practice's"
    " name, the day and the time. I can withdraw this consent here at any time.",
}


class ConsentState(StrEnum):
    """``waiting``: for the code that was sent to the number."""

    OFF = "off"
    WAITING = "waiting"
    ON = "on"


@dataclass(frozen=True, slots=True)
class ConsentView:
    """A channel as its owner sees it. ``number``: where it goes, or would; None if the profile has none to use."""

    channel: Channel
    name: str
    state: ConsentState
    number: str | None
    sentence: str
    given_at: datetime | None


def normalise(number: str | None, settings: Settings) -> str | None:
    """``number`` in E.164, if it is written with its country code and begins as the operator allows; else None."""
    bare = re.sub(r"[ ()./-]", "", number or "")
    allowed = tuple(settings.texts.prefixes.split(","))
    return bare if _E164.fullmatch(bare) and bare.startswith(allowed) else None


def channels_of(settings: Settings) -> list[Channel]:
    """What the operator's gateway carries; nothing where there is none."""
    return [Channel(name) for name in settings.texts.channels.split(",")] if settings.texts.is_on else []


async def offered_channels(session: TenantSession, settings: Settings) -> list[Channel]:
    """By which channels the practice sends texts; none where the operator or the practice does not."""
    channels = channels_of(settings)
    return channels if channels and await is_wanted(session) else []


def sentence_for(tenant: TenantContext, channel: Channel, number: str | None, locale: str) -> str:
    """What a client agrees to, in their language."""
    return _SENTENCE[language_of(locale)].format(
        practice=" ".join(tenant.name.split()), channel=_CHANNEL_NAMES[channel], number=number or "…"
    )


async def list_views(session: TenantSession, settings: Settings, client: Client, locale: str) -> list[ConsentView]:
    """The channels that are offered, as ``client`` has them."""
    number = normalise(client.phone, settings)
    open_ones = {row.channel: row for row in await _open_of(session, client.id)}
    return [
        _view(session.tenant, channel, open_ones.get(channel), number, locale)
        for channel in await offered_channels(session, settings)
    ]


def _view(
    tenant: TenantContext, channel: Channel, row: TextConsent | None, number: str | None, locale: str
) -> ConsentView:
    if row is None or row.number != number or (row.confirmed_at is None and _is_over(row)):
        sentence = sentence_for(tenant, channel, number, locale)
        return ConsentView(channel, _CHANNEL_NAMES[channel], ConsentState.OFF, number, sentence, None)
    state = ConsentState.WAITING if row.confirmed_at is None else ConsentState.ON
    return ConsentView(channel, _CHANNEL_NAMES[channel], state, number, row.sentence, row.given_at)


async def give_consent(
    session: TenantSession, runtime: Runtime, client_id: UUID, channel: Channel, given_by: GivenBy, locale: str
) -> None:
    """Keep what the client agrees to, and have a code sent to the number. One that counts already stays as it is.

    Raises :class:`NotFoundError` for a channel that is not offered, :class:`NumberNotUsableError`, and
    :class:`NumberSaidStopError`.
    """
    if channel not in await offered_channels(session, runtime.settings):
        raise NotFoundError
    client = await lock_client(session, client_id)
    number = normalise(client.phone, runtime.settings)
    if number is None:
        raise NumberNotUsableError
    if await _is_left_alone(session, runtime.signer, client_id, number, channel):
        raise NumberSaidStopError
    now = clock.now()
    for row in await _open_of(session, client_id):
        if row.channel != channel:
            continue
        if row.confirmed_at is not None and row.number == number:
            return
        if row.confirmed_at is None:
            await session.delete(row)
        else:
            row.withdrawn_at, row.withdrawn_by = now, WithdrawnBy.RENEWED
    await session.flush()  # there is one at a time
    consent = TextConsent(
        id=new_id(),
        client_id=client_id,
        channel=channel,
        number=number,
        sentence=sentence_for(session.tenant, channel, number, locale),
        locale=language_of(locale),
        given_at=now,
        given_by=given_by,
        tries=0,
    )
    session.add(consent)
    await publish(
        session,
        TEXT_SEND,
        {
            "kind": TEXT_CODE,
            "subject_id": str(consent.id),
            "version": 1,
            "client_id": str(client_id),
            "channel": channel,
        },
    )


async def confirm_consent(
    session: TenantSession, runtime: Runtime, client_id: UUID, channel: Channel, code: str
) -> None:
    """From here on it counts. Raises :class:`WrongTextCodeError`; a few of these and the code is void."""
    await lock_client(session, client_id)
    row = next((one for one in await _open_of(session, client_id) if one.channel == channel), None)
    if row is not None and row.confirmed_at is not None:
        return
    # What was never sent, for its limit, can only be guessed.
    if row is None or _is_over(row) or not await _was_sent(session, row):
        raise WrongTextCodeError
    if not any(hmac.compare_digest(code.encode(), one.encode()) for one in codes_of(runtime.signer, session, row)):
        row.tries += 1
        raise WrongTextCodeError
    row.confirmed_at = clock.now()


def codes_of(signer: TokenSigner, session: TenantSession, consent: TextConsent) -> list[str]:
    """The code of a consent by each key, the present one first. It is made of the row, so it is stored nowhere."""
    said = f"text-code:{session.tenant.key}:{consent.id}:{consent.number}"
    return [f"{int(digest, 16) % 10**_CODE_DIGITS:0{_CODE_DIGITS}}" for digest in signer.digests(said)]


def _is_over(row: TextConsent) -> bool:
    return row.tries >= WRONG_CODES or row.given_at + CODE_LIFETIME <= clock.now()


async def withdraw_consent(
    session: TenantSession, client_id: UUID, channel: Channel, by: WithdrawnBy = WithdrawnBy.CLIENT
) -> bool:
    """Nothing is sent by that channel any more. Safe to repeat, and possible also where texts are off.

    Answers whether there was one that counted. Raises :class:`NotFoundError`.
    """
    await lock_client(session, client_id)  # one that is being confirmed just now counts, and is kept with its end
    ended = await session.scalars(
        update(TextConsent)
        .where(*_is_open(client_id), TextConsent.channel == channel, TextConsent.confirmed_at.is_not(None))
        .values(withdrawn_at=clock.now(), withdrawn_by=by)
        .returning(TextConsent.id)
    )
    was_on = bool(ended.all())
    await session.execute(delete(TextConsent).where(*_is_open(client_id), TextConsent.channel == channel))
    return was_on


async def withdraw_number(
    session: TenantSession, signer: TokenSigner, number: str, channel: str, said_at: datetime
) -> None:
    """The number answered STOP at ``said_at``: what was agreed to before counts no more, for whoever has it.

    It is remembered besides, for a while: whoever asked for a code may have taken that back before the answer came.
    """
    statement = insert(TextStop).values(digest=_stop_digests(session, signer, number, channel)[0], said_at=said_at)
    latest = func.greatest(TextStop.said_at, statement.excluded.said_at)
    await session.execute(statement.on_conflict_do_update(index_elements=[TextStop.digest], set_={"said_at": latest}))
    await session.execute(
        update(TextConsent)
        .where(
            TextConsent.number == number,
            TextConsent.channel == channel,
            TextConsent.withdrawn_at.is_(None),
            TextConsent.given_at <= said_at + CLOCKS_DIFFER,
        )
        .values(withdrawn_at=clock.now(), withdrawn_by=WithdrawnBy.REPLY)
    )


def _stop_digests(session: TenantSession, signer: TokenSigner, number: str, channel: str) -> list[str]:
    return signer.digests(f"text-stop:{session.tenant.key}:{channel}:{number}")


async def _is_left_alone(
    session: TenantSession, signer: TokenSigner, client_id: UUID, number: str, channel: Channel
) -> bool:
    """Whether the number answered STOP lately, and is not known to be the client's, who may want messages again."""
    said_stop = exists().where(
        TextStop.digest.in_(_stop_digests(session, signer, number, channel)),
        TextStop.said_at > clock.now() - STOP_HOLDS,
    )
    was_shown = exists().where(
        TextConsent.client_id == client_id,
        TextConsent.number == number,
        TextConsent.channel == channel,
        TextConsent.confirmed_at.is_not(None),
    )
    return bool(await session.scalar(select(said_stop & ~was_shown)))


async def _was_sent(session: TenantSession, row: TextConsent) -> bool:
    statement = select(exists().where(TextLog.kind == TEXT_CODE, TextLog.subject_id == row.id, TextLog.attempts > 0))
    return bool(await session.scalar(statement))


async def list_active(session: TenantSession, client_id: UUID) -> Sequence[TextConsent]:
    """The consents of a client that count, if the number still is theirs."""
    return [row for row in await _open_of(session, client_id) if row.confirmed_at is not None]


def is_fresh(row: TextConsent) -> bool:
    """Whether a code may still confirm it."""
    return row.confirmed_at is None and row.withdrawn_at is None and not _is_over(row)


def _is_open(client_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return TextConsent.client_id == client_id, TextConsent.withdrawn_at.is_(None)


async def _open_of(session: TenantSession, client_id: UUID) -> Sequence[TextConsent]:
    statement = select(TextConsent).where(*_is_open(client_id)).execution_options(populate_existing=True)
    return (await session.scalars(statement)).all()
