"""Telling clients by text message: what they agreed to, once, decided when it is sent as mails are.

Words are made by composers that features register; this package knows no feature.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from notifications.announcing import announce
from notifications.catalogue import TEXT_CHANNELS, Channel, row_of
from notifications.composing import Notice
from notifications.formats import language_of
from notifications.recipients import Reader, Recipient, find_reader
from notifications.retrying import wait_after
from notifications.rules import TOO_MANY_LATELY, TOO_MANY_TODAY, wait_for_the_morning
from notifications.texting.adapters import text_port
from notifications.texting.choices import (
    TOO_MANY_THIS_MONTH,
    count_to,
    find_share_refusal,
    is_over_monthly_limit,
    month_of,
    take_turns,
)
from notifications.texting.consents import (
    TEXT_CODE,
    codes_of,
    is_fresh,
    list_active,
    normalise,
    offered_channels,
    withdraw_number,
)
from notifications.texting.encoding import count_segments, fit
from notifications.texting.events import TEXT_SEND
from notifications.texting.mails import ALL_VERSION, CODES_VERSION, LIMIT_REACHED
from notifications.texting.models import TextConsent, TextDelivery, TextLog, TextStatus
from notifications.texting.port import TextMessage, TextPort, TextRejectedError, TextUnavailableError
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.staff_accounts import list_owners
from tenants.registry.models import TenantStatus
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import TokenSigner

GIVE_UP_AFTER = timedelta(hours=24)
"""A reminder that no gateway took for so long is late news. A code is given up with its lifetime."""
SUSPENDED_DELAY_SECONDS = 3600.0
CODE_WINDOW, CODE_LIMIT = timedelta(hours=1), 3
CODES_IN_A_DAY = 5
"""So many codes go to one number in that time, whoever asks for them."""
NOT_WANTED, NO_CONSENT = "switched off", "no consent to this number"
NOT_TRUE = "no longer true"
_FAILURE_LIMIT = 200
_CODE_TEXT = {
    "es": "{practice}: tu código es {code}. Caduca en 15 minutos.",
    "en": "{practice}: your code is {code}. It runs out in 15 minutes.",
}
_NAME_LIMIT = 60
_log = get_logger("notifications.texting")


@dataclass(frozen=True, slots=True)
class ComposedText:
    """The words. ``useful_until``: the instant after which they would come too late to be of use."""

    text: str
    useful_until: datetime | None = None


TextComposer = Callable[[TenantSession, Runtime, Notice], Awaitable[ComposedText | None]]
"""Makes one kind of message from the state as it is now; None: it is no longer true. It may run more than once for
one message, and calls nothing outside the database."""
_composers: dict[str, TextComposer] = {}


def register_text_composer(kind: str, composer: TextComposer) -> None:
    """Have ``composer`` make the messages of ``kind``; called once at start-up by the feature that owns it.

    Raises ``ValueError`` for a kind whose row in the catalogue names no such channel, or with another composer.
    """
    if not set(TEXT_CHANNELS) & set(row_of(kind).channels):
        raise ValueError(f"{kind!r} goes by mail alone")
    if _composers.setdefault(kind, composer) is not composer:
        raise ValueError(f"two composers for {kind!r}")


def text_kinds() -> frozenset[str]:
    """The kinds of message that can be made in this process, but for codes."""
    return frozenset(_composers)


def practice_name(session: TenantSession) -> str:
    """As messages say it: on one line, and not too long."""
    name = " ".join(session.tenant.name.split())
    return name if len(name) <= _NAME_LIMIT else f"{name[: _NAME_LIMIT - 3].rstrip()}..."


async def announce_texts(
    session: TenantSession, runtime: Runtime, kind: str, *, subject_id: UUID, version: int | str, client_id: UUID
) -> None:
    """Queue a message for each channel that the client agreed to, with the transaction of ``session``.

    Announcing the same (kind, subject, version, client, channel) again makes no second message.
    """
    offered = await offered_channels(session, runtime.settings)
    for consent in await list_active(session, client_id) if offered else ():
        if consent.channel in offered:
            payload = {"kind": kind, "subject_id": str(subject_id), "version": version}
            await publish(session, TEXT_SEND, payload | {"client_id": str(client_id), "channel": str(consent.channel)})


async def send_text(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Send the one message of a ``text.send`` event by the adapter of the settings; nothing where that is off now."""
    if context.tenant.status == TenantStatus.CLOSING:
        return
    if context.tenant.status == TenantStatus.SUSPENDED:
        raise RetryLaterError("the practice is suspended", SUSPENDED_DELAY_SECONDS)
    port = text_port(context.runtime, context.tenant)
    if port is not None:
        await deliver_text(context, payload, port)


