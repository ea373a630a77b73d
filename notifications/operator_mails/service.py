"""Mail to operators: what ``notifications.service`` does for practices, over the platform's own table.

An announcement becomes one queued row per operator, and each row one mail, once, composed from the state as it is when
it is sent. There are no quiet hours, daily limits or digests of many kinds here: what may wait is gathered by those
who announce it.
"""

from typing import Any
from uuid import UUID

from notifications.adapters import mail_port
from notifications.assembling import put_together
from notifications.catalogue import MailKind, row_of
from notifications.formats import language_of
from notifications.models import EmailStatus
from notifications.operator_mails.composing import OperatorNotice, OperatorReader, compose, find_reader
from notifications.operator_mails.models import OperatorMail
from notifications.operator_mails.repository import OperatorMailRepository
from notifications.port import Mail, MailPort, MailRejectedError, MailUnavailableError
from notifications.rendering import render_mail
from notifications.retrying import wait_after
from notifications.rules import NUISANCE_LIMIT, NUISANCE_WINDOW, SWITCHED_OFF, TOO_MANY_LATELY
from notifications.sender.identity import Sender
from notifications.service import GIVE_UP_AFTER
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.tasks import EventContext, RetryLaterError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings

_log = get_logger("notifications.operator_mails")


async def send_operator_mail(context: EventContext, payload: dict[str, Any]) -> None:
    """Send the one mail of an ``operator_mail.send`` event by the adapter of the settings. See :func:`deliver`."""
    await deliver(context.runtime, payload, mail_port(context.runtime, None))


async def deliver(runtime: Runtime, payload: dict[str, Any], port: MailPort) -> None:
    """Compose and record, hand over to ``port``, record the outcome: two short transactions and a call between.

    What a crash between the two comes to is the same as with practices' mails: twice at worst, never not at all.
    Raises :class:`RetryLaterError` while the provider is unavailable, for a day at most.
    """
    async with runtime.database.platform() as session:
        mail = await _prepare(session, runtime, payload)
    if mail is None:
        return
    try:
        reference = await port.send(mail)
    except MailRejectedError as rejected:
        async with runtime.database.platform() as session:
            await _record_failure(session, mail.id, str(rejected), final=True)
    except MailUnavailableError as unavailable:
        async with runtime.database.platform() as session:
            wait = await _record_failure(session, mail.id, str(unavailable), final=False)
        if wait is not None:
            delay = wait if unavailable.delay_seconds is None else unavailable.delay_seconds
            raise RetryLaterError("the mail provider is unavailable", delay) from unavailable
    else:
        async with runtime.database.platform() as session:
            row = await OperatorMailRepository(session).lock_by_id(mail.id)
            if row is not None and row.status == EmailStatus.SENDING:
                _note_sent(row, runtime.settings, reference)


async def _prepare(session: PlatformSession, runtime: Runtime, payload: dict[str, Any]) -> Mail | None:
    """The mail to send, recorded as being sent; None if it was dealt with before, or is not to be sent."""
    kind, subject_id, version = row_of(payload["kind"]), UUID(payload["subject_id"]), str(payload["version"])
    mails, operator_id = OperatorMailRepository(session), UUID(payload["operator_id"])
    reader = await find_reader(session, runtime, operator_id)
    if reader is None:
        await mails.give_up(operator_id, "nobody to write to")
        return None
    row = await mails.lock(kind.kind, subject_id, version, operator_id)
    if row.status != EmailStatus.SENDING:
        return None
    if row.attempts and row.delivery is not None:  # the answer was lost, but the provider told of the mail since
        _note_sent(row, runtime.settings, row.provider_ref)
        return None
    refusal = await _find_refusal(session, kind, reader, row)
    notice = OperatorNotice(kind.kind, subject_id, version, reader)
    values = await compose(session, runtime, notice) if refusal is None else None
    if values is None:
        row.status, row.failure = EmailStatus.SKIPPED, refusal or "no longer true"
        _log.info("operator_mail_skipped", kind=row.kind, operator_mail_id=str(row.id), reason=row.failure)
        return None
    mail = _assemble(runtime.settings, row.id, kind, reader, values)
    row.recipient, row.subject, row.locale = mail.to, mail.subject, language_of(reader.locale)
    row.attempts += 1
    return mail


async def _find_refusal(
    session: PlatformSession, kind: MailKind, reader: OperatorReader, row: OperatorMail
) -> str | None:
    """Why it is not to be sent, or None."""
    if kind.is_optional and not reader.wants_news:
        return SWITCHED_OFF
    if not kind.on_strangers_request:
        return None
    recent = await OperatorMailRepository(session).count_recent(row, clock.now() - NUISANCE_WINDOW)
    return TOO_MANY_LATELY if recent >= NUISANCE_LIMIT else None


def _assemble(
    settings: Settings, message_id: UUID, kind: MailKind, reader: OperatorReader, values: dict[str, Any]
) -> Mail:
    """From the platform's own address and in its own look; nobody reads answers."""
    sender = Sender(settings.mail.sender_name, settings.mail.sender_address, None)
    choice_url = reader.choice_url if kind.is_optional else None
    given = {"first_name": reader.first_name, "preferences_url": choice_url} | values
    rendered = render_mail(kind.kind, reader.locale, sender.name, given)
    return put_together(message_id, reader.address, reader.locale, rendered, sender, choice_url)


def _note_sent(row: OperatorMail, settings: Settings, reference: str | None) -> None:
    row.status, row.provider, row.failure, row.sent_at = EmailStatus.SENT, settings.mail.adapter, None, clock.now()
    row.provider_ref = reference[:255] if reference is not None else None


async def _record_failure(session: PlatformSession, mail_id: UUID, reason: str, *, final: bool) -> float | None:
    """Note why; answers after how many seconds to try again, or None if that was the last attempt."""
    row = await OperatorMailRepository(session).lock_by_id(mail_id)
    if row is None or row.status != EmailStatus.SENDING:
        return None
    row.failure = reason[:500]
    if not final and clock.now() - row.created_at <= GIVE_UP_AFTER:
        return wait_after(row.attempts)
    row.status = EmailStatus.FAILED
    _log.error("operator_mail_failed", kind=row.kind, operator_mail_id=str(row.id))
    return None
