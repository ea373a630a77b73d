"""Every query of discount codes."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select

from billing.discounts.models import DiscountCode, DiscountRedemption, SubjectKind
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate


class DiscountRepository:
    """Codes of one practice, and their uses."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def add(self, row: DiscountCode | DiscountRedemption) -> None:
        """Insert now: the unique keys answer here."""
        self._session.add(row)
        await self._session.flush()

    async def flush(self) -> None:
        """Write changes now."""
        await self._session.flush()

    async def find(self, code_id: UUID, *, for_update: bool = False) -> DiscountCode | None:
        """By id, read anew, or None; locked until the end of the transaction with ``for_update``."""
        statement = select(DiscountCode).where(DiscountCode.id == code_id)
        if for_update:
            statement = statement.with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def find_by_text(self, text: str, *, for_update: bool = False) -> DiscountCode | None:
        """By what a person types, in capitals already."""
        statement = select(DiscountCode).where(DiscountCode.code == text)
        if for_update:
            statement = statement.with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def page(
        self, *, active: bool | None, limit: int, cursor: str | None
    ) -> tuple[list[DiscountCode], str | None]:
        """Newest first."""
        statement = select(DiscountCode)
        if active is not None:
            statement = statement.where(DiscountCode.active.is_(active))
        return await paginate(self._session, statement, [DiscountCode.id], limit=limit, cursor=cursor, descending=True)

    async def count_uses(self, code_id: UUID, client_id: UUID | None = None) -> int:
        """How often a code is in use, by anybody or by one client."""
        statement = select(func.count()).where(
            DiscountRedemption.code_id == code_id, DiscountRedemption.released_at.is_(None)
        )
        if client_id is not None:
            statement = statement.where(DiscountRedemption.client_id == client_id)
        return (await self._session.scalar(statement)) or 0

    async def uses_of(self, code_ids: Collection[UUID]) -> dict[UUID, int]:
        """How often each of these codes is in use."""
        statement = (
            select(DiscountRedemption.code_id, func.count())
            .where(DiscountRedemption.code_id.in_(code_ids), DiscountRedemption.released_at.is_(None))
            .group_by(DiscountRedemption.code_id)
        )
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def find_redemption(self, kind: SubjectKind, subject_id: UUID) -> DiscountRedemption | None:
        """The use of a code for something, released or not, read anew; or None."""
        statement = select(DiscountRedemption).where(
            DiscountRedemption.subject_kind == kind, DiscountRedemption.subject_id == subject_id
        )
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def page_redemptions(
        self, code_id: UUID, *, limit: int, cursor: str | None
    ) -> tuple[list[DiscountRedemption], str | None]:
        """The uses of a code, newest first."""
        statement = select(DiscountRedemption).where(DiscountRedemption.code_id == code_id)
        keys = [DiscountRedemption.id]
        return await paginate(self._session, statement, keys, limit=limit, cursor=cursor, descending=True)
