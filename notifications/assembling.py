"""From what a composer answered to a mail that can be handed over."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from notifications.catalogue import MailKind
from notifications.composing import ComposedMail
from notifications.formats import language_of
from notifications.overrides.sending import render_for_reader
from notifications.port import Mail
from notifications.preferences.links import preferences_url
from notifications.preferences.service import Account
from notifications.recipients import Reader, RecipientKind
from notifications.rendering import Rendered
from notifications.sender.identity import Sender, find_sender
from notifications.watching import topic_to_end
from tenants.accounts.models import AccountKind
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime

_ACCOUNT_KINDS = {RecipientKind.CLIENT: AccountKind.CLIENT, RecipientKind.STAFF: AccountKind.STAFF}


def account_of(reader: Reader) -> Account | None:
    """The account that a reader is written to as; None for an address that has none."""
    kind = _ACCOUNT_KINDS.get(reader.recipient.kind)
    return Account(kind, UUID(reader.recipient.id)) if kind is not None else None


def find_preferences_url(session: TenantSession, runtime: Runtime, row: MailKind, reader: Reader) -> str | None:
    """Where the reader may switch mails of this kind off; None if nobody may, or the address has no account."""
    account, topic = account_of(reader), topic_to_end(row, reader)
    if account is None or topic is None:
        return None
    return preferences_url(runtime, session.tenant, account, topic)


async def render(
    session: TenantSession, runtime: Runtime, row: MailKind, reader: Reader, composed: ComposedMail
) -> Rendered:
    """The words of a mail for ``reader``."""
    given: dict[str, Any] = {
        "first_name": reader.first_name,
        "can_reply": (await find_sender(session, runtime.settings)).reply_to is not None,
        "preferences_url": find_preferences_url(session, runtime, row, reader),
    }
    return await render_for_reader(session, row.kind, composed.template, reader.locale, given | composed.values)


async def assemble(
    session: TenantSession, runtime: Runtime, message_id: UUID, row: MailKind, reader: Reader, composed: ComposedMail
) -> Mail:
    """The mail with its headers, ready for an adapter."""
    sender = await find_sender(session, runtime.settings)
    rendered = await render(session, runtime, row, reader, composed)
    url = find_preferences_url(session, runtime, row, reader)
    mail = put_together(message_id, reader.address, reader.locale, rendered, sender, url)
    return replace(mail, attachments=composed.attachments)


def put_together(
    message_id: UUID, to: str, locale: str, rendered: Rendered, sender: Sender, preferences_url: str | None
) -> Mail:
    """Words, sender and the headers that every mail has; ``preferences_url``: where its reader may end such mails."""
    headers = {
        "Message-ID": f"<{message_id}@{sender.domain}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834, 5: no holiday answers to it
        "Content-Language": language_of(locale),
    }
    if preferences_url is not None:
        headers["List-Unsubscribe"] = f"<{preferences_url}>"  # RFC 2369, 3.2
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058, 3.1
    return Mail(
        id=message_id,
        to=to,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        sender_name=sender.name,
        sender_address=sender.address,
        reply_to=sender.reply_to,
        headers=headers,
        is_own_sender=sender.is_own,
    )
