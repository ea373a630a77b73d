"""Sending a mail again, because somebody at the front desk was asked to.

It is composed anew from the state as it is now, so it has no old links and says nothing that is not so any more. It is
a mail of its own, with a line of its own in the log.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from notifications.announcing import announce_again
from notifications.bodies.service import is_kept
from notifications.catalogue import CATALOGUE, MailKind
from notifications.composing import Notice, compose, composed_kinds
from notifications.errors import (
    MailAddressSuppressedError,
    MailNoLongerTrueError,
    MailNotResendableError,
    MailSwitchedOffError,
    MailUnderWayError,
)
from notifications.keys import MailKey
from notifications.models import EmailLog, EmailStatus
from notifications.recipients import Reader, find_reader
from notifications.repository import EmailLogRepository
from notifications.rules import SUPPRESSED, find_refusal
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError, TooManyRequestsError
from todoenbalance.kit.runtime import Runtime

RESENDS_A_DAY: Final = 3
"""So often one mail is sent again within a day."""
_DAY: Final = timedelta(days=1)


def is_resendable(log: EmailLog) -> bool:
    """Whether a mail is of a sort that may be sent again: to a client, of something that guards no account."""
    row = CATALOGUE.get(log.kind)
    # The same rule as for keeping: what carries the way into an account is neither shown nor repeated.
    return row is not None and is_kept(row) and row.kind in composed_kinds() and MailKey.of(log) is not None


async def resend(session: TenantSession, runtime: Runtime, log_id: UUID) -> tuple[EmailLog, int]:
    """Queue a mail once more; answers its line of the log and which time this is.

    Asking again before the queue came to it is the same time, and one mail. Raises :class:`NotFoundError`,
    :class:`MailNotResendableError`, :class:`MailUnderWayError`, :class:`MailAddressSuppressedError`,
    :class:`MailSwitchedOffError`, :class:`MailNoLongerTrueError` or :class:`TooManyRequestsError`.
    """
    logs = EmailLogRepository(session)
    log = await logs.lock_by_id(log_id)
    if log is None:
        raise NotFoundError
    key, row = MailKey.of(log), CATALOGUE.get(log.kind)
    if key is None or row is None or not is_resendable(log):
        raise MailNotResendableError
    if log.status in (EmailStatus.SENDING, EmailStatus.HELD):
        raise MailUnderWayError
    reader = await find_reader(session, key.recipient)
    if reader is None:
        raise MailNoLongerTrueError
    refusal = await find_refusal(session, row, reader)
    if refusal is not None:
        raise MailAddressSuppressedError if refusal == SUPPRESSED else MailSwitchedOffError
    again = await _next_time(logs, key)
    if not await _is_true(session, runtime, row, key, reader):
        raise MailNoLongerTrueError
    await announce_again(session, key.first, again)
    return log, again


async def _next_time(logs: EmailLogRepository, key: MailKey) -> int:
    """Raises :class:`TooManyRequestsError`."""
    earlier = [
        (one, known)
        for one in await logs.list_about(key.subject_id, key.kind)
        if (known := MailKey.of(one)) is not None and known.first == key.first and known.again
    ]
    lately = sorted(one.created_at for one, _ in earlier if one.created_at > clock.now() - _DAY)
    if len(lately) >= RESENDS_A_DAY:
        wait = lately[-RESENDS_A_DAY] + _DAY - clock.now()
        raise TooManyRequestsError(wait.total_seconds())
    return max((known.again for _, known in earlier), default=0) + 1


async def _is_true(session: TenantSession, runtime: Runtime, row: MailKind, key: MailKey, reader: Reader) -> bool:
    """Whether there is still something to say. What composing made (links) goes again: the queue composes for good."""
    savepoint = await session.begin_nested()
    try:
        return await compose(session, runtime, Notice(row.kind, key.subject_id, key.version, reader)) is not None
    finally:
        await savepoint.rollback()
