"""Telling people: an announcement becomes one queued row per recipient, and each row one mail, once.

Mails are composed when they are sent, from the state as it is then, by composers that the features
register; this package knows no feature.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from notifications.adapters import mail_port
from notifications.events import NOTIFICATION_SEND
from notifications.formats import language_of
from notifications.models import EmailLog, EmailStatus
from notifications.overrides.sending import render_for_reader
from notifications.port import Attachment, Mail, MailPort, MailRejectedError, MailUnavailableError
from notifications.recipients import Reader, Recipient, RecipientKind, find_contact_address, find_reader
from notifications.repository import EmailLogRepository
from notifications.tracking.service import is_suppressed
from tenants.registry.models import TenantStatus
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime

GIVE_UP_AFTER = timedelta(hours=24)
"""A mail that no provider took for so long is late news; it is marked as failed."""
SUPPRESSED = "suppressed"
"""Why a mail was left out: mail to this address bounced, or its reader complained."""
_FAILURE_LIMIT = 500
_REFERENCE_LIMIT = 255
_log = get_logger("notifications")


@dataclass(frozen=True, slots=True)
class Notice:
    """What a composer is asked for: a kind of mail, about what, as of which version, for whom.

    ``version`` is the subject's when the event was published (an appointment's), or the event's own id
    where each event is a mail of its own (a password reset). ``return_to`` is the path of the practice's host
    that the mail's link is to lead to in the end, if it is to lead anywhere.
    """

    kind: str
    subject_id: UUID
    version: int | str
    reader: Reader
    return_to: str = ""


@dataclass(frozen=True, slots=True)
class ComposedMail:
    """Which template, with which values; ``template`` is the kind unless one is named."""

    values: dict[str, Any]
    attachments: tuple[Attachment, ...] = ()
    template: str | None = None


Composer = Callable[[TenantSession, Runtime, Notice], Awaitable[ComposedMail | None]]
"""Composes one kind of mail from the state as it is now. None: it is no longer true, nothing is sent.

It runs inside the transaction that records the attempt (so it may make a one-time token), it may run more
than once for one mail, and calls nothing outside the database.
"""

NUISANCE_WINDOW, NUISANCE_LIMIT = timedelta(minutes=15), 3
"""Of the mails that anybody can have sent to somebody's address, so many of a kind go out in that time."""

_composers: dict[str, Composer] = {}
_limited: set[str] = set()
_essential: set[str] = set()


def register_composer(
    kind: str, composer: Composer, *, on_strangers_request: bool = False, is_essential: bool = False
) -> None:
    """Have ``composer`` make the mails of ``kind``; called once at start-up by the feature that owns it.

    ``on_strangers_request``: anybody who knows an address can cause this mail, so its number is
    limited. ``is_essential``: it guards an account, so it is tried even at an address that mail bounced from or that
    complained, as are all on a stranger's request. Raises ``ValueError`` if another composer has the kind already.
    """
    if _composers.setdefault(kind, composer) is not composer:
        raise ValueError(f"two composers for {kind!r}")
    if on_strangers_request:
        _limited.add(kind)
    if is_essential or on_strangers_request:
        _essential.add(kind)


def composed_kinds() -> frozenset[str]:
    """The kinds of mail that can be made in this process."""
    return frozenset(_composers)


