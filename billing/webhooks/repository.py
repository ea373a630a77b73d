"""Every query of the webhook inbox."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from billing.providers.port import VerifiedEvent
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.inbox.models import ProviderEvent

RECEIVED, HANDLED, IGNORED, FAILED = "received", "handled", "ignored", "failed"


class InboxRepository:
    """The webhook inbox of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def insert_once(self, provider: str, event: VerifiedEvent) -> UUID | None:
        """Store an event; None if it is there already."""
        statement = (
            insert(ProviderEvent)
            .values(
                id=new_id(),
                provider=provider,
                event_id=event.event_id,
                event_type=event.event_type,
                object_ref=event.object_ref,
                body=dict(event.body),
                status=RECEIVED if event.is_known else IGNORED,
                received_at=clock.now(),
            )
            .on_conflict_do_nothing(index_elements=[ProviderEvent.provider, ProviderEvent.event_id])
            .returning(ProviderEvent.id)
        )
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def find(self, provider_event_id: UUID, *, for_update: bool = False) -> ProviderEvent | None:
        """By our id, or None. With ``for_update`` it is locked and read anew."""
        statement = select(ProviderEvent).where(ProviderEvent.id == provider_event_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()
