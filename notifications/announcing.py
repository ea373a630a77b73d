"""Queueing mails, in the transaction of whoever announces them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from notifications.events import NOTIFICATION_SEND
from notifications.keys import MailKey
from notifications.models import QUIET_HOURS
from notifications.recipients import Recipient
from notifications.repository import EmailLogRepository
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

    Announcing the same (kind, subject, version, recipient) again makes no second mail. Each has its line in the log
    from here on, so that the front desk sees what waits.
    """
    recipients = list(recipients)
    keys = [str(MailKey(kind, subject_id, version, recipient)) for recipient in recipients]
    locale = session.tenant.locale
    await EmailLogRepository(session).expect(keys, kind=kind, subject_id=subject_id, locale=locale, not_before=run_at)
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


async def note_waiting(session: TenantSession, payload: dict[str, Any], until: datetime) -> None:
    """The mail of an event is put back for the end of its reader's quiet hours: the log says so."""
    key = MailKey(payload["kind"], UUID(payload["subject_id"]), payload["version"], Recipient.of(payload))
    repository = EmailLogRepository(session)
    await repository.expect([str(key)], kind=key.kind, subject_id=key.subject_id, locale=session.tenant.locale)
    await repository.put_off(str(key), until, QUIET_HOURS)


async def announce_again(session: TenantSession, key: MailKey, again: int) -> None:
    """Queue a mail that was sent before once more, for the ``again``-th time, with the transaction of ``session``.

    The same number again makes no other mail. It has its line in the log once the queue comes to it.
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
