"""Every query of refunds."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from billing.payments.models import LedgerEntry, Payment, Refund, RefundStatus
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate


class RefundRepository:
    """Refunds of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    def add(self, row: Refund | LedgerEntry) -> None:
        """Insert with the next flush."""
        self._session.add(row)

    async def flush(self) -> None:
        """Insert now, because the caller's next query must see it."""
        await self._session.flush()

    async def find(self, refund_id: UUID, *, for_update: bool = False) -> Refund | None:
        """By id, or None. With ``for_update`` it is locked and read anew."""
        statement = select(Refund).where(Refund.id == refund_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_retry_of(self, refund_id: UUID) -> Refund | None:
        """The refund that tries a failed one again, or None."""
        return (await self._session.scalars(select(Refund).where(Refund.retry_of_id == refund_id))).one_or_none()

    async def page_to_hand_over(
        self, method: str, *, limit: int, cursor: str | None
    ) -> tuple[list[Refund], str | None]:
        """Pending refunds of payments of a method, oldest first."""
        statement = select(Refund).join(Payment, Payment.id == Refund.payment_id)
        statement = statement.where(Refund.status == RefundStatus.PENDING, Payment.method == method)
        return await paginate(self._session, statement, [Refund.id], limit=limit, cursor=cursor)

    async def list_of_payments(self, payment_ids: Sequence[UUID]) -> list[Refund]:
        """The refunds of these payments, oldest first."""
        statement = select(Refund).where(Refund.payment_id.in_(payment_ids)).order_by(Refund.id)
        return list((await self._session.scalars(statement)).all())

    async def list_of_payment(self, payment_id: UUID) -> list[Refund]:
        """A payment's refunds, oldest first, locked and read anew."""
        statement = select(Refund).where(Refund.payment_id == payment_id).order_by(Refund.id)
        locked = statement.with_for_update().execution_options(populate_existing=True)
        return list((await self._session.scalars(locked)).all())
