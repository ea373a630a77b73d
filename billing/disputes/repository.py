"""Every query of disputes."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from billing.disputes.models import Dispute
from billing.payments.models import LedgerEntry, Refund
from todoenbalance.kit.database import TenantSession

UNDECIDED = ("needs_response", "under_review")


class DisputeRepository:
    """Disputes of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    def add(self, row: Dispute | Refund | LedgerEntry) -> None:
        """Insert with the next flush."""
        self._session.add(row)

    async def flush(self) -> None:
        """Insert now, because what follows refers to it."""
        await self._session.flush()

    async def find(self, dispute_id: UUID) -> Dispute | None:
        """By id, or None."""
        return await self._session.get(Dispute, dispute_id)

    async def list_of_payments(self, payment_ids: Sequence[UUID]) -> list[Dispute]:
        """The disputes of these payments, oldest first."""
        statement = select(Dispute).where(Dispute.payment_id.in_(payment_ids)).order_by(Dispute.id)
        return list((await self._session.scalars(statement)).all())

    async def list_undecided(self, limit: int) -> list[Dispute]:
        """Those that are not decided, the nearest deadline first."""
        statement = (
            select(Dispute)
            .where(Dispute.status.in_(UNDECIDED))
            .order_by(Dispute.evidence_due_by.nulls_last(), Dispute.id)
            .limit(limit)
        )
        return list((await self._session.scalars(statement)).all())

    async def list_refunds(self, payment_id: UUID, provider_ref: str) -> Sequence[Refund]:
        """The refunds that stand for a lost dispute, oldest first: one, or parts that were entered later."""
        is_part = Refund.provider_ref.startswith(f"{provider_ref}#", autoescape=True)
        statement = select(Refund).where(
            Refund.payment_id == payment_id, (Refund.provider_ref == provider_ref) | is_part
        )
        return (await self._session.scalars(statement.order_by(Refund.id))).all()
