"""Doing what a stored event asks for, by reading again what it is about.

An event is a hint that something happened. What happened is read from the provider, so a forged, repeated,
late or reordered event can at most make us read once more.
"""

from datetime import timedelta
from uuid import UUID

from billing.accounts.following import on_account_event, on_disconnected
from billing.payments.errors import MethodNotOfferedError
from billing.payments.models import Payment
from billing.payments.repository import PaymentRepository
from billing.payments.settling import apply_reading, read_provider
from billing.providers.port import EventSubject, OutcomeUnknownError, ProviderError
from billing.webhooks.events import PROVIDER_EVENT_RECEIVED
from billing.webhooks.repository import FAILED, HANDLED, IGNORED, RECEIVED, InboxRepository, SwitchboardRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.inbox.models import ProviderEvent
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.webhooks")

WAIT_FOR_PAYMENT = timedelta(hours=1)
"""How long an event may be ahead of our own row of the order that it speaks of."""
TROUBLE_AFTER = 3
"""So many vain tries in a row are told to operators; the first ones are the network's everyday."""


class PaymentNotYetKnownError(Exception):
    """The event speaks of an order that we have no row of, yet."""


async def handle_event(runtime: Runtime, tenant: TenantContext, provider_event_id: UUID) -> None:
    """Make what a stored event speaks of agree with the provider, and mark it handled in the same transaction.

    Nothing for one that was handled. What can't be done by repeating it is marked failed and told to operators.
    Raises :class:`NotFoundError`, :class:`PaymentNotYetKnownError` and :class:`OutcomeUnknownError`, for which it is
    tried again. An event whose order stays unknown is given up after :data:`WAIT_FOR_PAYMENT`.
    """
    async with runtime.database.tenant(tenant) as session:
        event = await get_event(session, provider_event_id)
    if event.status == FAILED:  # and whoever marked it may have died before operators were told
        await _tell_failed(runtime, tenant, event)
    if event.status != RECEIVED:
        return
    try:
        await _ACTS[EventSubject(event.subject)](runtime, tenant, event)
    except OutcomeUnknownError as error:
        await _count_failure(runtime, tenant, event, error.code)
        raise
    except (ProviderError, MethodNotOfferedError) as error:
        await fail_event(runtime, tenant, event, error.code)
        return
    if event.failures >= TROUBLE_AFTER:
        await _clear_trouble(runtime, tenant, event.id)


async def _follow_payment(runtime: Runtime, tenant: TenantContext, event: ProviderEvent) -> None:
    async with runtime.database.tenant(tenant) as session:
        payment = await _find_payment(session, event)
    if payment is None:
        if clock.now() - event.received_at > WAIT_FOR_PAYMENT:
            await fail_event(runtime, tenant, event, "unknown_order")
            return
        raise PaymentNotYetKnownError(str(event.id))
    reading = await read_provider(runtime, tenant, payment.id, with_captured=True)
    async with runtime.database.tenant(tenant) as session:
        await apply_reading(session, reading)
        await _mark_handled(session, event.id)


async def _find_payment(session: TenantSession, event: ProviderEvent) -> Payment | None:
    return await PaymentRepository(session).find_by_event(event.provider, event.object_ref, event.attempt_id)


async def _follow_account(runtime: Runtime, tenant: TenantContext, event: ProviderEvent) -> None:
    await on_account_event(runtime, tenant, str(event.account_ref))
    async with runtime.database.tenant(tenant) as session:
        await _mark_handled(session, event.id)


async def _end_account(runtime: Runtime, tenant: TenantContext, event: ProviderEvent) -> None:
    """Access is gone by then, so there is nothing to read again: the signed event alone counts."""
    async with runtime.database.tenant(tenant) as session:
        await on_disconnected(session, str(event.account_ref), event.occurred_at or event.received_at)
        await _mark_handled(session, event.id)


async def _note(runtime: Runtime, tenant: TenantContext, event: ProviderEvent) -> None:
    async with runtime.database.tenant(tenant) as session:
        await _mark_handled(session, event.id)


_ACTS = {
    EventSubject.PAYMENT: _follow_payment,
    EventSubject.ACCOUNT: _follow_account,
    EventSubject.DISCONNECTED: _end_account,
    EventSubject.NOTHING: _note,
    EventSubject.PLATFORM: _note,
}


async def _mark_handled(session: TenantSession, event_id: UUID) -> None:
    event = await get_event(session, event_id, for_update=True)
    event.status, event.handled_at, event.problem = HANDLED, clock.now(), None


async def _count_failure(runtime: Runtime, tenant: TenantContext, event: ProviderEvent, code: str) -> None:
    async with runtime.database.tenant(tenant) as session:
        row = await get_event(session, event.id, for_update=True)
        row.failures, row.problem = row.failures + 1, code
        failures = row.failures
    if failures >= TROUBLE_AFTER:
        async with runtime.database.platform() as platform:
            await SwitchboardRepository(platform).note_trouble(
                tenant.key, event, status=RECEIVED, error=code, failures=failures
            )


async def fail_event(runtime: Runtime, tenant: TenantContext, event: ProviderEvent, code: str) -> None:
    """Give an event up, visibly: it waits for somebody who replays or ignores it."""
    async with runtime.database.tenant(tenant) as session:
        row = await get_event(session, event.id, for_update=True)
        if row.status != RECEIVED:
            return
        row.status, row.handled_at, row.problem = FAILED, clock.now(), code
        row.failures += 1
    _log.error("webhook_failed", provider_event_id=str(event.id), reason=code)
    await _tell_failed(runtime, tenant, row)


async def _tell_failed(runtime: Runtime, tenant: TenantContext, event: ProviderEvent) -> None:
    async with runtime.database.platform() as platform:
        await SwitchboardRepository(platform).note_trouble(
            tenant.key, event, status=FAILED, error=event.problem or "unknown", failures=event.failures
        )


async def _clear_trouble(runtime: Runtime, tenant: TenantContext, event_id: UUID) -> None:
    async with runtime.database.platform() as platform:
        await SwitchboardRepository(platform).clear_trouble(tenant.key, event_id)


async def replay_event(session: TenantSession, provider_event_id: UUID) -> ProviderEvent:
    """Have an event handled once more, whatever became of it; harmless, as it makes us read again only.

    Raises :class:`NotFoundError`.
    """
    event = await get_event(session, provider_event_id, for_update=True)
    event.status, event.handled_at, event.problem = RECEIVED, None, None
    event.failures = max(event.failures, TROUBLE_AFTER)  # it is on the operators' list, or may as well be
    await publish(session, PROVIDER_EVENT_RECEIVED, {"provider_event_id": str(event.id)})
    return event


async def ignore_event(session: TenantSession, provider_event_id: UUID, note: str) -> ProviderEvent:
    """Decide that nothing has to be done about an event. Raises :class:`NotFoundError`."""
    event = await get_event(session, provider_event_id, for_update=True)
    event.status, event.handled_at, event.problem = IGNORED, clock.now(), note[:200]
    return event


async def get_event(session: TenantSession, provider_event_id: UUID, *, for_update: bool = False) -> ProviderEvent:
    """By our id. Raises :class:`NotFoundError`."""
    event = await InboxRepository(session).find(provider_event_id, for_update=for_update)
    if event is None:
        raise NotFoundError
    return event
