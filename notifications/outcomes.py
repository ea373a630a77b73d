"""What a mail's line of the log says in the end, and who else has to know."""

from datetime import datetime

from notifications.bodies.service import drop_body
from notifications.digests.service import STAFF_DIGEST, settle_digest
from notifications.handing_over import give_up, is_open, leave_out, note_failure_on
from notifications.mail_tasks.mails import announce_tasks
from notifications.mail_tasks.service import note_failure
from notifications.models import FAILURE_LIMIT, REFERENCE_LIMIT, EmailLog, EmailStatus
from notifications.recipients import Recipient, find_reader
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger

_log = get_logger("notifications")


async def record_left_out(session: TenantSession, log: EmailLog, reason: str) -> None:
    """It is not to go (any more)."""
    leave_out(log, reason, EmailStatus.SKIPPED)
    _log.info("mail_skipped", kind=log.kind, email_log_id=str(log.id), reason=reason)
    await _settle(session, log)


async def record_told(session: TenantSession, log: EmailLog, provider: str, at: datetime) -> None:
    """Nobody heard the provider's answer, but it told of the mail since: it has it."""
    log.status, log.failure, log.sent_at, log.provider = EmailStatus.SENT, None, at, provider
    await _settle(session, log)


async def record_taken(session: TenantSession, log: EmailLog | None, provider: str, reference: str) -> None:
    """The provider took it. Nothing if the log knows better."""
    if log is None or not is_open(log):
        return
    log.status, log.provider, log.provider_ref = EmailStatus.SENT, provider, reference[:REFERENCE_LIMIT]
    log.failure, log.sent_at = None, clock.now()
    await _settle(session, log)


async def record_not_taken(
    session: TenantSession, log: EmailLog | None, reason: str, *, is_final: bool
) -> float | None:
    """The provider did not. Answers after how many seconds to try again, or None if that was the last attempt."""
    if log is None or log.status != EmailStatus.SENDING:
        return None
    wait = note_failure_on(log, reason[:FAILURE_LIMIT], is_final=is_final)
    if wait is not None:
        return wait
    _log.warning("mail_failed", kind=log.kind, email_log_id=str(log.id))
    await drop_body(session, log.id)
    if is_final:  # that a provider of ours was down for a day is no reason to call anybody
        await session.flush()
        await announce_tasks(session, await note_failure(session, log, clock.now()))
    await _settle(session, log)
    return None


async def record_given_up(session: TenantSession, log: EmailLog, recipient: Recipient, provider: str) -> None:
    """The queue gave its row up. What was said of it is kept, as it may have arrived."""
    if log.status != EmailStatus.SENDING:
        return
    if log.attempts and log.delivery is not None:
        await record_told(session, log, provider, clock.now())
        return
    reader = await find_reader(session, recipient)
    if not log.recipient and reader is not None:
        log.recipient = reader.address
    give_up(log)
    _log.warning("mail_given_up", kind=log.kind, email_log_id=str(log.id))
    await session.flush()
    await announce_tasks(session, await note_failure(session, log, clock.now()))
    await _settle(session, log, keeps_lines=True)


async def _settle(session: TenantSession, log: EmailLog, *, keeps_lines: bool = False) -> None:
    if log.kind == STAFF_DIGEST:
        await settle_digest(session, log, keeps_lines=keeps_lines)
