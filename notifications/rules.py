"""Whether a mail goes now: what its kind's row says, held against its reader, the hour and the day.

Asked when it is sent, not when it was queued: what was switched off meanwhile is off.
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from notifications.assembling import account_of
from notifications.catalogue import CAPPED_KINDS, MailKind
from notifications.models import QUIET_HOURS, SUPPRESSED, EmailLog
from notifications.preferences.service import is_switched_off
from notifications.quiet_hours import quiet_until
from notifications.recipients import Reader
from notifications.repository import EmailLogRepository
from notifications.tracking.service import is_suppressed
from notifications.watching import is_wanted, may_hear
from tenants.settings.models import PracticeSettings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import RetryLaterError

SWITCHED_OFF = "switched off"
"""Why a message was left out: its reader does not want this topic, or the practice sends no texts this way."""
NOT_THEIRS = "not theirs to see"
"""It is about others, and the member of staff may not see that any more."""
TOO_MANY_TODAY = "too many today"
"""The reader has had as many optional mails today as the practice sends at most."""
TOO_MANY_LATELY = "too many lately"
"""Somebody keeps asking for this mail to be sent."""
NUISANCE_WINDOW, NUISANCE_LIMIT = timedelta(minutes=15), 3
"""Of the mails that anybody can have sent to somebody's address, so many of a kind go out in that time."""


class QuietHoursError(RetryLaterError):
    """It is night where the reader is; ``ends`` says until when."""

    def __init__(self, ends: datetime, delay_seconds: float) -> None:
        super().__init__(QUIET_HOURS, delay_seconds)
        self.ends = ends


async def is_nuisance(session: TenantSession, row: MailKind, log: EmailLog) -> bool:
    """Whether a mail that strangers can cause was sent about the same subject too often lately."""
    if not row.on_strangers_request or log.subject_id is None:
        return False
    since = clock.now() - NUISANCE_WINDOW
    count = await EmailLogRepository(session).count_recent(row.kind, log.subject_id, since, except_id=log.id)
    return count >= NUISANCE_LIMIT


async def find_refusal(session: TenantSession, row: MailKind, reader: Reader) -> str | None:
    """Why the reader is not to get mails of this kind at all, or None."""
    is_essential = row.is_essential or row.on_strangers_request
    if not is_essential and await is_suppressed(session, reader.address):
        return SUPPRESSED
    if reader.recipient.is_watching:
        if not await may_hear(session, row, reader):
            return NOT_THEIRS
        return None if await is_wanted(session, row, reader) else SWITCHED_OFF
    account = account_of(reader)
    if row.is_optional and account is not None and await is_switched_off(session, account, row.topic):
        return SWITCHED_OFF
    return None


def wait_for_the_morning(
    practice: PracticeSettings, row: MailKind, reader: Reader, useful_until: datetime | None
) -> None:
    """Leave the reader alone in the quiet hours of their own zone, unless the mail would then be of no use.

    Raises :class:`QuietHoursError` with the time until they end; the caller's transaction is rolled back, and the
    mail is composed anew then.
    """
    if not row.can_wait:
        return
    now = clock.now()
    ends = quiet_until(practice, now, reader.timezone)
    if ends is None or (useful_until is not None and useful_until < ends):
        return
    raise QuietHoursError(ends, (ends - now).total_seconds())


async def is_over_daily_limit(
    session: TenantSession, practice: PracticeSettings, row: MailKind, reader: Reader, log: EmailLog
) -> bool:
    """Whether the reader has had their optional mails of this (their own) day. One that was let through before and
    met a provider that was down is not counted against itself."""
    if not row.is_capped or log.attempts:
        return False
    # Mails to one reader are counted one after the other: two at once would each not see the other.
    key = f"mail-limit:{session.tenant.key}:{reader.address}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    since = _midnight(reader.timezone)
    return (
        await EmailLogRepository(session).count_to(reader.address, CAPPED_KINDS, since, except_id=log.id)
        >= practice.daily_mail_limit
    )


def _midnight(timezone: str) -> datetime:
    """When the reader's present day began."""
    today = clock.now().astimezone(ZoneInfo(timezone)).date()
    return datetime.combine(today, time(), ZoneInfo(timezone))
