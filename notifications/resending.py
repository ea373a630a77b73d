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
from notifications.events import NOTIFICATION_SEND
from notifications.handing_over import give_up
from notifications.keys import MailKey
from notifications.models import SUPPRESSED, EmailLog, EmailStatus
from notifications.recipients import Reader, find_reader
from notifications.repository import EmailLogRepository
from notifications.rules import find_refusal
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import NotFoundError, TooManyRequestsError
from todoenbalance.kit.outbox.reading import is_waiting
from todoenbalance.kit.runtime import Runtime

RESENDS_A_DAY: Final = 3
"""So often one mail is sent again within a day."""
_DAY: Final = timedelta(days=1)
_MAY_BE_STUCK_AFTER: Final = timedelta(hours=1)


def is_resendable(log: EmailLog) -> bool:
    """Whether a mail is of a sort that may be sent again: to a client, of something that guards no account."""
    row = CATALOGUE.get(log.kind)
    # The same rule as for keeping: what carries the way into an account is neither shown nor repeated.
    return row is not None and is_kept(row) and row.kind in composed_kinds() and MailKey.of(log) is not None


def may_be_resent(log: EmailLog) -> bool:
    """Whether to offer it: not while the mail is on its way, unless it has been so for long enough to be stuck."""
    if log.status == EmailStatus.SENDING:
        since = max(log.created_at, log.not_before or log.created_at)
        return is_resendable(log) and clock.now() - since > _MAY_BE_STUCK_AFTER
    return is_resendable(log) and log.status != EmailStatus.HELD


async def is_lost(session: TenantSession, runtime: Runtime, log_id: UUID) -> bool:
    """Whether a mail that is being sent has no row in the queue (any more), so that nothing will become of it.

    Nothing may have been written in ``session`` before: it lends its connection while the queue is asked.
    """
    log = await session.get(EmailLog, log_id)
    key = MailKey.of(log) if log is not None and log.status == EmailStatus.SENDING else None
    if key is None:
        return False
    await give_connection_back(session)
    facts = {
        "kind": key.kind,
        "subject_id": str(key.subject_id),
        "version": str(key.version),
        "recipient_kind": str(key.recipient.kind),
        "recipient_id": key.recipient.id,
        **({"again": str(key.again)} if key.again else {}),
    }
    async with runtime.database.platform() as platform:
        return not await is_waiting(platform, session.tenant.key, NOTIFICATION_SEND, facts)


async def resend(
    session: TenantSession, runtime: Runtime, log_id: UUID, *, was_lost: bool = False
) -> tuple[EmailLog, int]:
    """Queue a mail once more; answers its line of the log and which time this is. ``was_lost``: see :func:`is_lost`.

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
    if log.status == EmailStatus.SENDING and was_lost:
        give_up(log)
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
    earlier = await logs.list_repeats(key)
    lately = sorted(one.created_at for _, one in earlier if one.created_at > clock.now() - _DAY)
    if len(lately) >= RESENDS_A_DAY:
        wait = lately[-RESENDS_A_DAY] + _DAY - clock.now()
        raise TooManyRequestsError(wait.total_seconds())
    return max((again for again, _ in earlier), default=0) + 1


async def _is_true(session: TenantSession, runtime: Runtime, row: MailKind, key: MailKey, reader: Reader) -> bool:
    """Whether there is still something to say. What composing made (links) goes again: the queue composes for good."""
    savepoint = await session.begin_nested()
    try:
        return await compose(session, runtime, Notice(row.kind, key.subject_id, key.version, reader)) is not None
    finally:
        await savepoint.rollback()
