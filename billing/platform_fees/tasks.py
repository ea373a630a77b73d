"""What the queue does about plans, fees and subscriptions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from billing.platform_fees.adapters import is_charging_set_up
from billing.platform_fees.platform_events import work_off
from billing.platform_fees.statements import close_statement
from billing.platform_fees.subscriptions import align_subscription, refresh_subscription
from billing.platform_fees.usage import count_booking, count_payment
from billing.providers.port import OutcomeUnknownError
from billing.refunds.service import get_refund
from tenants.plans.service import find_subscription
from todoenbalance.kit.outbox.tasks import EventContext, RetryLaterError, TenantEventContext

_WAIT_SECONDS = 60.0


@contextmanager
def _again_if_unknown() -> Iterator[None]:
    try:
        yield
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, _WAIT_SECONDS) from error


# ---- of practices


async def count_confirmed_appointment(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.confirmed``: one more booking this month."""
    await count_booking(context.runtime, context.tenant, UUID(payload["appointment_id"]))


async def count_settled_payment(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.settled``: what the payment's ledger says."""
    await count_payment(context.runtime, context.tenant, UUID(payload["payment_id"]))


async def count_settled_refund(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``refund.settled``: what the ledger of its payment says."""
    async with context.runtime.database.tenant(context.tenant) as session:
        refund = await get_refund(session, UUID(payload["refund_id"]))
    await count_payment(context.runtime, context.tenant, refund.payment_id)


# ---- of the platform


async def on_platform_event(context: EventContext, payload: dict[str, Any]) -> None:
    """``platform_event.received``: read the subscription that it is about."""
    with _again_if_unknown():
        await work_off(context.runtime, UUID(payload["platform_event_id"]))


async def on_subscription_check(context: EventContext, payload: dict[str, Any]) -> None:
    """``subscription.check``: the daily look, unless another one is due instead or nobody charges here any more."""
    tenant_id = UUID(payload["tenant_id"])
    async with context.runtime.database.platform() as session:
        row = await find_subscription(session, tenant_id)
    is_due = row is not None and row.next_check_at is not None and row.next_check_at.isoformat() == payload["due"]
    if is_due and is_charging_set_up(context.runtime.settings):
        with _again_if_unknown():
            await refresh_subscription(context.runtime, tenant_id)


async def on_subscription_align(context: EventContext, payload: dict[str, Any]) -> None:
    """``subscription.align``: have it charge for the plan that the practice is on."""
    with _again_if_unknown():
        await align_subscription(
            context.runtime, UUID(payload["tenant_id"]), idempotency_key=f"align:{context.event_id}"
        )


async def on_statement_close(context: EventContext, payload: dict[str, Any]) -> None:
    """``fee_statement.close``: the month is over, or an operator wants it on an invoice."""
    with _again_if_unknown():
        await close_statement(
            context.runtime, UUID(payload["statement_id"]), idempotency_key=f"statement:{context.event_id}"
        )
