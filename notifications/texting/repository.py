"""Lines of the log of text messages."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from notifications.catalogue import Channel
from notifications.holding import hold_recipient
from notifications.recipients import Recipient
from notifications.texting.models import TextLog, TextStatus
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id


class TextLogRepository:
    """What was sent in one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def lock(self, payload: dict[str, Any]) -> TextLog:
        """The one row of the message, made if it is not there yet, locked until the transaction ends.

        Its client is held before, as mails do it: an erasure that commits meanwhile leaves no number behind.
        """
        kind, client_id, channel = payload["kind"], UUID(payload["client_id"]), Channel(payload["channel"])
        await hold_recipient(self._session, Recipient.client(client_id))
        key = f"{kind}:{payload['subject_id']}:{payload['version']}:{client_id}:{channel}"
        statement = insert(TextLog).values(
            id=new_id(),
            kind=kind,
            dedupe_key=key,
            subject_id=UUID(payload["subject_id"]),
            client_id=client_id,
            channel=channel,
            locale=self._session.tenant.locale,
            status=TextStatus.SENDING,
            created_at=clock.now(),
        )
        await self._session.execute(statement.on_conflict_do_nothing(index_elements=[TextLog.dedupe_key]))
        locked = select(TextLog).where(TextLog.dedupe_key == key).with_for_update()
        return (await self._session.scalars(locked)).one()

    async def lock_by_id(self, log_id: UUID) -> TextLog | None:
        """One row, locked, or None."""
        statement = select(TextLog).where(TextLog.id == log_id).with_for_update()
        return (await self._session.scalars(statement)).one_or_none()
