"""Every query of plans and of how practices stand."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from tenants.plans.models import Plan, Subscription
from tenants.registry.models import Tenant
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession


class PlanRepository:
    """Plans and subscriptions in the shared schema."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    def add(self, plan: Plan) -> None:
        """Insert with the next flush."""
        self._session.add(plan)

    async def flush(self) -> None:
        """Insert what is new now, so that a code that is taken is learnt here."""
        await self._session.flush()

    async def find(self, code: str, *, for_update: bool = False) -> Plan | None:
        """By code, or None."""
        statement = select(Plan).where(Plan.code == code)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def list_all(self, *, with_archived: bool, public_only: bool = False) -> list[Plan]:
        """In the order in which they are shown."""
        statement = select(Plan).order_by(Plan.position, Plan.code)
        if not with_archived:
            statement = statement.where(Plan.archived.is_(False))
        if public_only:
            statement = statement.where(Plan.is_public)
        return list((await self._session.scalars(statement)).all())

    async def find_subscription(self, tenant_id: UUID, *, for_update: bool = False) -> Subscription | None:
        """A practice's, or None. With ``for_update`` it is locked and read anew."""
        statement = select(Subscription).where(Subscription.tenant_id == tenant_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def lock_subscription(self, tenant_id: UUID) -> Subscription:
        """A practice's, made if there is none, locked and read anew."""
        now = clock.now()
        made = insert(Subscription).values(tenant_id=tenant_id, created_at=now, updated_at=now)
        await self._session.execute(made.on_conflict_do_nothing(index_elements=[Subscription.tenant_id]))
        statement = select(Subscription).where(Subscription.tenant_id == tenant_id).with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one()

    async def find_tenant_of_customer(self, customer_ref: str) -> UUID | None:
        """Whose customer it is at the provider, or None."""
        statement = select(Subscription.tenant_id).where(Subscription.customer_ref == customer_ref)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_terms(self, tenant_id: UUID) -> tuple[Plan | None, Subscription | None]:
        """The plan that a practice is on, and how it stands with the platform."""
        statement = (
            select(Plan, Subscription)
            .select_from(Tenant)
            .outerjoin(Plan, Plan.code == Tenant.plan)
            .outerjoin(Subscription, Subscription.tenant_id == Tenant.id)
            .where(Tenant.id == tenant_id)
        )
        row: Any = (await self._session.execute(statement)).one_or_none()
        return (row[0], row[1]) if row is not None else (None, None)

    async def list_subscriptions(self, tenant_ids: Collection[UUID]) -> dict[UUID, Subscription]:
        """Those of these practices that have one."""
        rows = await self._session.scalars(select(Subscription).where(Subscription.tenant_id.in_(tenant_ids)))
        return {row.tenant_id: row for row in rows}
