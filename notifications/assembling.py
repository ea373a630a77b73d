"""From what a composer answered to a mail that can be handed over."""

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
from notifications.sender.identity import find_sender
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
    account = account_of(reader)
    if account is None or not row.is_optional:
        return None
    return preferences_url(runtime, session.tenant, account, row.topic)


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
    headers = {
        "Message-ID": f"<{message_id}@{sender.domain}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834, 5: no holiday answers to it
        "Content-Language": language_of(reader.locale),
    }
    url = find_preferences_url(session, runtime, row, reader)
    if url is not None:
        headers["List-Unsubscribe"] = f"<{url}>"  # RFC 2369, 3.2
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058, 3.1
    return Mail(
        id=message_id,
        to=reader.address,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        sender_name=sender.name,
        sender_address=sender.address,
        reply_to=sender.reply_to,
        headers=headers,
        attachments=composed.attachments,
        is_own_sender=sender.is_own,
    )
