"""Every query of tasks."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert

from notifications.mail_tasks.models import MailTask, TaskEnd, TaskReason
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.pagination import paginate

_IS_OPEN = MailTask.closed_at.is_(None)


class MailTaskRepository:
    """Whom the front desk of one practice is to call."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def was_closed_since(self, client_id: UUID, address: str, moment: datetime) -> bool:
        """Whether one of these two ended at that moment or later."""
        statement = select(MailTask.id).where(
            MailTask.client_id == client_id, MailTask.address == address, MailTask.closed_at >= moment
        )
        return await self._session.scalar(statement.limit(1)) is not None

    async def open(self, client_id: UUID, address: str, reason: TaskReason, log_id: UUID) -> UUID | None:
        """Add one; answers its id. If it is open already (None), the graver reason holds, with the mail that it came
        from."""
        task_id = new_id()
        statement = insert(MailTask).values(
            id=task_id,
            client_id=client_id,
            address=address,
            reason=reason,
            email_log_id=log_id,
            opened_at=clock.now(),
        )
        gravity = {TaskReason.FAILURES: 1, TaskReason.HARD_BOUNCE: 2, TaskReason.COMPLAINT: 3}
        told = case({str(it): weight for it, weight in gravity.items()}, value=statement.excluded.reason)
        known = case({str(it): weight for it, weight in gravity.items()}, value=MailTask.reason)
        written = await self._session.scalar(
            statement.on_conflict_do_update(
                index_elements=[MailTask.client_id, MailTask.address],
                index_where=_IS_OPEN,
                set_={"reason": statement.excluded.reason, "email_log_id": statement.excluded.email_log_id},
                where=told > known,
            ).returning(MailTask.id)
        )
        return task_id if written == task_id else None

    async def was_opened_since(self, moment: datetime, *, except_ids: Collection[UUID]) -> bool:
        """Whether another one was opened at that moment or later, whatever became of it."""
        statement = select(MailTask.id).where(MailTask.opened_at >= moment, MailTask.id.not_in(except_ids))
        return await self._session.scalar(statement.limit(1)) is not None

    async def close_delivered(self, client_id: UUID, address: str, sent_at: datetime) -> None:
        """End those that a mail of after they were opened contradicts. A complaint is not about arriving."""
        statement = update(MailTask).where(
            MailTask.client_id == client_id,
            MailTask.address == address,
            MailTask.reason != TaskReason.COMPLAINT,
            MailTask.opened_at < sent_at,
            _IS_OPEN,
        )
        await self._session.execute(statement.values(closed_at=clock.now(), closed_as=TaskEnd.DELIVERED))

    async def close_other_addresses(self, client_id: UUID, address: str) -> None:
        """End those about addresses that the client does not have any more."""
        statement = update(MailTask).where(MailTask.client_id == client_id, MailTask.address != address, _IS_OPEN)
        await self._session.execute(statement.values(closed_at=clock.now(), closed_as=TaskEnd.ADDRESS_CHANGED))

    async def lock_by_id(self, task_id: UUID) -> MailTask | None:
        """One row, locked, or None."""
        statement = select(MailTask).where(MailTask.id == task_id).with_for_update()
        return (await self._session.scalars(statement)).one_or_none()

    async def count_open(self, since: datetime | None = None, until: datetime | None = None) -> int:
        """How many wait to be called; of those who came up from ``since`` on and before ``until``, if given."""
        statement = select(func.count()).select_from(MailTask).where(_IS_OPEN)
        if since is not None:
            statement = statement.where(MailTask.opened_at >= since)
        if until is not None:
            statement = statement.where(MailTask.opened_at < until)
        return await self._session.scalar(statement) or 0

    async def list_open_of(self, client_ids: Collection[UUID]) -> Sequence[MailTask]:
        """Those of these clients."""
        statement = select(MailTask).where(MailTask.client_id.in_(client_ids), _IS_OPEN).order_by(MailTask.id)
        return (await self._session.scalars(statement)).all()

    async def page(self, *, include_closed: bool, limit: int, cursor: str | None) -> tuple[list[MailTask], str | None]:
        """Oldest first: whoever waits longest is called first."""
        statement = select(MailTask)
        if not include_closed:
            statement = statement.where(_IS_OPEN)
        return await paginate(self._session, statement, [MailTask.id], limit=limit, cursor=cursor)
