"""The mail that a practice's own sender address does not work any more: to the owners, once an outage."""

from datetime import datetime
from uuid import UUID

from notifications.announcing import announce
from notifications.composing import ComposedMail, Notice, register_composer
from notifications.formats import describe
from notifications.recipients import Recipient
from notifications.sender.addresses import shown_domain
from notifications.sender.models import MailSender, Trouble
from notifications.sender.repository import MailSenderRepository
from tenants.accounts.services.staff_accounts import list_owners
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime

BROKEN = "mail_sender_broken"
PAGE = "/admin/mail-sender"
SUBJECT = UUID("5f6a3f0e-6c0c-4b0b-8a55-0d2d2f8a7a10")
"""A practice has one sender: what its mails are about is always the same."""


def _version(broken_at: datetime) -> str:
    """Which outage."""
    return broken_at.strftime("%Y%m%dT%H%M%S")


async def announce_outage(session: TenantSession, row: MailSender) -> None:
    """Tell every owner; ``row`` has just broken."""
    if row.broken_at is None:
        return
    recipients = [Recipient.staff(owner.id) for owner in await list_owners(session)]
    await announce(session, BROKEN, subject_id=SUBJECT, version=_version(row.broken_at), recipients=recipients)


async def compose_broken(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """Which address, since when, and where to put it right; nothing once it works, or was given up."""
    row = await MailSenderRepository(session).find()
    if row is None or row.broken_at is None or row.domain is None or _version(row.broken_at) != str(notice.version):
        return None
    return ComposedMail(
        {
            "own_address": row.address,
            "own_domain": shown_domain(row.domain),
            "is_refused": row.trouble == Trouble.REFUSED,
            "platform_address": runtime.settings.mail.sender_address,
            "broken_at": describe(row.broken_at, notice.reader.timezone, notice.reader.locale),
            "sender_url": runtime.settings.practice_url(session.tenant.slug, PAGE),
        }
    )


def register_mail_sender_mails() -> None:
    """Register the composer of this module; called at start-up."""
    register_composer(BROKEN, compose_broken)
