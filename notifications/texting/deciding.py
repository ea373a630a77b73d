"""Whether a text message goes, and what it says: asked when it is sent, from the state as it is then."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from notifications.announcing import announce
from notifications.catalogue import Channel, row_of
from notifications.composing import Notice
from notifications.formats import language_of
from notifications.models import NOT_TRUE
from notifications.recipients import Reader, Recipient, find_reader
from notifications.rules import SWITCHED_OFF, TOO_MANY_LATELY, TOO_MANY_TODAY, wait_for_the_morning
from notifications.texting.choices import (
    TOO_MANY_THIS_MONTH,
    count_to,
    find_share_refusal,
    is_over_monthly_limit,
    month_of,
    take_turns,
)
from notifications.texting.composing import ComposedText, compose_text, practice_name, text_kinds
from notifications.texting.consents import TEXT_CODE, codes_of, is_fresh, list_active, normalise, offered_channels
from notifications.texting.encoding import count_segments, fit
from notifications.texting.mails import ALL_VERSION, CODES_VERSION, LIMIT_REACHED
from notifications.texting.models import TextConsent, TextLog
from notifications.texting.port import TextMessage
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.staff_accounts import list_owners
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime

CODE_WINDOW, CODE_LIMIT = timedelta(hours=1), 3
CODES_IN_A_DAY = 5
"""So many codes go to one number in that time, whoever asks for them."""
NO_CONSENT = "no consent to this number"
_CODE_TEXT = {
    "es": "{practice}: tu código es {code}. Caduca en 15 minutos.",
    "en": "{practice}: your code is {code}. It runs out in 15 minutes.",
}


async def decide(session: TenantSession, runtime: Runtime, log: TextLog, version: int | str) -> TextMessage | str:
    """The message, or why there is none."""
    if log.channel not in await offered_channels(session, runtime.settings):
        return SWITCHED_OFF
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
    return await compose_text(session, runtime, Notice(log.kind, log.subject_id, version, reader))


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
