"""Queueing mails, in the transaction of what they tell of."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from notifications.events import NOTIFICATION_SEND
from notifications.keys import MailKey
from notifications.recipients import Recipient
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.publish import publish


async def announce(
    session: TenantSession,
    kind: str,
    *,
    subject_id: UUID,
    version: int | str,
    recipients: Iterable[Recipient],
    return_to: str = "",
    run_at: datetime | None = None,
) -> None:
    """Queue one mail of ``kind`` for each recipient, with the transaction of ``session``; for ``run_at`` if given.

    Announcing the same (kind, subject, version, recipient) again makes no second mail.
    """
    for recipient in recipients:
        await publish(
            session,
            NOTIFICATION_SEND,
            {
                "kind": kind,
                "subject_id": str(subject_id),
                "version": version,
                "recipient_kind": recipient.kind,
                "recipient_id": recipient.id,
                "return_to": return_to,
                **({"watching": True} if recipient.is_watching else {}),
            },
            run_at=run_at,
        )


async def announce_again(session: TenantSession, key: MailKey, again: int) -> None:
    """Queue a mail that was sent before once more, for the ``again``-th time, with the transaction of ``session``.

    The same number again makes no other mail.
    """
    await publish(
        session,
        NOTIFICATION_SEND,
        {
            "kind": key.kind,
            "subject_id": str(key.subject_id),
            "version": key.version,
            "recipient_kind": key.recipient.kind,
            "recipient_id": key.recipient.id,
            "return_to": "",
            "again": again,
        },
    )
