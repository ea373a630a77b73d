"""Every query of kept cards."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from billing.cards.models import CardStatus, SavedCard
from todoenbalance.kit.database import TenantSession


class CardRepository:
    """The kept cards of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    def add(self, card: SavedCard) -> None:
        """Insert with the next flush."""
        self._session.add(card)

    async def flush(self) -> None:
        """Write now, because what follows must not meet the old row."""
        await self._session.flush()

    async def lock_client(self, client_id: UUID) -> None:
        """Let one transaction at a time change a client's cards."""
        name = f"saved_cards:{self._session.tenant.key}:{client_id}"
        await self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    async def find(self, card_id: UUID, *, for_update: bool = False) -> SavedCard | None:
        """By id, or None. With ``for_update`` it is locked and read anew."""
        statement = select(SavedCard).where(SavedCard.id == card_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_active(self, client_id: UUID) -> SavedCard | None:
        """The client's card that may be charged, or None."""
        statement = select(SavedCard).where(SavedCard.client_id == client_id, SavedCard.status == CardStatus.ACTIVE)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_of_payment(self, payment_id: UUID) -> SavedCard | None:
        """The card that is kept with a payment, or None."""
        return (await self._session.scalars(select(SavedCard).where(SavedCard.payment_id == payment_id))).one_or_none()

    async def list_of_client(self, client_id: UUID) -> Sequence[SavedCard]:
        """Whatever became of them, oldest first."""
        statement = select(SavedCard).where(SavedCard.client_id == client_id).order_by(SavedCard.id)
        return (await self._session.scalars(statement)).all()