async def announce(
    session: TenantSession,
    kind: str,
    *,
    subject_id: UUID,
    version: int | str,
    recipients: Iterable[Recipient],
    return_to: str = "",
) -> None:
    """Queue one mail of ``kind`` for each recipient, with the transaction of ``session``.

    Announcing the same (kind, subject, version, recipient) again makes no second mail.
    """
    for recipient in recipients:
        await publish(
            session,
            NOTIFICATION_SEND,
            {
                "kind": kind,
                "subject_id": str(subject_id),
                "version": version,
                "recipient_kind": recipient.kind,
                "recipient_id": recipient.id,
                "return_to": return_to,
            },
        )


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
    Raises :class:`RetryLaterError` while the provider is unavailable, for a day at most.
    """
    database, tenant = context.runtime.database, context.tenant
    async with database.tenant(tenant) as session:
        mail = await _prepare(session, context.runtime, payload)
    if mail is None:
        return
    try:
        reference = await port.send(mail)
    except MailRejectedError as rejected:
        async with database.tenant(tenant) as session:
            await _record_failure(session, mail.id, str(rejected), final=True)
    except MailUnavailableError as unavailable:
        async with database.tenant(tenant) as session:
            gave_up = await _record_failure(session, mail.id, str(unavailable), final=False)
        if not gave_up:
            raise RetryLaterError("the mail provider is unavailable") from unavailable
    else:
        async with database.tenant(tenant) as session:
            await _record_sent(session, mail.id, context.runtime.settings.mail.adapter, reference)


async def list_email_logs(
    session: TenantSession, *, kind: str | None = None, limit: int = 50, cursor: str | None = None
) -> tuple[list[EmailLog], str | None]:
    """A page of what was mailed, newest first."""
    return await EmailLogRepository(session).page(kind=kind, limit=limit, cursor=cursor)


async def _prepare(session: TenantSession, runtime: Runtime, payload: dict[str, Any]) -> Mail | None:
    """The mail to send, recorded as being sent; None if it was dealt with before or is no longer true."""
    kind, version, subject_id = payload["kind"], payload["version"], UUID(payload["subject_id"])
    recipient = Recipient(RecipientKind(payload["recipient_kind"]), payload["recipient_id"])
    composer = _composers[kind]
    logs = EmailLogRepository(session)
    log = await logs.lock(
        f"{kind}:{subject_id}:{version}:{recipient.kind}:{recipient.id}",
        kind=kind,
        subject_id=subject_id,
        locale=session.tenant.locale,
    )
    if log.status != EmailStatus.SENDING:
        return None
    if kind in _limited:
        since = clock.now() - NUISANCE_WINDOW
        if await logs.count_recent(kind, subject_id, since, except_id=log.id) >= NUISANCE_LIMIT:
            log.status, log.failure = EmailStatus.SKIPPED, "too many lately"
            return None
    reader = await find_reader(session, recipient)
    if reader and kind not in _essential and await is_suppressed(session, reader.address):
        log.status, log.failure, log.recipient = EmailStatus.SKIPPED, SUPPRESSED, reader.address
        _log.info("mail_suppressed", kind=kind, email_log_id=str(log.id))
        return None
    notice = Notice(kind, subject_id, version, reader, payload.get("return_to", "")) if reader else None
    composed = await composer(session, runtime, notice) if notice else None
    if reader is None or composed is None:
        log.status = EmailStatus.SKIPPED
        log.failure = "no longer true" if reader else "nobody to write to"
        _log.info("mail_skipped", kind=kind, email_log_id=str(log.id))
        return None
    mail = await _assemble(session, runtime, log.id, kind, reader, composed)
    log.recipient, log.subject, log.locale = mail.to, mail.subject, language_of(reader.locale)
    log.attempts += 1
    return mail


async def _assemble(
    session: TenantSession, runtime: Runtime, message_id: UUID, kind: str, reader: Reader, composed: ComposedMail
) -> Mail:
    sender = runtime.settings.mail
    reply_to = await find_contact_address(session)
    values = {"first_name": reader.first_name, "can_reply": reply_to is not None} | composed.values
    rendered = await render_for_reader(session, kind, composed.template, reader.locale, values)
    return Mail(
        id=message_id,
        to=reader.address,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        sender_name=" ".join(session.tenant.name.split()),
        sender_address=sender.sender_address,
        reply_to=reply_to,
        headers={
            "Message-ID": f"<{message_id}@{sender.sender_address.rpartition('@')[2]}>",
            "Auto-Submitted": "auto-generated",  # RFC 3834, 5: no holiday answers to it
            "Content-Language": language_of(reader.locale),
        },
        attachments=composed.attachments,
    )


async def _record_sent(session: TenantSession, log_id: UUID, adapter: str, reference: str) -> None:
    log = await EmailLogRepository(session).lock_by_id(log_id)
    if log is None or log.status != EmailStatus.SENDING:
        return
    log.status, log.provider, log.provider_ref = EmailStatus.SENT, adapter, reference[:_REFERENCE_LIMIT]
    log.failure, log.sent_at = None, clock.now()


async def _record_failure(session: TenantSession, log_id: UUID, reason: str, *, final: bool) -> bool:
    """Note why; answers whether that was the last attempt."""
    log = await EmailLogRepository(session).lock_by_id(log_id)
    if log is None or log.status != EmailStatus.SENDING:
        return True
    log.failure = reason[:_FAILURE_LIMIT]
    final = final or clock.now() - log.created_at > GIVE_UP_AFTER
    if final:
        log.status = EmailStatus.FAILED
        _log.warning("mail_failed", kind=log.kind, email_log_id=str(log.id))
    return final
