"""Running one hand-over: begin, call the topic's handlers, finish or postpone."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import structlog

from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox import relay
from todoenbalance.kit.outbox.tasks import (
    EventContext,
    PlatformHandler,
    RetryLaterError,
    TenantEventContext,
    TenantHandler,
)
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("outbox")


class FindsTenants(Protocol):
    """Where a practice's key becomes its context."""

    async def get_by_key(self, key: str) -> TenantContext:
        """The practice of a key; raises for an unknown one."""


class UnboundEventError(Exception):
    """Nobody subscribed to the topic for a practice, or for the platform itself: a fault of ours, it will be parked."""


class Dispatcher:
    """Calls the handlers of a topic, each bound to the practice of the row; a row without one is the platform's.

    The two have subscriptions of their own. Which of them a row is for is the row's ``tenant``, which the database
    keeps a practice from leaving out, so no practice can have the platform's handlers called.
    """

    def __init__(
        self,
        runtime: Runtime,
        tenants: FindsTenants,
        subscriptions: Mapping[str, Sequence[TenantHandler]],
        platform_subscriptions: Mapping[str, Sequence[PlatformHandler]],
    ) -> None:
        self._runtime = runtime
        self._tenants = tenants
        self._subscriptions = subscriptions
        self._platform_subscriptions = platform_subscriptions
        self.told = frozenset(topic for topic in subscriptions if relay.parked_topic(topic) in subscriptions)
        """The topics of practices' rows whose parking somebody subscribed to."""

    async def deliver(self, event_id: UUID, attempt: int) -> bool:
        """Run a hand-over to its end; answers whether there was anything to do.

        A failing handler postpones the row and is logged, never raised: the row is the retry.
        """
        database, settings = self._runtime.database, self._runtime.settings.outbox
        async with database.platform() as session:
            delivery = await relay.begin(session, event_id, attempt)
        if delivery is None:
            return False
        with structlog.contextvars.bound_contextvars(
            event_id=str(event_id), topic=delivery.topic, practice=delivery.tenant_key
        ):
            try:
                await self._handle(delivery)
            except RetryLaterError as later:
                async with database.platform() as session:
                    await relay.postpone(
                        session, delivery, settings, str(later), delay_seconds=later.delay_seconds, counts=False
                    )
                _log.info("event_postponed", reason=str(later))
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the edge: whatever it was, the row must survive it
                async with database.platform() as session:
                    parked = await relay.postpone(session, delivery, settings, _describe(error), told=self.told)
                _log.exception("event_parked" if parked else "event_failed", attempt=attempt)
            else:
                async with database.platform() as session:
                    await relay.finish(session, event_id)
        return True

    async def _handle(self, delivery: relay.Delivery) -> None:
        if delivery.tenant_key is None:
            await self._handle_own(delivery)
            return
        handlers = self._subscriptions.get(delivery.topic)
        if not handlers:
            raise UnboundEventError(f"{delivery.topic} for {delivery.tenant_key}")
        tenant = await self._tenants.get_by_key(delivery.tenant_key)
        context = TenantEventContext(self._runtime, delivery.event_id, delivery.topic, delivery.attempt, tenant)
        for handler in handlers:
            payload: dict[str, Any] = dict(delivery.payload)
            await handler(context, payload)

    async def _handle_own(self, delivery: relay.Delivery) -> None:
        handlers = self._platform_subscriptions.get(delivery.topic)
        if not handlers:
            raise UnboundEventError(f"{delivery.topic} for the platform")
        context = EventContext(self._runtime, delivery.event_id, delivery.topic, delivery.attempt)
        for handler in handlers:
            await handler(context, dict(delivery.payload))


def _describe(error: Exception) -> str:
    """Class and message. Messages of ours carry ids only; database errors may quote rows, so only their class."""
    module = type(error).__module__
    if module.startswith(("sqlalchemy", "psycopg")):
        return type(error).__name__
    return f"{type(error).__name__}: {error}"
