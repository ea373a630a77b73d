"""Every query of wishes to subscribe."""

from uuid import UUID

from sqlalchemy import select

from billing.platform_fees.models import CheckoutStatus, SubscriptionCheckout
from todoenbalance.kit.database import PlatformSession

_OPEN = (CheckoutStatus.CREATED, CheckoutStatus.OPEN)


class CheckoutRepository:
    """Wishes to subscribe in the shared schema; the practice's subscription is locked by who asks."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    def add(self, checkout: SubscriptionCheckout) -> None:
        """Insert with the next flush."""
        self._session.add(checkout)

    async def find(self, checkout_id: UUID) -> SubscriptionCheckout | None:
        """By id, locked and read anew, or None."""
        statement = select(SubscriptionCheckout).where(SubscriptionCheckout.id == checkout_id).with_for_update()
        return (await self._session.scalars(statement.execution_options(populate_existing=True))).one_or_none()

    async def find_open(self, tenant_id: UUID) -> SubscriptionCheckout | None:
        """The one of a practice that is neither taken nor over, or None."""
        statement = select(SubscriptionCheckout).where(
            SubscriptionCheckout.tenant_id == tenant_id, SubscriptionCheckout.status.in_(_OPEN)
        )
        return (await self._session.scalars(statement.with_for_update())).one_or_none()
