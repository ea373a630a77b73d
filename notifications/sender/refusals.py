"""Whoever carries mails took one from the platform's address and had refused the same one from the practice's."""

from notifications.sender.mails import announce_outage
from notifications.sender.models import Trouble
from notifications.sender.repository import MailSenderRepository
from notifications.sender.service import queue_check
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger

_log = get_logger("notifications.sender")


async def note_refusal(session: TenantSession, address: str) -> None:
    """Use the address no more, until a check trusts it again (see ``checking``). The owners hear of it, and the check
    that is queued says what is wrong, if DNS shows it. Nothing if that is known, or they chose another since."""
    row = await MailSenderRepository(session).lock()
    if row is None or row.address != address or row.verified_at is None:
        return
    now = clock.now()
    row.verified_at, row.broken_at, row.trouble = None, now, Trouble.REFUSED
    _log.warning("mail_domain_broken", practice=session.tenant.key, trouble=row.trouble)
    await announce_outage(session, row)
    await queue_check(session, row, now)
