"""Every query of payments, their attempts and the ledger."""

from collections.abc import Collection, Sequence
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select

from billing.payments.models import AttemptStatus, LedgerEntry, Payment, PaymentAttempt, Refund
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate

Kinds: TypeAlias = str | Collection[str]
"""One kind of payable, or several that share their ids."""


def kinds_of(kinds: Kinds) -> list[str]:
    """As a list."""
    return [kinds] if isinstance(kinds, str) else list(kinds)


class PaymentRepository:
    """Payments of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    def add(self, row: Payment | PaymentAttempt | LedgerEntry) -> None:
        """Insert with the next flush."""
        self._session.add(row)

    async def flush(self) -> None:
        """Insert what is new now, because the next rows refer to it."""
        await self._session.flush()

    async def find(self, payment_id: UUID, *, for_update: bool = False) -> Payment | None:
        """By id, or None. With ``for_update`` it is locked and read anew."""
        statement = select(Payment).where(Payment.id == payment_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_by_event(self, provider: str, object_ref: str | None, attempt_id: UUID | None) -> Payment | None:
        """The payment that an event is about: by its order or charge, else by the attempt that it echoes; or None."""
        conditions: list[ColumnElement[bool]] = []
        if object_ref is not None:  # compared with None it would find what was never sent
            conditions += [PaymentAttempt.provider_ref == object_ref, PaymentAttempt.charge_ref == object_ref]
        if attempt_id is not None:
            conditions.append(PaymentAttempt.id == attempt_id)
        for condition in conditions:
            statement = (
                select(Payment)
                .join(PaymentAttempt, PaymentAttempt.payment_id == Payment.id)
                .where(PaymentAttempt.provider == provider, condition)
                .limit(1)
            )
            found = (await self._session.scalars(statement)).one_or_none()
            if found is not None:
                return found
        return None

    async def list_attempts(self, payment_id: UUID) -> list[PaymentAttempt]:
        """Oldest first, read anew."""
        statement = (
            select(PaymentAttempt)
            .where(PaymentAttempt.payment_id == payment_id)
            .order_by(PaymentAttempt.id)
            .execution_options(populate_existing=True)
        )
        return list((await self._session.scalars(statement)).all())

    async def latest_attempts(self, payment_ids: Sequence[UUID]) -> dict[UUID, PaymentAttempt]:
        """The newest attempt of each payment."""
        statement = select(PaymentAttempt).where(PaymentAttempt.payment_id.in_(payment_ids)).order_by(PaymentAttempt.id)
        return {attempt.payment_id: attempt for attempt in await self._session.scalars(statement)}

    async def lock_all_of_client(self, client_id: UUID) -> None:
        """Lock every payment of a client, in the order of their ids."""
        statement = select(Payment.id).where(Payment.client_id == client_id).order_by(Payment.id)
        await self._session.execute(statement.with_for_update())

    async def lock_all_of_payables(self, payable_kind: Kinds, payable_ids: Sequence[UUID]) -> set[UUID]:
        """Lock every payment of these payables until the end of the transaction, in the order of their ids."""
        statement = _ids_of_payables(payable_kind, payable_ids).order_by(Payment.id)
        return set((await self._session.scalars(statement.with_for_update())).all())

    async def list_ids_of_payables(self, payable_kind: Kinds, payable_ids: Sequence[UUID]) -> set[UUID]:
        """The same without locking."""
        return set((await self._session.scalars(_ids_of_payables(payable_kind, payable_ids))).all())

    async def find_paid_payables(self, payable_kind: Kinds, payable_ids: Sequence[UUID]) -> set[UUID]:
        """Those of these payables that have payments."""
        statement = select(Payment.payable_id).where(
            Payment.payable_kind.in_(kinds_of(payable_kind)), Payment.payable_id.in_(payable_ids)
        )
        return set((await self._session.scalars(statement)).all())

    async def lock_payable(self, payable_id: UUID) -> None:
        """Let one transaction at a time open payments of this payable."""
        await self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(payable_id), 0))))

    async def list_of_payable(
        self, payable_kind: Kinds, payable_id: UUID, *, for_update: bool = False
    ) -> list[Payment]:
        """Oldest first; locked, in that order, and read anew with ``for_update``."""
        statement = (
            select(Payment)
            .where(Payment.payable_kind.in_(kinds_of(payable_kind)), Payment.payable_id == payable_id)
            .order_by(Payment.id)
        )
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return list((await self._session.scalars(statement)).all())

    async def list_of_payables(self, payable_kind: Kinds, payable_ids: Collection[UUID]) -> list[Payment]:
        """The payments of several payables, oldest first, read anew."""
        statement = select(Payment).where(
            Payment.payable_kind.in_(kinds_of(payable_kind)), Payment.payable_id.in_(payable_ids)
        )
        statement = statement.order_by(Payment.id).execution_options(populate_existing=True)
        return list((await self._session.scalars(statement)).all())

    async def has_other_kept_payment(self, payment: Payment) -> bool:
        """Whether money of another payment of the same payable is here and stays."""
        return await self._exists(self._others_with_money(payment))

    async def has_other_applied_payment(self, payment: Payment, given_back_causes: Sequence[str]) -> bool:
        """Whether the payable stands on another payment: one that was applied and whose money stays.

        A payment that was applied by asking for a refund for one of ``given_back_causes`` is none, also if
        that refund failed.
        """
        given_back = exists().where(Refund.payment_id == Payment.id, Refund.cause.in_(given_back_causes))
        return await self._exists(self._others_with_money(payment).where(Payment.applied_at.is_not(None), ~given_back))

    def _others_with_money(self, payment: Payment) -> Select[tuple[UUID]]:
        return select(Payment.id).where(
            Payment.payable_kind == payment.payable_kind,
            Payment.payable_id == payment.payable_id,
            Payment.id != payment.id,
            Payment.captured_minor > Payment.refunded_minor + Payment.refund_pending_minor,
        )

    async def _exists(self, statement: Select[tuple[UUID]]) -> bool:
        return (await self._session.scalars(statement.limit(1))).one_or_none() is not None

    async def list_ledger(self, payment_id: UUID) -> list[LedgerEntry]:
        """A payment's lines of the books, oldest first."""
        statement = select(LedgerEntry).where(LedgerEntry.payment_id == payment_id).order_by(LedgerEntry.id)
        return list((await self._session.scalars(statement)).all())

    async def page(
        self,
        *,
        status: str | None,
        client_id: UUID | None,
        payable_id: UUID | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[Payment], str | None]:
        """Payments, newest first."""
        statement = select(Payment)
        if status is not None:
            statement = statement.where(Payment.status == status)
        if client_id is not None:
            statement = statement.where(Payment.client_id == client_id)
        if payable_id is not None:
            statement = statement.where(Payment.payable_id == payable_id)
        return await paginate(self._session, statement, [Payment.id], limit=limit, cursor=cursor, descending=True)

    async def find_refundable_attempt(self, payment_id: UUID) -> PaymentAttempt | None:
        """The attempt that took the money (for a payment at the desk: its only one), or None."""
        attempts = await self.list_attempts(payment_id)
        captured = [attempt for attempt in attempts if attempt.status == AttemptStatus.CAPTURED]
        return next(iter(captured or attempts[-1:]), None)


def _ids_of_payables(payable_kind: Kinds, payable_ids: Sequence[UUID]) -> Select[tuple[UUID]]:
    return select(Payment.id).where(
        Payment.payable_kind.in_(kinds_of(payable_kind)), Payment.payable_id.in_(payable_ids)
    )