async def deliver_text(context: TenantEventContext, payload: dict[str, Any], port: TextPort) -> None:
    """Compose and record, hand over to ``port``, record the outcome: two short transactions and a call between.

    What crashed between the call and the second transaction is handed over again with the same id, by which whoever
    carries it knows the repeat. Raises :class:`RetryLaterError` while the gateway is unavailable, for a day at most.
    """
    database, tenant = context.runtime.database, context.tenant
    async with database.tenant(tenant) as session:
        message = await _prepare(session, context.runtime, payload)
    if message is None:
        return
    try:
        reference = await port.send(message)
    except TextRejectedError as rejected:
        async with database.tenant(tenant) as session:
            await _record_failure(session, message.id, str(rejected), is_final=True)
    except TextUnavailableError as unavailable:
        async with database.tenant(tenant) as session:
            wait = await _record_failure(session, message.id, str(unavailable), is_final=False)
        if wait is not None:
            delay = wait if unavailable.delay_seconds is None else unavailable.delay_seconds
            raise RetryLaterError("the text gateway is unavailable", delay) from unavailable
    else:
        async with database.tenant(tenant) as session:
            log = await _lock_by_id(session, message.id)
            if log is not None and log.status == TextStatus.SENDING:
                log.status, log.provider_ref, log.failure = TextStatus.SENT, reference or None, None
                log.sent_at = clock.now()


async def record_report(
    session: TenantSession, signer: TokenSigner, message_id: UUID, status: str, reported_at: datetime
) -> bool:
    """What the gateway reports: ``delivered`` or ``failed`` of a message, or ``stopped`` by its reader.

    Answers whether the message is known. Repeating it is harmless; a message that arrived has not failed.
    """
    log = await _lock_by_id(session, message_id)
    if log is None:
        return False
    if status == "stopped":
        if log.number:
            await withdraw_number(session, signer, log.number, log.channel, reported_at)
    elif log.delivery != TextDelivery.DELIVERED and log.delivery != status:
        log.delivery, log.delivery_at = status, reported_at
    return True


async def _prepare(session: TenantSession, runtime: Runtime, payload: dict[str, Any]) -> TextMessage | None:
    """The message to send, recorded as being sent; None if it was dealt with before, or is not to be sent.

    Raises :class:`RetryLaterError` in its reader's quiet hours; nothing is recorded then.
    """
    log = await _lock(session, payload)
    if log.status != TextStatus.SENDING:
        return None
    decided = await _decide(session, runtime, log, payload["version"])
    if isinstance(decided, TextMessage):
        return decided
    log.status, log.failure = TextStatus.SKIPPED, decided
    _log.info("text_skipped", kind=log.kind, text_log_id=str(log.id), reason=decided)
    return None


async def _decide(session: TenantSession, runtime: Runtime, log: TextLog, version: int | str) -> TextMessage | str:
    """The message, or why there is none."""
    if log.channel not in await offered_channels(session, runtime.settings):
        return NOT_WANTED
    reader = await find_reader(session, Recipient.client(log.client_id))
    consent = await _find_consent(session, log)
    if reader is None or consent is None:
        return NO_CONSENT
    client = await get_client(session, log.client_id)
    if normalise(client.phone, runtime.settings) != consent.number:
        return NO_CONSENT
    composed = await _compose(session, runtime, log, version, reader, consent)
    if composed is None:
        return NOT_TRUE
    if log.kind != TEXT_CODE:
        practice = await get_practice_settings(session)
        wait_for_the_morning(practice, row_of(log.kind), reader, composed.useful_until)
    language = language_of(reader.locale)
    text = fit(composed.text) if log.channel == Channel.SMS else composed.text
    segments = count_segments(text) if log.channel == Channel.SMS else 1
    if not log.attempts:  # one that was let through before is not counted against itself
        refusal = await _find_refusal(session, runtime, log, consent.number, reader, segments)
        if refusal is not None:
            return refusal
    log.number, log.segments, log.locale = consent.number, segments, language
    log.attempts += 1
    return TextMessage(log.id, Channel(log.channel), consent.number, text, language)


