"""Telling people: an announcement becomes one queued row per recipient, and each row one mail, once.

Mails are composed when they are sent, from the state as it is then, by composers that the features
register; this package knows no feature. Which rules hold for which kind is the catalogue's to say.
"""

from typing import Any
from uuid import UUID

from notifications.adapters import mail_port
from notifications.announcing import announce, note_waiting
from notifications.composing import ComposedMail, Composer, Notice, composed_kinds, register_composer
from notifications.handing_over import GIVE_UP_AFTER, SUSPENDED_DELAY_SECONDS, hand_over
from notifications.models import EmailLog
from notifications.outcomes import record_given_up
from notifications.port import MailPort
from notifications.repository import EmailLogRepository, MailFilter
from notifications.rules import QuietHoursError
from notifications.sending import MailSending, key_of, lock_log
from tenants.registry.models import TenantStatus
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.outbox.reading import is_parked
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

__all__ = [
    "GIVE_UP_AFTER",
    "ComposedMail",
    "Composer",
    "MailFilter",
    "Notice",
    "announce",
    "composed_kinds",
    "deliver",
    "get_email_log",
    "list_email_logs",
    "on_send_parked",
    "register_composer",
    "send_notification",
]


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
    """Send the one mail of a row by ``port``. See :func:`notifications.handing_over.hand_over` for what may happen."""
    try:
        await hand_over(MailSending(context, payload, port))
    except QuietHoursError as quiet:
        async with context.runtime.database.tenant(context.tenant) as session:
            await note_waiting(session, payload, quiet.ends)
        raise


async def on_send_parked(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``notification.send.parked``: the queue gave a mail up, so its line of the log (made, if it never got that far)
    says that it failed, and the front desk hears of it. Nothing if somebody put the row back meanwhile."""
    if context.tenant.status == TenantStatus.CLOSING:
        return
    async with context.runtime.database.platform() as platform:
        if not await is_parked(platform, UUID(payload["parked_id"])):
            return
    key = key_of(payload)
    async with context.runtime.database.tenant(context.tenant) as session:
        log = await lock_log(session, key)
        await record_given_up(session, log, key.recipient, context.runtime.settings.mail.adapter)


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
