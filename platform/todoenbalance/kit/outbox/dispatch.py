"""Running one hand-over: begin, call the topic's handlers, finish or postpone."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import structlog

from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox import relay
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext, TenantHandler
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("outbox")


class FindsTenants(Protocol):
    """Where a practice's key becomes its context."""

    async def get_by_key(self, key: str) -> TenantContext:
        """The practice of a key; raises for an unknown one."""


class UnboundEventError(Exception):
    """A row names no practice, or a topic that nobody subscribed to: a fault of ours, it will be parked."""


class Dispatcher:
    """Calls the handlers of a topic, each bound to the practice of the row."""

    def __init__(
        self, runtime: Runtime, tenants: FindsTenants, subscriptions: Mapping[str, Sequence[TenantHandler]]
    ) -> None:
        self._runtime = runtime
        self._tenants = tenants
        self._subscriptions = subscriptions

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
                    parked = await relay.postpone(session, delivery, settings, _describe(error))
                _log.exception("event_parked" if parked else "event_failed", attempt=attempt)
            else:
                async with database.platform() as session:
                    await relay.finish(session, event_id)
        return True

    async def _handle(self, delivery: relay.Delivery) -> None:
        handlers = self._subscriptions.get(delivery.topic)
        if not handlers or delivery.tenant_key is None:
            raise UnboundEventError(f"{delivery.topic} for {delivery.tenant_key}")
        tenant = await self._tenants.get_by_key(delivery.tenant_key)
        context = TenantEventContext(self._runtime, delivery.event_id, delivery.topic, delivery.attempt, tenant)
        for handler in handlers:
            payload: dict[str, Any] = dict(delivery.payload)
            await handler(context, payload)


def _describe(error: Exception) -> str:
    """Class and message. Messages of ours carry ids only; database errors may quote rows, so only their class."""
    module = type(error).__module__
    if module.startswith(("sqlalchemy", "psycopg")):
        return type(error).__name__
    return f"{type(error).__name__}: {error}"
