"""Mail to operators: what ``notifications.service`` does for practices, over the platform's own table.

An announcement becomes one queued row per operator, and each row one mail, once, composed from the state as it is when
it is sent. There are no quiet hours, daily limits or digests of many kinds here: what may wait is gathered by those
who announce it.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from notifications.adapters import mail_port
from notifications.assembling import put_together
from notifications.catalogue import MailKind, row_of
from notifications.formats import language_of
from notifications.handing_over import Sending, hand_over, leave_out, note_failure_on
from notifications.models import FAILURE_LIMIT, NOBODY, NOT_TRUE, REFERENCE_LIMIT, EmailStatus
from notifications.operator_mails.composing import OperatorNotice, OperatorReader, compose, find_reader
from notifications.operator_mails.models import OperatorMail
from notifications.operator_mails.repository import OperatorMailRepository
from notifications.port import Mail, MailPort
from notifications.rendering import render_mail
from notifications.rules import NUISANCE_LIMIT, NUISANCE_WINDOW, SWITCHED_OFF, TOO_MANY_LATELY
from notifications.sender.identity import Sender
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.tasks import EventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings

_log = get_logger("notifications.operator_mails")


async def send_operator_mail(context: EventContext, payload: dict[str, Any]) -> None:
    """Send the one mail of an ``operator_mail.send`` event by the adapter of the settings. See :func:`deliver`."""
    await deliver(context.runtime, payload, mail_port(context.runtime, None))


async def deliver(runtime: Runtime, payload: dict[str, Any], port: MailPort) -> None:
    """Send the one mail of a row by ``port``. See :func:`notifications.handing_over.hand_over` for what may happen."""
    await hand_over(OperatorMailSending(runtime, payload, port))


class OperatorMailSending(Sending[Mail, PlatformSession]):
    """One mail to one operator."""

    def __init__(self, runtime: Runtime, payload: dict[str, Any], port: MailPort) -> None:
        self._runtime, self._payload, self._port = runtime, payload, port

    def transaction(self) -> AbstractAsyncContextManager[PlatformSession]:
        """See ``Sending``."""
        return self._runtime.database.platform()

    async def prepare(self, session: PlatformSession) -> Mail | None:
        """The mail to send, recorded as being sent; None if it was dealt with before, or is not to be sent."""
        runtime, payload = self._runtime, self._payload
        kind, subject_id, version = row_of(payload["kind"]), UUID(payload["subject_id"]), str(payload["version"])
        mails, operator_id = OperatorMailRepository(session), UUID(payload["operator_id"])
        reader = await find_reader(session, runtime, operator_id)
        if reader is None:
            await mails.give_up(operator_id, NOBODY)
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
            leave_out(row, refusal or NOT_TRUE, EmailStatus.SKIPPED)
            _log.info("operator_mail_skipped", kind=row.kind, operator_mail_id=str(row.id), reason=row.failure)
            return None
        mail = _assemble(runtime.settings, row.id, kind, reader, values)
        row.recipient, row.subject, row.locale = mail.to, mail.subject, language_of(reader.locale)
        row.attempts += 1
        return mail

    async def send(self, message: Mail) -> str:
        """See ``MailPort``."""
        return await self._port.send(message)

    async def record_sent(self, session: PlatformSession, message: Mail, reference: str) -> None:
        """It was taken."""
        row = await OperatorMailRepository(session).lock_by_id(message.id)
        if row is not None and row.status == EmailStatus.SENDING:
            _note_sent(row, self._runtime.settings, reference)

    async def record_failure(
        self, session: PlatformSession, message: Mail, reason: str, *, is_final: bool
    ) -> float | None:
        """See ``Sending``."""
        row = await OperatorMailRepository(session).lock_by_id(message.id)
        if row is None or row.status != EmailStatus.SENDING:
            return None
        wait = note_failure_on(row, reason[:FAILURE_LIMIT], is_final=is_final)
        if wait is None:
            _log.error("operator_mail_failed", kind=row.kind, operator_mail_id=str(row.id))
        return wait


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
    sender = Sender(settings.mail.sender_name, settings.mail.sender_address, reply_to=None, is_own=False)
    choice_url = reader.choice_url if kind.is_optional else None
    given = {"first_name": reader.first_name, "preferences_url": choice_url} | values
    rendered = render_mail(kind.kind, reader.locale, sender.name, given)
    return put_together(message_id, reader.address, reader.locale, rendered, sender, choice_url)


def _note_sent(row: OperatorMail, settings: Settings, reference: str | None) -> None:
    row.status, row.provider, row.failure, row.sent_at = EmailStatus.SENT, settings.mail.adapter, None, clock.now()
    row.provider_ref = reference[:REFERENCE_LIMIT] if reference is not None else None
