"""Webhooks of the platform's own account: verified, stored once, handled by the queue.

Nothing in an event is believed: it names a customer, whose subscription is then read. So a forged one is refused, a
repeated, late or reordered one reads once more at most, and a lost one is made good by the daily look.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from billing.platform_fees.adapters import platform_billing
from billing.platform_fees.errors import ChargingNotSetUpError
from billing.platform_fees.events import PLATFORM_EVENT_RECEIVED
from billing.platform_fees.models import PlatformEvent
from billing.platform_fees.port import PlatformNotice
from billing.platform_fees.subscriptions import refresh_subscription
from billing.providers.port import InvalidSignatureError
from tenants.plans.repository import PlanRepository
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import PaymentMode
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError

HANDLED_TYPES = frozenset(
    {
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.updated",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
    }
)
"""What may change how a practice stands; everything else is acknowledged and left."""
RECEIVED, HANDLED, IGNORED = "received", "handled", "ignored"
_log = get_logger("billing.platform_fees")


async def receive_platform_webhook(runtime: Runtime, headers: Mapping[str, str], body: bytes) -> bool:
    """Verify the raw bytes and store the event; answers whether it is new.

    Raises :class:`InvalidWebhookSignatureError` with nothing stored, also where there is no account to hear of.
    """
    try:
        billing = platform_billing(runtime.settings)
        notice = billing.read_webhook(headers, body)
    except (InvalidSignatureError, ChargingNotSetUpError) as error:
        _log.warning("webhook_refused", provider="stripe", reason=error.code)
        raise InvalidWebhookSignatureError from error
    return await handle_platform_event(runtime, notice)


async def handle_platform_event(runtime: Runtime, notice: PlatformNotice) -> bool:
    """Store a verified event once and queue what is to be done about it; answers whether it is new.

    One of the other mode (test events in production, or the other way round) is kept and left alone.
    """
    is_ours = notice.is_live == (runtime.settings.providers.stripe.mode is PaymentMode.LIVE)
    is_known = is_ours and notice.event_type in HANDLED_TYPES and notice.customer_ref is not None
    async with runtime.database.platform() as session:
        statement = (
            insert(PlatformEvent)
            .values(
                id=new_id(),
                provider="stripe",
                event_id=notice.event_id,
                event_type=notice.event_type[:100],
                customer_ref=notice.customer_ref,
                status=RECEIVED if is_known else IGNORED,
                received_at=clock.now(),
            )
            .on_conflict_do_nothing(index_elements=[PlatformEvent.provider, PlatformEvent.event_id])
            .returning(PlatformEvent.id)
        )
        stored = (await session.execute(statement)).scalar_one_or_none()
        if stored is not None and is_known:
            await publish(session, PLATFORM_EVENT_RECEIVED, {"platform_event_id": str(stored)})
    return stored is not None


async def work_off(runtime: Runtime, platform_event_id: UUID) -> None:
    """Read the subscription that a stored event speaks of, and mark the event; nothing for one that was handled.

    Raises :class:`NotFoundError`, ``ChargingNotSetUpError`` and the port's errors.
    """
    async with runtime.database.platform() as session:
        event = await session.get(PlatformEvent, platform_event_id)
        if event is None:
            raise NotFoundError
        if event.status != RECEIVED:
            return
        tenant_id = await PlanRepository(session).find_tenant_of_customer(str(event.customer_ref))
    if tenant_id is not None:
        await refresh_subscription(runtime, tenant_id)
    async with runtime.database.platform() as session:
        statement = select(PlatformEvent).where(PlatformEvent.id == platform_event_id).with_for_update()
        done = (await session.scalars(statement)).one()
        # A customer that nobody is: another application's on the same account.
        done.status, done.handled_at = (HANDLED if tenant_id is not None else IGNORED), clock.now()
