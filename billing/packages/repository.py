"""Every query of packages, purchases and their credits."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select

from billing.packages.models import (
    CreditEntry,
    CreditKind,
    CreditUse,
    PackageProduct,
    PackagePurchase,
    PurchaseStatus,
)
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate


class PackageRepository:
    """Packages of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def add(self, row: PackageProduct | PackagePurchase | CreditEntry | CreditUse) -> None:
        """Insert now: the constraints answer here, and what follows refers to the row."""
        self._session.add(row)
        await self._session.flush()

    async def flush(self) -> None:
        """Write changes now, so that statements see them."""
        await self._session.flush()

    # ---- on sale

    async def find_product(self, package_id: UUID, *, for_update: bool = False) -> PackageProduct | None:
        """By id, or None; locked until the end of the transaction with ``for_update``."""
        statement = select(PackageProduct).where(PackageProduct.id == package_id)
        if for_update:
            statement = statement.with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def page_products(
        self, *, archived: bool | None, limit: int, cursor: str | None
    ) -> tuple[list[PackageProduct], str | None]:
        """In the order of making; ``archived`` None: all of them."""
        statement = select(PackageProduct)
        if archived is not None:
            statement = statement.where(PackageProduct.archived.is_(archived))
        return await paginate(self._session, statement, [PackageProduct.id], limit=limit, cursor=cursor)

    # ---- bought

    async def find_purchase(self, purchase_id: UUID, *, for_update: bool = False) -> PackagePurchase | None:
        """By id, read anew, or None; locked until the end of the transaction with ``for_update``."""
        statement = select(PackagePurchase).where(PackagePurchase.id == purchase_id)
        if for_update:
            statement = statement.with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def find_pending(self, client_id: UUID, package_id: UUID, now: datetime) -> list[PackagePurchase]:
        """A client's purchases of a package that still wait for their money, the newest first."""
        statement = select(PackagePurchase).where(
            PackagePurchase.client_id == client_id,
            PackagePurchase.package_id == package_id,
            PackagePurchase.status == PurchaseStatus.PENDING,
            PackagePurchase.pays_until > now,
        )
        return list((await self._session.scalars(statement.order_by(PackagePurchase.id.desc()))).all())

    async def list_valid(self, client_id: UUID, now: datetime, then: datetime) -> list[PackagePurchase]:
        """A client's purchases that are valid now and ``then``, those that run out first in front."""
        statement = select(PackagePurchase).where(
            PackagePurchase.client_id == client_id,
            PackagePurchase.status == PurchaseStatus.ACTIVE,
            or_(
                PackagePurchase.expires_at.is_(None),
                (PackagePurchase.expires_at > now) & (PackagePurchase.expires_at > then),
            ),
        )
        statement = statement.order_by(PackagePurchase.expires_at.asc().nulls_last(), PackagePurchase.id)
        return list((await self._session.scalars(statement.execution_options(populate_existing=True))).all())

    async def page_purchases(
        self, *, client_id: UUID | None, status: str | None, limit: int, cursor: str | None
    ) -> tuple[list[PackagePurchase], str | None]:
        """Newest first."""
        statement = select(PackagePurchase)
        if client_id is not None:
            statement = statement.where(PackagePurchase.client_id == client_id)
        if status is not None:
            statement = statement.where(PackagePurchase.status == status)
        keys = [PackagePurchase.id]
        return await paginate(self._session, statement, keys, limit=limit, cursor=cursor, descending=True)

    # ---- the ledger

    async def last_entries(self, purchase_ids: Collection[UUID]) -> dict[UUID, CreditEntry]:
        """The last line of each purchase that has any."""
        statement = (
            select(CreditEntry)
            .where(CreditEntry.purchase_id.in_(purchase_ids))
            .distinct(CreditEntry.purchase_id)
            .order_by(CreditEntry.purchase_id, CreditEntry.number.desc())
        )
        return {row.purchase_id: row for row in await self._session.scalars(statement)}

    async def list_entries(self, purchase_id: UUID) -> Sequence[CreditEntry]:
        """All lines of a purchase, oldest first."""
        statement = select(CreditEntry).where(CreditEntry.purchase_id == purchase_id).order_by(CreditEntry.number)
        return (await self._session.scalars(statement)).all()

    async def totals(self, purchase_ids: Collection[UUID]) -> dict[UUID, dict[CreditKind, int]]:
        """How many credits each kind of line moved, purchase by purchase."""
        statement = (
            select(CreditEntry.purchase_id, CreditEntry.kind, func.sum(CreditEntry.credits))
            .where(CreditEntry.purchase_id.in_(purchase_ids))
            .group_by(CreditEntry.purchase_id, CreditEntry.kind)
        )
        found: dict[UUID, dict[CreditKind, int]] = {}
        for purchase_id, kind, moved in await self._session.execute(statement):
            found.setdefault(purchase_id, {})[CreditKind(kind)] = int(moved)
        return found

    async def sums(self, purchase_id: UUID) -> dict[tuple[CreditKind, str], int]:
        """How many credits of a purchase each kind of line moved, cause by cause."""
        statement = (
            select(CreditEntry.kind, CreditEntry.cause, func.sum(CreditEntry.credits))
            .where(CreditEntry.purchase_id == purchase_id)
            .group_by(CreditEntry.kind, CreditEntry.cause)
        )
        rows = await self._session.execute(statement)
        return {(CreditKind(kind), cause): int(moved) for kind, cause, moved in rows}

    async def find_use(self, used_for_id: UUID) -> CreditUse | None:
        """With what something is booked, read anew, or None."""
        statement = select(CreditUse).where(CreditUse.used_for_id == used_for_id)
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def lock_purchases_of(self, used_for_ids: Collection[UUID]) -> None:
        """Lock the purchases with which these things are booked until the end of the transaction, by their ids."""
        used = select(CreditUse.purchase_id).where(CreditUse.used_for_id.in_(used_for_ids))
        statement = select(PackagePurchase.id).where(PackagePurchase.id.in_(used)).order_by(PackagePurchase.id)
        await self._session.execute(statement.with_for_update())

    async def list_uses(self, used_for_ids: Collection[UUID]) -> dict[UUID, CreditUse]:
        """The same of several things, those that there are."""
        statement = select(CreditUse).where(CreditUse.used_for_id.in_(used_for_ids))
        return {row.used_for_id: row for row in await self._session.scalars(statement)}
