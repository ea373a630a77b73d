"""A mail on its way: from the queue's row to what the provider said."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any
from uuid import UUID

from notifications.assembling import assemble
from notifications.bodies.service import keep_body
from notifications.catalogue import MailKind, row_of
from notifications.composing import ComposedMail, Notice, compose
from notifications.digests.service import hold
from notifications.formats import language_of
from notifications.handing_over import Sending, is_given_up, may_have_arrived, take_up_again
from notifications.holding import hold_recipient
from notifications.keys import MailKey
from notifications.models import NOBODY, NOT_TRUE, EmailLog, EmailStatus
from notifications.outcomes import record_left_out, record_not_taken, record_taken, record_told
from notifications.port import Mail, MailPort, MailUnavailableError, SenderRefusedError
from notifications.recipients import Reader, Recipient, find_reader
from notifications.repository import EmailLogRepository
from notifications.rules import (
    TOO_MANY_LATELY,
    TOO_MANY_TODAY,
    find_refusal,
    is_nuisance,
    is_over_daily_limit,
    wait_for_the_morning,
)
from notifications.sender.refusals import note_refusal
from notifications.tracking.service import leave_behind
from tenants.settings.models import PracticeSettings
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.tasks import TenantEventContext

_log = get_logger("notifications")


def key_of(payload: dict[str, Any]) -> MailKey:
    """Which mail the payload of a ``notification.send`` asks for."""
    recipient = Recipient.of(payload)
    return MailKey(payload["kind"], UUID(payload["subject_id"]), payload["version"], recipient, payload.get("again", 0))


async def lock_log(session: TenantSession, key: MailKey) -> EmailLog:
    """The mail's line of the log, made if there is none, and locked. Its client is held before: an erasure that
    commits meanwhile finds every line, or leaves nobody to write to. All who take both take them in this order."""
    await hold_recipient(session, key.recipient)
    logs = EmailLogRepository(session)
    return await logs.lock(str(key), kind=key.kind, subject_id=key.subject_id, locale=session.tenant.locale)


class MailSending(Sending[Mail, TenantSession]):
    """One mail to one recipient, by one provider.

    Where that refuses the practice's own sender, the mail goes from the platform's address at once, and so do the ones
    after it, until a check finds the practice's address good again.
    """

    def __init__(self, context: TenantEventContext, payload: dict[str, Any], port: MailPort) -> None:
        self._context, self._runtime, self._payload, self._port = context, context.runtime, payload, port
        self._key = key_of(payload)
        self._refused_sender: str | None = None

    @property
    def _provider(self) -> str:
        return self._runtime.settings.mail.adapter

    def transaction(self) -> AbstractAsyncContextManager[TenantSession]:
        """See ``Sending``."""
        return self._runtime.database.tenant(self._context.tenant)

    async def prepare(self, session: TenantSession) -> Mail | None:
        """The mail to send; None if it was dealt with before, is held, or is not to be sent.

        Raises :class:`QuietHoursError` in its reader's quiet hours; nothing is recorded here then:
        whoever delivers notes until when it waits.
        """
        key, row = self._key, row_of(self._key.kind)
        log = await lock_log(session, key)
        if is_given_up(log) and not await self._was_sent_again(session):
            take_up_again(log)
        if log.status != EmailStatus.SENDING:
            return None
        reader = await find_reader(session, key.recipient)
        if log.attempts and log.delivery is not None and reader is not None and log.recipient == reader.address:
            await record_told(session, log, self._provider, clock.now())
            return None
        reason = await _find_reason_against(session, row, log, reader)
        if reader is None or reason is not None:
            await record_left_out(session, log, reason or NOBODY)
            return None
        notice = Notice(row.kind, key.subject_id, key.version, reader, self._payload.get("return_to", ""))
        composed = await compose(session, self._runtime, notice)
        if composed is None:
            await record_left_out(session, log, NOT_TRUE)
            return None
        # As long as it is held here, whoever asks for it below is answered without a query.
        practice = await get_practice_settings(session)
        # Somebody asked for a mail that is sent again, and waits for it.
        if not key.again and not await self._goes_now(session, practice, row, reader, log, composed):
            return None
        mail = await assemble(session, self._runtime, log.id, row, reader, composed)
        if log.attempts and log.recipient != mail.to:
            await leave_behind(session, log)
        log.recipient, log.subject, log.locale = mail.to, mail.subject, language_of(reader.locale)
        log.attempts += 1
        await keep_body(session, row, mail)
        return mail

    async def _was_sent_again(self, session: TenantSession) -> bool:
        """Whether staff had it sent again, after the queue gave it up and before an operator put it back."""
        repeats = await EmailLogRepository(session).list_repeats(self._key)
        return any(again > self._key.again and _has_reached(one) for again, one in repeats)

    async def _goes_now(
        self,
        session: TenantSession,
        practice: PracticeSettings,
        row: MailKind,
        reader: Reader,
        log: EmailLog,
        mail: ComposedMail,
    ) -> bool:
        """False if held for a digest or over the day's limit. Raises :class:`RetryLaterError` in quiet hours."""
        if await hold(session, row, reader, log, self._payload, mail.useful_until):
            return False
        wait_for_the_morning(practice, row, reader, mail.useful_until)
        if not await is_over_daily_limit(session, practice, row, reader, log):
            return True
        log.recipient = reader.address
        await record_left_out(session, log, TOO_MANY_TODAY)
        return False

    async def send(self, message: Mail) -> str:
        """Hand it over, and once more from the platform's address if the provider refuses the practice's own."""
        try:
            return await self._port.send(message)
        except SenderRefusedError as refused:
            _log.warning("mail_sender_refused", email_log_id=str(message.id), reason=str(refused))
        async with self.transaction() as session:
            log = await EmailLogRepository(session).lock_by_id(message.id)
            if log is None or log.status != EmailStatus.SENDING:
                raise MailUnavailableError("another worker has it")
            log.attempts += 1
        self._refused_sender = message.sender_address
        address = self._runtime.settings.mail.sender_address
        # With the same headers: a copy of before, whose answer was lost, had this Message-ID.
        return await self._port.send(replace(message, sender_address=address, is_own_sender=False))

    async def record_sent(self, session: TenantSession, message: Mail, reference: str) -> None:
        """It was taken, which also proves what a refusal before it was about."""
        log = await EmailLogRepository(session).lock_by_id(message.id)
        await record_taken(session, log, self._provider, reference)
        if self._refused_sender is not None:
            await note_refusal(session, self._refused_sender)

    async def record_failure(
        self, session: TenantSession, message: Mail, reason: str, *, is_final: bool
    ) -> float | None:
        """See ``Sending``."""
        log = await EmailLogRepository(session).lock_by_id(message.id)
        return await record_not_taken(session, log, reason, is_final=is_final)


def _has_reached(log: EmailLog) -> bool:
    """Whether it went, is about to, or may have arrived."""
    return log.status not in (EmailStatus.SKIPPED, EmailStatus.FAILED) or may_have_arrived(log)


async def _find_reason_against(
    session: TenantSession, row: MailKind, log: EmailLog, reader: Reader | None
) -> str | None:
    """Why it is not to be sent, whatever it would say; notes to whom where that is the reader's doing."""
    if await is_nuisance(session, row, log):
        return TOO_MANY_LATELY
    if reader is None:
        return NOBODY
    refusal = await find_refusal(session, row, reader)
    if refusal is not None:
        log.recipient = reader.address
    return refusal
