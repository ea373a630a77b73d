"""Keeping what was written to clients, so that the front desk can see what somebody on the telephone speaks of.

Only mails to clients, and none that guards an account: those carry what opens it. How long is the practice's choice
(``mail_body_days``); the daily run ends it.
"""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from notifications.bodies.models import MailBody
from notifications.bodies.redaction import redact
from notifications.catalogue import Audience, MailKind, Topic
from notifications.models import SUBJECT_LIMIT
from notifications.port import Mail
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


def is_kept(row: MailKind) -> bool:
    """Whether the words of mails of this kind are kept at all."""
    guards = row.is_essential or row.on_strangers_request or row.topic is Topic.SECURITY
    return row.audience is Audience.CLIENT and not guards


async def keep_body(session: TenantSession, row: MailKind, mail: Mail) -> None:
    """Keep what is about to be sent, in place of what an earlier attempt kept; nothing where it is not to be kept."""
    if not is_kept(row) or not (await get_practice_settings(session)).mail_body_days:
        return
    words = {
        "subject": redact(mail.subject, session.tenant.hostname)[:SUBJECT_LIMIT],
        "text": redact(mail.text, session.tenant.hostname),
        "html": redact(mail.html, session.tenant.hostname),
        "created_at": clock.now(),
    }
    statement = insert(MailBody).values(email_log_id=mail.id, **words)
    await session.execute(statement.on_conflict_do_update(index_elements=[MailBody.email_log_id], set_=words))


async def drop_body(session: TenantSession, log_id: UUID) -> None:
    """Forget the words of a mail that did not go."""
    await session.execute(delete(MailBody).where(MailBody.email_log_id == log_id))


async def find_body(session: TenantSession, log_id: UUID) -> MailBody | None:
    """What a mail said, if it is still kept."""
    return await session.get(MailBody, log_id)