async def _find_consent(session: TenantSession, log: TextLog) -> TextConsent | None:
    """What allows the message: of a code the consent that waits for it, of others the one that counts."""
    if log.kind == TEXT_CODE:
        consent = await session.get(TextConsent, log.subject_id, populate_existing=True)
        return consent if consent is not None and is_fresh(consent) else None
    return next((one for one in await list_active(session, log.client_id) if one.channel == log.channel), None)


async def _compose(
    session: TenantSession, runtime: Runtime, log: TextLog, version: int | str, reader: Reader, consent: TextConsent
) -> ComposedText | None:
    if log.kind == TEXT_CODE:
        code = codes_of(runtime.signer, session, consent)[0]
        words = _CODE_TEXT[language_of(reader.locale)]
        return ComposedText(words.format(practice=practice_name(session), code=code))
    return await _composers[log.kind](session, runtime, Notice(log.kind, log.subject_id, version, reader))


async def _find_refusal(
    session: TenantSession, runtime: Runtime, log: TextLog, number: str, reader: Reader, segments: int
) -> str | None:
    """Why it would be one too many, or None. The owners hear of the first that the month's limit keeps back."""
    await take_turns(session)
    if log.kind == TEXT_CODE:
        if await count_to(session, number, {TEXT_CODE}, clock.now() - CODE_WINDOW, log) >= CODE_LIMIT:
            return TOO_MANY_LATELY
        if await count_to(session, number, {TEXT_CODE}, clock.now() - timedelta(days=1), log) >= CODES_IN_A_DAY:
            return TOO_MANY_LATELY
        over = await find_share_refusal(session, runtime.settings, TEXT_CODE, segments)
        if over is not None:
            await _tell_owners(session, CODES_VERSION)
            return over
    else:
        zone = ZoneInfo(reader.timezone)
        since = datetime.combine(clock.now().astimezone(zone).date(), time(), zone)
        limit = (await get_practice_settings(session)).daily_mail_limit
        if await count_to(session, number, text_kinds(), since, log) >= limit:
            return TOO_MANY_TODAY
    if not await is_over_monthly_limit(session, runtime.settings, segments):
        return None
    await _tell_owners(session, ALL_VERSION)
    return TOO_MANY_THIS_MONTH


async def _tell_owners(session: TenantSession, version: str) -> None:
    """Once a month each: that the limit, or the part of it that codes may have, is used up."""
    await announce(
        session,
        LIMIT_REACHED,
        subject_id=session.tenant.id,
        version=version.format(month=month_of(session)),
        recipients=[Recipient.staff(owner.id) for owner in await list_owners(session)],
    )


async def _record_failure(session: TenantSession, log_id: UUID, reason: str, *, is_final: bool) -> float | None:
    """Note why; answers after how many seconds to try again, or None if that was the last attempt."""
    log = await _lock_by_id(session, log_id)
    if log is None or log.status != TextStatus.SENDING:
        return None
    log.failure = reason[:_FAILURE_LIMIT]
    is_final = is_final or clock.now() - log.created_at > GIVE_UP_AFTER
    if is_final:
        log.status = TextStatus.FAILED
        _log.warning("text_failed", kind=log.kind, text_log_id=str(log.id))
        return None
    return wait_after(log.attempts)


async def _lock(session: TenantSession, payload: dict[str, Any]) -> TextLog:
    """The one row of the message, made if it is not there yet, locked until the transaction ends."""
    kind, client_id, channel = payload["kind"], UUID(payload["client_id"]), Channel(payload["channel"])
    key = f"{kind}:{payload['subject_id']}:{payload['version']}:{client_id}:{channel}"
    statement = insert(TextLog).values(
        id=new_id(),
        kind=kind,
        dedupe_key=key,
        subject_id=UUID(payload["subject_id"]),
        client_id=client_id,
        channel=channel,
        locale=session.tenant.locale,
        status=TextStatus.SENDING,
        created_at=clock.now(),
    )
    await session.execute(statement.on_conflict_do_nothing(index_elements=[TextLog.dedupe_key]))
    return (await session.scalars(select(TextLog).where(TextLog.dedupe_key == key).with_for_update())).one()


async def _lock_by_id(session: TenantSession, log_id: UUID) -> TextLog | None:
    return (await session.scalars(select(TextLog).where(TextLog.id == log_id).with_for_update())).one_or_none()
