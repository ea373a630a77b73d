"""The development adapter: mail goes into a table, where ``/dev/mailbox`` shows it. Refused in production."""  # noqa: A005 - the adapter's name; nothing here runs by path

import base64
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from notifications.models import MailboxMessage, PlatformMailboxMessage
from notifications.port import Mail
from todoenbalance.kit import clock
from todoenbalance.kit.database import Database
from todoenbalance.kit.tenancy import TenantContext


class Mailbox:
    """Keeps each message once, however often it is handed over: a message's id is the row's id.

    Without a practice it is the platform's own mailbox.
    """

    def __init__(self, database: Database, tenant: TenantContext | None) -> None:
        self._database = database
        self._tenant = tenant

    async def send(self, mail: Mail) -> str:
        """Store ``mail`` in a transaction of its own, as a provider would; neither error is ever raised."""
        values: dict[str, Any] = {
            "id": mail.id,
            "recipient": mail.to,
            "subject": mail.subject,
            "text": mail.text,
            "html": mail.html,
            "headers": _headers(mail),
            "attachments": {
                "items": [_stored(item.filename, item.content_type, item.content) for item in mail.attachments]
            },
            "created_at": clock.now(),
        }
        if self._tenant is None:
            async with self._database.platform() as session:
                await session.execute(insert(PlatformMailboxMessage).values(**values).on_conflict_do_nothing())
        else:
            async with self._database.tenant(self._tenant) as practice_session:
                await practice_session.execute(insert(MailboxMessage).values(**values).on_conflict_do_nothing())
        return str(mail.id)


def _headers(mail: Mail) -> dict[str, str]:
    headers = {"From": f"{mail.sender_name} <{mail.sender_address}>"}
    if mail.reply_to:
        headers["Reply-To"] = mail.reply_to
    return headers | mail.headers


def _stored(filename: str, content_type: str, content: bytes) -> dict[str, str]:
    return {
        "filename": filename,
        "content_type": content_type,
        "content_base64": base64.b64encode(content).decode("ascii"),
    }
