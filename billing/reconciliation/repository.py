"""Every query of reconciliation."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, case, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from billing.payments.models import AttemptStatus, Payment, PaymentAttempt, PaymentStatus, Refund, RefundStatus
from billing.reconciliation.comparing import Difference
from billing.reconciliation.models import Disagreement, Reconciliation
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession

_UNDECIDED = (PaymentStatus.REQUIRES_ACTION, PaymentStatus.PROCESSING, PaymentStatus.DISPUTED)
_OPEN_ATTEMPTS = (
    AttemptStatus.CREATED,
    AttemptStatus.UNKNOWN,
    AttemptStatus.AWAITING_CUSTOMER,
    AttemptStatus.PROCESSING,
)


class ReconciliationRepository:
    """The comparisons of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    def add(self, row: Reconciliation) -> None:
        """Insert with the next flush."""
        self._session.add(row)

    async def find_unfinished(self, since: datetime) -> Reconciliation | None:
        """The run that was begun since then and is not finished, or None."""
        statement = (
            select(Reconciliation)
            .where(Reconciliation.finished_at.is_(None), Reconciliation.started_at >= since)
            .order_by(Reconciliation.id.desc())
            .limit(1)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def find_last_finished(self) -> Reconciliation | None:
        """The newest run that came to its end, or None."""
        statement = (
            select(Reconciliation)
            .where(Reconciliation.finished_at.is_not(None))
            .order_by(Reconciliation.id.desc())
            .limit(1)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def list_due(self, after: UUID | None, since: datetime, methods: Sequence[str], limit: int) -> list[Payment]:
        """Payments to compare, by id: open, recently touched, with a refund on its way or a disagreement."""
        has_open = exists().where(PaymentAttempt.payment_id == Payment.id, PaymentAttempt.status.in_(_OPEN_ATTEMPTS))
        has_refund = exists().where(Refund.payment_id == Payment.id, Refund.status == RefundStatus.PENDING)
        disagrees = exists().where(Disagreement.payment_id == Payment.id, Disagreement.resolved_at.is_(None))
        statement = (
            select(Payment)
            .where(
                Payment.method.in_(methods),
                or_(Payment.status.in_(_UNDECIDED), Payment.updated_at >= since, has_open, has_refund, disagrees),
            )
            .order_by(Payment.id)
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(Payment.id > after)
        return list((await self._session.scalars(statement)).all())

    async def list_pending_refunds(self, payment_id: UUID, before: datetime) -> list[UUID]:
        """Refunds of a payment that were promised before then and are not settled."""
        statement = select(Refund.id).where(
            Refund.payment_id == payment_id, Refund.status == RefundStatus.PENDING, Refund.created_at < before
        )
        return list((await self._session.scalars(statement)).all())

    async def list_unapplied(self, before: datetime, limit: int) -> list[UUID]:
        """Payments whose money has been here since before then, without consequences."""
        statement = (
            select(Payment.id)
            .where(
                Payment.applied_at.is_(None),
                Payment.updated_at < before,
                Payment.captured_minor >= Payment.amount_minor,
                Payment.captured_minor > Payment.refunded_minor + Payment.refund_pending_minor,
            )
            .order_by(Payment.id)
            .limit(limit)
        )
        return list((await self._session.scalars(statement)).all())

    async def note(self, payment_id: UUID, found: Sequence[Difference]) -> None:
        """Enter what differs of a payment now, and close what agrees again."""
        now = clock.now()
        for one in found:
            statement = insert(Disagreement).values(
                payment_id=payment_id, kind=one.kind, detail=dict(one.detail), first_seen_at=now, last_seen_at=now
            )
            await self._session.execute(
                statement.on_conflict_do_update(
                    index_elements=[Disagreement.payment_id, Disagreement.kind],
                    set_={
                        "detail": dict(one.detail),
                        "last_seen_at": now,
                        # one that comes back after it was resolved begins anew
                        "first_seen_at": case(
                            (Disagreement.resolved_at.is_not(None), now), else_=Disagreement.first_seen_at
                        ),
                        "resolved_at": None,
                    },
                )
            )
        kinds = [one.kind for one in found]
        closed = and_(
            Disagreement.payment_id == payment_id,
            Disagreement.resolved_at.is_(None),
            Disagreement.kind.not_in(kinds) if kinds else Disagreement.kind.is_not(None),
        )
        await self._session.execute(
            update(Disagreement).where(closed).values(resolved_at=now).execution_options(synchronize_session=False)
        )

    async def count_open(self) -> int:
        """How many payments disagree at present."""
        statement = select(func.count(func.distinct(Disagreement.payment_id))).where(Disagreement.resolved_at.is_(None))
        return (await self._session.execute(statement)).scalar_one()

    async def list_open(self, limit: int) -> list[Disagreement]:
        """What disagrees at present, the longest first."""
        statement = (
            select(Disagreement)
            .where(Disagreement.resolved_at.is_(None))
            .order_by(Disagreement.first_seen_at, Disagreement.payment_id)
            .limit(limit)
        )
        return list((await self._session.scalars(statement)).all())
