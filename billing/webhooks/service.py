"""The inbox of providers' webhooks: verified on the raw bytes, stored once, handled by the queue.

An event is a hint that something happened. What happened is read from the provider, so a forged, repeated,
late or reordered event can at most make us read once more.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from billing.payments.repository import PaymentRepository
from billing.payments.settling import apply_reading, read_provider
from billing.providers.port import InvalidSignatureError
from billing.providers.registry import provider_for
from billing.webhooks.errors import InvalidWebhookSignatureError
from billing.webhooks.events import PROVIDER_EVENT_RECEIVED
from billing.webhooks.repository import FAILED, HANDLED, RECEIVED, InboxRepository
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


class PaymentNotYetKnownError(Exception):
    """The event speaks of an order that we have no row of, yet."""


async def receive_webhook(
    runtime: Runtime, tenant: TenantContext, provider_name: str, headers: Mapping[str, str], body: bytes
) -> bool:
    """Verify and store a webhook, in a transaction of its own; answers whether it is new.

    Raises :class:`InvalidWebhookSignatureError`, with nothing stored, or ``MethodNotOfferedError`` for a
    provider that does not exist here.
    """
    provider = await provider_for(runtime, tenant, provider_name)
    try:
        event = provider.read_webhook(headers, body)
    except InvalidSignatureError as error:
        _log.warning("webhook_refused", provider=provider_name, practice=tenant.key, reason=error.code)
        raise InvalidWebhookSignatureError from error
    async with runtime.database.tenant(tenant) as session:
        stored = await InboxRepository(session).insert_once(provider_name, event)
        if stored is not None and event.is_known:
            await publish(session, PROVIDER_EVENT_RECEIVED, {"provider_event_id": str(stored)})
    return stored is not None


async def handle_event(runtime: Runtime, tenant: TenantContext, provider_event_id: UUID) -> None:
    """Settle the payment that a stored event speaks of, and mark it handled in the same transaction.

    Nothing for one that was handled. Raises :class:`NotFoundError`, :class:`PaymentNotYetKnownError` and
    the port's errors. An event whose order stays unknown is given up after :data:`WAIT_FOR_PAYMENT`.
    """
    async with runtime.database.tenant(tenant) as session:
        event = await _get_event(session, provider_event_id)
        if event.status != RECEIVED:
            return
        payment = await PaymentRepository(session).find_by_provider_ref(event.provider, str(event.object_ref))
        if payment is None and clock.now() - event.received_at > WAIT_FOR_PAYMENT:
            event.status, event.handled_at = FAILED, clock.now()
            _log.error("webhook_for_unknown_order", provider_event_id=str(event.id))
            return
    if payment is None:
        raise PaymentNotYetKnownError(str(provider_event_id))
    reading = await read_provider(runtime, tenant, payment.id)
    async with runtime.database.tenant(tenant) as session:
        await apply_reading(session, reading)
        event = await _get_event(session, provider_event_id, for_update=True)
        event.status, event.handled_at = HANDLED, clock.now()


async def _get_event(session: TenantSession, provider_event_id: UUID, *, for_update: bool = False) -> ProviderEvent:
    event = await InboxRepository(session).find(provider_event_id, for_update=for_update)
    if event is None:
        raise NotFoundError
    return event
