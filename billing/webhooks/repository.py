"""Every query of the webhook inboxes: each practice's own, and what the platform keeps of all of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from billing.accounts.models import EventTrouble, ParkedEvent, ProviderAccount
from billing.providers.port import VerifiedEvent
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession, TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.inbox.models import ProviderEvent
from todoenbalance.kit.pagination import paginate

RECEIVED, HANDLED, IGNORED, FAILED = "received", "handled", "ignored", "failed"
WAITING, ASSIGNED = "waiting", "assigned"


class InboxRepository:
    """The webhook inbox of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def insert_once(
        self, provider: str, event: VerifiedEvent, *, raw: str | None, digest: str | None
    ) -> UUID | None:
        """Store an event; None if it is there already. ``raw`` is sealed."""
        statement = (
            insert(ProviderEvent)
            .values(
                id=new_id(),
                provider=provider,
                event_id=event.event_id,
                event_type=event.event_type,
                object_ref=event.object_ref,
                body={},
                subject=event.subject,
                account_ref=event.account_ref,
                is_live=event.is_live,
                occurred_at=event.occurred_at,
                attempt_id=event.attempt_id,
                raw=raw,
                body_digest=digest,
                status=RECEIVED if event.is_known else IGNORED,
                received_at=clock.now(),
            )
            .on_conflict_do_nothing(index_elements=[ProviderEvent.provider, ProviderEvent.event_id])
            .returning(ProviderEvent.id)
        )
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def find_by_event_id(self, provider: str, event_id: str) -> ProviderEvent | None:
        """By the provider's own id, or None."""
        statement = select(ProviderEvent).where(ProviderEvent.provider == provider, ProviderEvent.event_id == event_id)
        return (await self._session.scalars(statement)).one_or_none()

    async def find(self, provider_event_id: UUID, *, for_update: bool = False) -> ProviderEvent | None:
        """By our id, or None. With ``for_update`` it is locked and read anew."""
        statement = select(ProviderEvent).where(ProviderEvent.id == provider_event_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def page(
        self, *, status: str | None, limit: int, cursor: str | None
    ) -> tuple[list[ProviderEvent], str | None]:
        """Events, newest first."""
        statement = select(ProviderEvent)
        if status is not None:
            statement = statement.where(ProviderEvent.status == status)
        return await paginate(self._session, statement, [ProviderEvent.id], limit=limit, cursor=cursor, descending=True)

    async def drop_raw_before(self, before: datetime, *, limit: int) -> int:
        """Forget the sealed bytes of events that are older; answers of how many."""
        old = (
            select(ProviderEvent.id)
            .where(ProviderEvent.received_at < before, ProviderEvent.raw.is_not(None))
            .limit(limit)
        )
        statement = (
            update(ProviderEvent)
            .where(ProviderEvent.id.in_(old))
            .values(raw=None)
            .execution_options(synchronize_session=False)
        )
        result: CursorResult[Any] = await self._session.execute(statement)  # type: ignore[assignment]  # what an UPDATE answers
        return result.rowcount


class SwitchboardRepository:
    """What the platform keeps of webhooks: whose account is whose, who could not be found, what failed."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def find_account(self, provider: str, account_ref: str) -> ProviderAccount | None:
        """Whose an account at a provider is, and in which mode, or None."""
        return await self._session.get(ProviderAccount, (provider, account_ref))

    async def park_once(self, provider: str, event: VerifiedEvent, *, body: str) -> None:
        """Keep an event whose account nobody has; a repeat changes nothing. ``body`` is sealed."""
        await self._session.execute(
            insert(ParkedEvent)
            .values(
                id=new_id(),
                provider=provider,
                event_id=event.event_id,
                event_type=event.event_type,
                account_ref=event.account_ref,
                is_live=event.is_live,
                body=body,
                status=WAITING,
                received_at=clock.now(),
            )
            .on_conflict_do_nothing(index_elements=[ParkedEvent.provider, ParkedEvent.event_id])
        )

    async def find_parked(self, parked_id: UUID) -> ParkedEvent | None:
        """By id, locked, or None."""
        statement = select(ParkedEvent).where(ParkedEvent.id == parked_id).with_for_update()
        return (await self._session.scalars(statement)).one_or_none()

    async def list_waiting_of(self, provider: str, account_ref: str) -> list[ParkedEvent]:
        """What waits of one account, oldest first, locked."""
        statement = (
            select(ParkedEvent)
            .where(
                ParkedEvent.provider == provider,
                ParkedEvent.account_ref == account_ref,
                ParkedEvent.status == WAITING,
            )
            .order_by(ParkedEvent.id)
            .with_for_update()
        )
        return list((await self._session.scalars(statement)).all())

    async def page_of_parked(
        self, *, status: str | None, limit: int, cursor: str | None
    ) -> tuple[list[ParkedEvent], str | None]:
        """Parked events, newest first."""
        statement = select(ParkedEvent)
        if status is not None:
            statement = statement.where(ParkedEvent.status == status)
        return await paginate(self._session, statement, [ParkedEvent.id], limit=limit, cursor=cursor, descending=True)

    async def note_trouble(
        self, tenant_key: str, event: ProviderEvent, *, status: str, error: str, failures: int
    ) -> None:
        """Enter, or bring up to date, an event that could not be handled."""
        now = clock.now()
        statement = insert(EventTrouble).values(
            tenant_key=tenant_key,
            provider_event_id=event.id,
            provider=event.provider,
            event_type=event.event_type,
            status=status,
            error=error,
            failures=failures,
            first_seen_at=now,
            last_seen_at=now,
        )
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[EventTrouble.tenant_key, EventTrouble.provider_event_id],
                set_={"status": status, "error": error, "failures": failures, "last_seen_at": now},
            )
        )

    async def clear_trouble(self, tenant_key: str, provider_event_id: UUID) -> None:
        """It was handled after all, or given up by somebody."""
        await self._session.execute(
            delete(EventTrouble).where(
                EventTrouble.tenant_key == tenant_key, EventTrouble.provider_event_id == provider_event_id
            )
        )

    async def page_of_troubles(
        self, *, tenant_key: str | None, limit: int, cursor: str | None
    ) -> tuple[list[EventTrouble], str | None]:
        """Events that could not be handled, of all practices or one, oldest first."""
        statement = select(EventTrouble)
        if tenant_key is not None:
            statement = statement.where(EventTrouble.tenant_key == tenant_key)
        order = [EventTrouble.first_seen_at, EventTrouble.provider_event_id]
        return await paginate(self._session, statement, order, limit=limit, cursor=cursor)
