"""Telling people: an announcement becomes one queued row per recipient, and each row one mail, once.

Mails are composed when they are sent, from the state as it is then, by composers that the features
register; this package knows no feature. Which rules hold for which kind is the catalogue's to say.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from notifications.adapters import mail_port
from notifications.announcing import announce, note_waiting
from notifications.assembling import assemble
from notifications.bodies.service import drop_body, keep_body
from notifications.catalogue import MailKind, row_of
from notifications.composing import ComposedMail, Composer, Notice, compose, composed_kinds, register_composer
from notifications.digests.service import STAFF_DIGEST, hold, settle_digest
from notifications.formats import language_of
from notifications.keys import MailKey
from notifications.mail_tasks.service import note_failure
from notifications.models import EmailLog, EmailStatus
from notifications.port import Mail, MailPort, MailRejectedError, MailUnavailableError
from notifications.recipients import Reader, Recipient, find_reader
from notifications.repository import EmailLogRepository, MailFilter
from notifications.retrying import wait_after
from notifications.rules import (
    SUPPRESSED,
    TOO_MANY_LATELY,
    TOO_MANY_TODAY,
    QuietHoursError,
    find_refusal,
    is_nuisance,
    is_over_daily_limit,
    wait_for_the_morning,
)
from notifications.tracking.service import leave_behind
from tenants.registry.models import TenantStatus
from tenants.settings.models import PracticeSettings
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime

__all__ = [
    "SUPPRESSED",
    "ComposedMail",
    "Composer",
    "MailFilter",
    "Notice",
    "announce",
    "composed_kinds",
    "deliver",
    "get_email_log",
    "list_email_logs",
    "register_composer",
    "send_notification",
]

GIVE_UP_AFTER = timedelta(hours=24)
"""A mail that no provider took for so long is late news; it is marked as failed."""
_FAILURE_LIMIT = 500
_REFERENCE_LIMIT = 255
_log = get_logger("notifications")

SUSPENDED_DELAY_SECONDS = 3600.0


async def send_notification(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Send the one mail of a ``notification.send`` event by the adapter of the settings. See :func:`deliver`.

    A suspended practice's mails wait: their links would lead to a closed door. A closing one's are dropped.
    """
    if context.tenant.status == TenantStatus.CLOSING:
        return
    if context.tenant.status == TenantStatus.SUSPENDED:
        raise RetryLaterError("the practice is suspended", SUSPENDED_DELAY_SECONDS)
    await deliver(context, payload, mail_port(context.runtime, context.tenant))


async def deliver(context: TenantEventContext, payload: dict[str, Any], port: MailPort) -> None:
    """Compose and record, hand over to ``port``, record the outcome: two short transactions and a call between.

    A delivery that crashed between the call and the second transaction is tried again with the same message
    id: the development mailbox drops the repeat. A provider that can't recognise a repeat (SendGrid, SMTP) sends
    the mail a second time in that window (crash, or an answer that was lost); that is the price of never losing one.
    Raises :class:`RetryLaterError` while the provider is unavailable, for a day at most, and less often each time: a
    provider that takes mails and is too slow to say so would send each of them again and again.
    """
    database, tenant = context.runtime.database, context.tenant
    try:
        async with database.tenant(tenant) as session:
            mail = await _prepare(session, context.runtime, payload)
    except QuietHoursError as quiet:
        async with database.tenant(tenant) as session:
            await note_waiting(session, payload, quiet.ends)
        raise
    if mail is None:
        return
    try:
        reference = await port.send(mail)
    except MailRejectedError as rejected:
        async with database.tenant(tenant) as session:
            await _record_failure(session, mail.id, str(rejected), final=True)
    except MailUnavailableError as unavailable:
        async with database.tenant(tenant) as session:
            wait = await _record_failure(session, mail.id, str(unavailable), final=False)
        if wait is not None:
            delay = wait if unavailable.delay_seconds is None else unavailable.delay_seconds
            raise RetryLaterError("the mail provider is unavailable", delay) from unavailable
    else:
        async with database.tenant(tenant) as session:
            await _record_sent(session, mail.id, context.runtime.settings.mail.adapter, reference)


async def list_email_logs(
    session: TenantSession, wanted: MailFilter | None = None, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[EmailLog], str | None]:
    """A page of what was mailed, newest first."""
    return await EmailLogRepository(session).page(wanted or MailFilter(), limit=limit, cursor=cursor)


async def get_email_log(session: TenantSession, log_id: UUID) -> EmailLog:
    """One line of the log. Raises :class:`NotFoundError`."""
    log = await session.get(EmailLog, log_id)
    if log is None:
        raise NotFoundError
    return log


