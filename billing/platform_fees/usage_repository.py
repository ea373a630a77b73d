"""Every query of usage and of statements of fees."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import insert

from billing.platform_fees.models import FeeStatement, StatementStatus, UsageEntry, UsageKind, UsageMonth
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.pagination import paginate

_SUMS = {
    UsageKind.REFUNDED: UsageMonth.refunds_minor,
    UsageKind.DISPUTED: UsageMonth.disputes_minor,
    UsageKind.FEE_TAKEN: UsageMonth.fees_taken_minor,
    UsageKind.FEE_RETURNED: UsageMonth.fees_returned_minor,
    UsageKind.FEE_ACCRUED: UsageMonth.fees_accrued_minor,
    UsageKind.PAID: UsageMonth.payments_minor,
}


class UsageRepository:
    """Usage in the shared schema."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def add_once(self, entry: UsageEntry) -> bool:
        """Write an entry and add it to its month; False if its source was counted before."""
        values = {column.name: getattr(entry, column.name) for column in UsageEntry.__table__.columns}
        statement = (
            insert(UsageEntry)
            .values({name: value for name, value in values.items() if value is not None})
            .on_conflict_do_nothing(index_elements=[UsageEntry.tenant_id, UsageEntry.kind, UsageEntry.source_id])
            .returning(UsageEntry.id)
        )
        if (await self._session.execute(statement)).scalar_one_or_none() is None:
            return False
        await self._add_to_month(entry)
        return True

    async def _add_to_month(self, entry: UsageEntry) -> None:
        added: dict[str, int] = {}
        kind = UsageKind(entry.kind)
        if kind in _SUMS:
            added[_SUMS[kind].key] = entry.amount_minor
        if kind is UsageKind.PAID:
            added[UsageMonth.payments_count.key] = entry.quantity
        if kind is UsageKind.BOOKED:
            added[UsageMonth.appointments_booked.key] = entry.quantity
        sums: dict[str, ColumnElement[int]] = {name: getattr(UsageMonth, name) + value for name, value in added.items()}
        statement = insert(UsageMonth).values(
            tenant_id=entry.tenant_id, month=entry.month, currency=entry.currency, **added
        )
        keys = [UsageMonth.tenant_id, UsageMonth.month, UsageMonth.currency]
        await self._session.execute(statement.on_conflict_do_update(index_elements=keys, set_=sums))

    async def list_months(
        self, *, tenant_id: UUID | None, month: date | None, limit: int, cursor: str | None
    ) -> tuple[list[UsageMonth], str | None]:
        """Months, newest first."""
        statement = select(UsageMonth)
        if tenant_id is not None:
            statement = statement.where(UsageMonth.tenant_id == tenant_id)
        if month is not None:
            statement = statement.where(UsageMonth.month == month)
        keys = [UsageMonth.month, UsageMonth.tenant_id, UsageMonth.currency]
        return await paginate(self._session, statement, keys, limit=limit, cursor=cursor, descending=True)

    async def months_of(self, tenant_id: UUID, month: date) -> list[UsageMonth]:
        """A practice's month, by currency."""
        statement = select(UsageMonth).where(UsageMonth.tenant_id == tenant_id, UsageMonth.month == month)
        return list((await self._session.scalars(statement.order_by(UsageMonth.currency))).all())

    # ---- statements

    async def open_statement(self, tenant_id: UUID, month: date, currency: str) -> tuple[FeeStatement, bool]:
        """The statement of a month, locked; and whether it was made just now."""
        made = (
            await self._session.execute(
                insert(FeeStatement)
                .values(
                    id=new_id(),
                    tenant_id=tenant_id,
                    month=month,
                    currency=currency,
                    status=StatementStatus.OPEN,
                    created_at=clock.now(),
                )
                .on_conflict_do_nothing(
                    index_elements=[FeeStatement.tenant_id, FeeStatement.month, FeeStatement.currency]
                )
                .returning(FeeStatement.id)
            )
        ).scalar_one_or_none()
        statement = select(FeeStatement).where(
            FeeStatement.tenant_id == tenant_id, FeeStatement.month == month, FeeStatement.currency == currency
        )
        locked = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(locked)).one(), made is not None

    async def find_statement(self, statement_id: UUID, *, for_update: bool = False) -> FeeStatement | None:
        """By id, or None. With ``for_update`` it is locked and read anew."""
        statement = select(FeeStatement).where(FeeStatement.id == statement_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def page_of_statements(
        self, *, tenant_id: UUID | None, status: str | None, month: date | None, limit: int, cursor: str | None
    ) -> tuple[list[FeeStatement], str | None]:
        """Statements, newest first."""
        statement = select(FeeStatement)
        if tenant_id is not None:
            statement = statement.where(FeeStatement.tenant_id == tenant_id)
        if status is not None:
            statement = statement.where(FeeStatement.status == status)
        if month is not None:
            statement = statement.where(FeeStatement.month == month)
        return await paginate(self._session, statement, [FeeStatement.id], limit=limit, cursor=cursor, descending=True)

    async def sum_of_statement(self, statement_id: UUID) -> int:
        """What its entries add up to."""
        statement = select(func.coalesce(func.sum(UsageEntry.amount_minor), 0)).where(
            UsageEntry.statement_id == statement_id
        )
        return int((await self._session.execute(statement)).scalar_one())

    async def entries_of_statement(self, statement_id: UUID) -> Sequence[UsageEntry]:
        """Its entries, oldest first."""
        statement = select(UsageEntry).where(UsageEntry.statement_id == statement_id)
        return (await self._session.scalars(statement.order_by(UsageEntry.occurred_at, UsageEntry.id))).all()

    async def uninvoiced_minor(self, tenant_id: UUID, currency: str) -> int:
        """What has accrued in a currency and is on no invoice yet."""
        waiting = select(FeeStatement.id).where(
            FeeStatement.tenant_id == tenant_id,
            FeeStatement.currency == currency,
            FeeStatement.status.in_((StatementStatus.OPEN, StatementStatus.TO_INVOICE, StatementStatus.INVOICING)),
        )
        statement = select(func.coalesce(func.sum(UsageEntry.amount_minor), 0)).where(
            UsageEntry.statement_id.in_(waiting)
        )
        return int((await self._session.execute(statement)).scalar_one())
