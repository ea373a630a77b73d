"""Every query of the mails to operators."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from notifications.handing_over import leave_out
from notifications.models import EmailStatus
from notifications.operator_mails.models import OperatorMail
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.ids import new_id


class OperatorMailRepository:
    """What was mailed to operators."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def lock(self, kind: str, subject_id: UUID, version: str, operator_id: UUID) -> OperatorMail:
        """The one row of these four, made if it is not there yet, locked until the transaction ends."""
        key = {"kind": kind, "subject_id": subject_id, "version": version, "operator_id": operator_id}
        made = insert(OperatorMail).values(id=new_id(), status=EmailStatus.SENDING, created_at=clock.now(), **key)
        await self._session.execute(made.on_conflict_do_nothing(index_elements=list(key)))
        return (await self._session.scalars(select(OperatorMail).filter_by(**key).with_for_update())).one()

    async def lock_by_id(self, mail_id: UUID) -> OperatorMail | None:
        """One row, locked, or None if its operator is gone."""
        return await self._session.get(OperatorMail, mail_id, with_for_update=True, populate_existing=True)

    async def lock_all(self, mail_ids: Collection[UUID]) -> dict[UUID, OperatorMail]:
        """Those of these ids that there are, locked, in one order for everybody."""
        statement = select(OperatorMail).where(OperatorMail.id.in_(mail_ids)).order_by(OperatorMail.id)
        return {row.id: row for row in (await self._session.scalars(statement.with_for_update())).all()}

    async def give_up(self, operator_id: UUID, reason: str) -> None:
        """Nothing of what was begun for somebody who is an operator no more is tried again."""
        begun = select(OperatorMail).where(
            OperatorMail.operator_id == operator_id, OperatorMail.status == EmailStatus.SENDING
        )
        for row in await self._session.scalars(begun.order_by(OperatorMail.id).with_for_update()):
            leave_out(row, reason, EmailStatus.SKIPPED)

    async def count_recent(self, mail: OperatorMail, since: datetime) -> int:
        """How many other mails of its kind about the same subject were made since then."""
        statement = select(func.count()).where(
            OperatorMail.kind == mail.kind,
            OperatorMail.subject_id == mail.subject_id,
            OperatorMail.created_at > since,
            OperatorMail.status != EmailStatus.SKIPPED,
            OperatorMail.id != mail.id,
        )
        return (await self._session.scalar(statement)) or 0