async def _prepare(session: TenantSession, runtime: Runtime, payload: dict[str, Any]) -> Mail | None:
    """The mail to send, recorded as being sent; None if it was dealt with before, is held, or is not to be sent.

    Raises :class:`QuietHoursError` in its reader's quiet hours; nothing is recorded then.
    """
    row, version, subject_id = row_of(payload["kind"]), payload["version"], UUID(payload["subject_id"])
    recipient = Recipient.of(payload)
    again = payload.get("again", 0)
    log = await EmailLogRepository(session).lock(
        str(MailKey(row.kind, subject_id, version, recipient, again)),
        kind=row.kind,
        subject_id=subject_id,
        locale=session.tenant.locale,
    )
    if log.status != EmailStatus.SENDING:
        return None
    if await is_nuisance(session, row, log):
        await _skip(session, log, TOO_MANY_LATELY)
        return None
    reader = await find_reader(session, recipient)
    if reader is None:
        await _skip(session, log, "nobody to write to")
        return None
    if log.attempts and log.delivery is not None and log.recipient == reader.address:
        # The answer was lost, but the provider told of the mail since: it has it.
        log.status, log.failure, log.sent_at = EmailStatus.SENT, None, clock.now()
        log.provider = runtime.settings.mail.adapter
        await _settle(session, log)
        return None
    refusal = await find_refusal(session, row, reader)
    if refusal is not None:
        log.recipient = reader.address
        await _skip(session, log, refusal)
        return None
    composed = await compose(
        session, runtime, Notice(row.kind, subject_id, version, reader, payload.get("return_to", ""))
    )
    if composed is None:
        await _skip(session, log, "no longer true")
        return None
    # As long as it is held here, whoever asks for it below is answered without a query.
    practice = await get_practice_settings(session)
    # Somebody asked for a mail that is sent again, and waits for it.
    if not again and not await _goes_now(session, practice, row, reader, log, payload, composed):
        return None
    mail = await assemble(session, runtime, log.id, row, reader, composed)
    if log.attempts and log.recipient != mail.to:
        await leave_behind(session, log)
    log.recipient, log.subject, log.locale = mail.to, mail.subject, language_of(reader.locale)
    log.attempts += 1
    await keep_body(session, row, mail)
    return mail


async def _goes_now(
    session: TenantSession,
    practice: PracticeSettings,
    row: MailKind,
    reader: Reader,
    log: EmailLog,
    payload: dict[str, Any],
    mail: ComposedMail,
) -> bool:
    """False if it is held for a digest or over the day's limit. Raises :class:`RetryLaterError` in quiet hours."""
    if await hold(session, row, reader, log, payload, mail.useful_until):
        return False
    wait_for_the_morning(practice, row, reader, mail.useful_until)
    if not await is_over_daily_limit(session, practice, row, reader, log):
        return True
    log.recipient = reader.address
    await _skip(session, log, TOO_MANY_TODAY)
    return False


async def _skip(session: TenantSession, log: EmailLog, reason: str) -> None:
    log.status, log.failure = EmailStatus.SKIPPED, reason
    _log.info("mail_skipped", kind=log.kind, email_log_id=str(log.id), reason=reason)
    await drop_body(session, log.id)  # of an attempt before: it never went
    await _settle(session, log)


async def _settle(session: TenantSession, log: EmailLog) -> None:
    if log.kind == STAFF_DIGEST:
        await settle_digest(session, log)


async def _record_sent(session: TenantSession, log_id: UUID, adapter: str, reference: str) -> None:
    log = await EmailLogRepository(session).lock_by_id(log_id)
    if log is None or log.status != EmailStatus.SENDING:
        return
    log.status, log.provider, log.provider_ref = EmailStatus.SENT, adapter, reference[:_REFERENCE_LIMIT]
    log.failure, log.sent_at = None, clock.now()
    await _settle(session, log)


async def _record_failure(session: TenantSession, log_id: UUID, reason: str, *, final: bool) -> float | None:
    """Note why; answers after how many seconds to try again, or None if that was the last attempt."""
    log = await EmailLogRepository(session).lock_by_id(log_id)
    if log is None or log.status != EmailStatus.SENDING:
        return None
    log.failure = reason[:_FAILURE_LIMIT]
    is_rejected = final
    final = final or clock.now() - log.created_at > GIVE_UP_AFTER
    if final:
        log.status = EmailStatus.FAILED
        _log.warning("mail_failed", kind=log.kind, email_log_id=str(log.id))
        await drop_body(session, log.id)
        if is_rejected:  # that a provider of ours was down for a day is no reason to call anybody
            await session.flush()
            await note_failure(session, log, clock.now())
        await _settle(session, log)
        return None
    return wait_after(log.attempts)
