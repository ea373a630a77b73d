"""What packages and discount codes store about a client."""

from uuid import UUID

from sqlalchemy import func, select, update

from billing.discounts.models import DiscountCode, DiscountRedemption
from billing.packages.models import CreditEntry, PackagePurchase
from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, facts, listed
from todoenbalance.kit.database import TenantSession

_PURCHASE = (
    "id",
    "name",
    "status",
    "sessions",
    "currency",
    "price_minor",
    "discount_minor",
    "granted_at",
    "expires_at",
    "created_at",
)
_ENTRY = ("kind", "credits", "available_after", "reserved_after", "used_for_id", "cause", "created_at")


class PackageData:
    """Rows stay, under a number that names nobody: they explain the amounts that the books keep."""

    name = "packages"
    tables = frozenset({"package_purchases", "credit_entries", "credit_uses", "discount_redemptions"})
    classes = frozenset({DataClass.PACKAGES})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Mails are about purchases."""
        rows = await session.scalars(select(PackagePurchase.id).where(PackagePurchase.client_id == client_id))
        return frozenset(rows.all())

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Every package with its ledger, and every use of a code."""
        purchases = await self._purchases(session, person.id)
        lines = await session.scalars(
            select(CreditEntry)
            .where(CreditEntry.purchase_id.in_([row.id for row in purchases]))
            .order_by(CreditEntry.purchase_id, CreditEntry.number)
        )
        found: dict[UUID, list[CreditEntry]] = {}
        for line in lines:
            found.setdefault(line.purchase_id, []).append(line)
        codes = await session.execute(
            select(DiscountRedemption, DiscountCode.code)
            .join(DiscountCode, DiscountCode.id == DiscountRedemption.code_id)
            .where(DiscountRedemption.client_id == person.id)
            .order_by(DiscountRedemption.id)
        )
        return {
            "packages": [
                {**facts(row, *_PURCHASE), "credits": listed(found.get(row.id, ()), *_ENTRY)} for row in purchases
            ],
            "discounts": [
                {**facts(row, "subject_kind", "subject_id", "amount_minor", "created_at", "released_at"), "code": code}
                for row, code in codes
            ],
        }

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """All of them, with the uses of codes."""
        purchases = len(await self._purchases(session, person.id))
        uses = select(func.count()).where(DiscountRedemption.client_id == person.id)
        count = purchases + ((await session.scalar(uses)) or 0)
        return [Treatment(DataClass.PACKAGES, Action.ANONYMISE, count, Reason.MONEY_ON_ITS_WAY)]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """What staff wrote about credits goes; the numbers stay."""
        mine = select(PackagePurchase.id).where(PackagePurchase.client_id == person.id)
        await session.execute(update(CreditEntry).where(CreditEntry.purchase_id.in_(mine)).values(reason=None))
        return {}

    async def _purchases(self, session: TenantSession, client_id: UUID) -> list[PackagePurchase]:
        statement = select(PackagePurchase).where(PackagePurchase.client_id == client_id)
        return list((await session.scalars(statement.order_by(PackagePurchase.id))).all())
