"""What a handler of an event gets."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@dataclass(frozen=True, slots=True)
class EventContext:
    """One delivery of one event. Delivery is at least once: a handler must bear being run again."""

    runtime: Runtime
    event_id: UUID
    topic: str
    attempt: int


@dataclass(frozen=True, slots=True)
class TenantEventContext(EventContext):
    """The same for an event of a practice; handlers open ``runtime.database.tenant(tenant)``."""

    tenant: TenantContext


TenantHandler = Callable[[TenantEventContext, dict[str, Any]], Awaitable[None]]
PlatformHandler = Callable[[EventContext, dict[str, Any]], Awaitable[None]]
"""Of the platform's own events, which belong to no practice; it opens ``runtime.database.platform()``."""


class RetryLaterError(Exception):
    """Not now: try again after ``delay_seconds`` (or the usual back-off) without counting as a fault."""

    def __init__(self, reason: str, delay_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.delay_seconds = delay_seconds
