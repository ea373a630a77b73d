"""Queueing mails to operators, in the transaction of what they tell of."""

from collections.abc import Iterable
from uuid import UUID

from notifications.operator_mails.events import OPERATOR_MAIL_SEND
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.outbox.publish import publish


async def announce_to_operators(
    session: PlatformSession, kind: str, *, subject_id: UUID, version: str, operator_ids: Iterable[UUID]
) -> None:
    """Queue one mail of ``kind`` for each operator, with the transaction of ``session``.

    Announcing the same (kind, subject, version, operator) again makes no second mail.
    """
    for operator_id in operator_ids:
        payload = {
            "kind": kind,
            "subject_id": str(subject_id),
            "version": version,
            "operator_id": str(operator_id),
        }
        await publish(session, OPERATOR_MAIL_SEND, payload)
