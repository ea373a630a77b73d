"""What the development mailbox answers."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from notifications.models import MailboxMessage, PlatformMailboxMessage


class MailboxAttachment(BaseModel):
    """An attachment, without its content: that is at ``attachments/{filename}`` below the message."""

    filename: str
    content_type: str


class MailboxItem(BaseModel):
    """One mail that was 'sent'."""

    id: UUID
    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    attachments: list[MailboxAttachment]
    created_at: datetime

    @classmethod
    def of(cls, message: MailboxMessage | PlatformMailboxMessage) -> "MailboxItem":
        """From a row."""
        return cls(
            id=message.id,
            to=message.recipient,
            subject=message.subject,
            text=message.text,
            html=message.html,
            headers=message.headers,
            attachments=[MailboxAttachment(**item) for item in message.attachments["items"]],
            created_at=message.created_at,
        )


class MailboxContents(BaseModel):
    """Every mail that this host 'sent', newest first (at most a thousand)."""

    items: list[MailboxItem]
