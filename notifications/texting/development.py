"""The development adapter: text messages land in the practice's mailbox, marked as such. Refused in production."""

from typing import Any

from markupsafe import escape
from sqlalchemy.dialects.postgresql import insert

from notifications.models import MailboxMessage
from notifications.texting.port import TextMessage
from todoenbalance.kit import clock
from todoenbalance.kit.database import Database
from todoenbalance.kit.tenancy import TenantContext


class TextMailbox:
    """Keeps each message once, however often it is handed over."""

    def __init__(self, database: Database, tenant: TenantContext) -> None:
        self._database = database
        self._tenant = tenant

    async def send(self, message: TextMessage) -> str:
        """Store ``message`` in a transaction of its own, as a gateway would; neither error is ever raised."""
        values: dict[str, Any] = {
            "id": message.id,
            "recipient": message.to,
            "subject": f"[{message.channel.upper()}]",
            "text": message.text,
            "html": f"<p>{escape(message.text)}</p>",
            "headers": {"Content-Language": message.language},
            "attachments": {"items": []},
            "created_at": clock.now(),
        }
        async with self._database.tenant(self._tenant) as session:
            await session.execute(insert(MailboxMessage).values(**values).on_conflict_do_nothing())
        return str(message.id)
