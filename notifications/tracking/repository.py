"""Every query of tracking."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert

from notifications.models import EmailLog
from notifications.tracking.models import EmailEvent, MailSuppression, SuppressionReason
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.pagination import paginate

_BATCH = 1000
"""Rows of one statement, below PostgreSQL's limit of parameters."""


def address_key(address: str) -> str:
    """How an address is kept and compared: nobody has two mailboxes that differ in case."""
    return address.strip().lower()


class EmailEventRepository:
    """What was told of one practice's mails."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def lock_logs(self, log_ids: Collection[UUID]) -> dict[UUID, EmailLog]:
        """The mails of these ids that there are, locked, always in the same order."""
        statement = select(EmailLog).where(EmailLog.id.in_(log_ids)).order_by(EmailLog.id).with_for_update()
        return {row.id: row for row in await self._session.scalars(statement)}

    async def insert_new(self, rows: Sequence[dict[str, Any]]) -> set[str]:
        """Insert what was not told before; answers the provider's ids of what is new."""
        new: set[str] = set()
        # In one order for everybody, so that two deliveries of the same events wait for each other.
        ordered = sorted(rows, key=lambda row: str(row["sg_event_id"]))
        for start in range(0, len(ordered), _BATCH):
            statement = (
                insert(EmailEvent)
                .values(ordered[start : start + _BATCH])
                .on_conflict_do_nothing(index_elements=[EmailEvent.sg_event_id])
                .returning(EmailEvent.sg_event_id)
            )
            new.update(await self._session.scalars(statement))
        return new

    async def list_of(self, log_ids: Collection[UUID]) -> Sequence[EmailEvent]:
        """Everything that was told of these mails, in the order in which it happened."""
        statement = select(EmailEvent).where(EmailEvent.email_log_id.in_(log_ids))
        ordered = statement.order_by(EmailEvent.occurred_at, EmailEvent.sg_event_id)
        return (await self._session.scalars(ordered)).all()


class SuppressionRepository:
    """The addresses that get no optional mail."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def is_suppressed(self, address: str) -> bool:
        """Whether this address is among them now."""
        statement = select(MailSuppression.id).where(
            MailSuppression.address == address_key(address), MailSuppression.lifted_at.is_(None)
        )
        return await self._session.scalar(statement) is not None

    async def was_lifted_since(self, address: str, moment: datetime) -> bool:
        """Whether staff lifted it at that moment or later."""
        statement = select(MailSuppression.id).where(
            MailSuppression.address == address_key(address), MailSuppression.lifted_at >= moment
        )
        return await self._session.scalar(statement.limit(1)) is not None

    async def suppress(
        self, address: str, reason: SuppressionReason, since: datetime, *, client_id: UUID | None
    ) -> None:
        """Add an address. If it is there, the earliest moment and the graver reason hold, whatever came first."""
        statement = insert(MailSuppression).values(
            id=new_id(), address=address_key(address), client_id=client_id, reason=reason, since=since
        )
        graver = case(
            (statement.excluded.reason == SuppressionReason.COMPLAINT, statement.excluded.reason),
            else_=MailSuppression.reason,
        )
        merged = {
            "reason": graver,
            "since": func.least(MailSuppression.since, statement.excluded.since),
            "client_id": func.coalesce(MailSuppression.client_id, statement.excluded.client_id),
        }
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[MailSuppression.address], index_where=MailSuppression.lifted_at.is_(None), set_=merged
            )
        )

    async def page(
        self, *, include_lifted: bool, limit: int, cursor: str | None
    ) -> tuple[list[MailSuppression], str | None]:
        """Newest first."""
        statement = select(MailSuppression)
        if not include_lifted:
            statement = statement.where(MailSuppression.lifted_at.is_(None))
        keys = [MailSuppression.id]
        return await paginate(self._session, statement, keys, limit=limit, cursor=cursor, descending=True)

    async def find_active(self, addresses: Collection[str]) -> Sequence[MailSuppression]:
        """Those of these addresses that hold now."""
        statement = select(MailSuppression).where(
            MailSuppression.address.in_({address_key(it) for it in addresses}), MailSuppression.lifted_at.is_(None)
        )
        return (await self._session.scalars(statement.order_by(MailSuppression.id))).all()

    async def lock_by_id(self, suppression_id: UUID) -> MailSuppression | None:
        """One row, locked, or None."""
        statement = select(MailSuppression).where(MailSuppression.id == suppression_id).with_for_update()
        return (await self._session.scalars(statement)).one_or_none()
