"""What the queue does about packages."""

from typing import Any
from uuid import UUID

from billing.packages.events import PAYABLE_KIND
from billing.packages.services.credits import expire_credits
from billing.packages.services.giving_back import follow_money
from billing.packages.services.purchases import lapse_purchase
from billing.payments.service import get_payment
from billing.refunds.service import get_refund
from tenants.accounts.services.audit import record_once
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext


async def expire_package(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``package.expiry``: what is left of it goes, unless it is valid for longer by now."""
    async with context.runtime.database.tenant(context.tenant) as session:
        again = await expire_credits(session, UUID(payload["purchase_id"]))
    if again is not None:
        raise RetryLaterError("still_valid", max((again - clock.now()).total_seconds(), 1.0))


async def lapse_unpaid(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``package.unpaid``: nobody waits for its money any longer."""
    async with context.runtime.database.tenant(context.tenant) as session:
        again = await lapse_purchase(session, UUID(payload["purchase_id"]))
    if again is not None:
        raise RetryLaterError("still_to_be_paid", max((again - clock.now()).total_seconds(), 1.0))


async def on_refund_settled(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``refund.settled``: sessions whose money went back can't be used any more."""
    async with context.runtime.database.tenant(context.tenant) as session:
        payment = await get_payment(session, (await get_refund(session, UUID(payload["refund_id"]))).payment_id)
        if payment.payable_kind == PAYABLE_KIND:
            await follow_money(session, payment.payable_id)


async def on_receipt_undone(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.receipt_undone``: sessions that nobody paid for can't be used.

    The audit trail names those that can't be taken away, beside the line of who undid the receipt.
    """
    async with context.runtime.database.tenant(context.tenant) as session:
        payment = await get_payment(session, UUID(payload["payment_id"]))
        if payment.payable_kind != PAYABLE_KIND:
            return
        unpaid = await follow_money(session, payment.payable_id)
        if unpaid:
            await record_once(
                session,
                context.event_id,
                "package.sessions_unpaid",
                purchase_id=str(payment.payable_id),
                payment_id=payload["payment_id"],
                sessions=unpaid,
            )


async def on_payment_settled(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.settled``: what was revoked for want of this money is granted again; the first time there is none."""
    async with context.runtime.database.tenant(context.tenant) as session:
        payment = await get_payment(session, UUID(payload["payment_id"]))
        if payment.payable_kind == PAYABLE_KIND:
            await follow_money(session, payment.payable_id)


async def on_credit_restored(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``package.credit_restored``: a session that comes back after its money did can't be used any more."""
    async with context.runtime.database.tenant(context.tenant) as session:
        await follow_money(session, UUID(payload["purchase_id"]), is_restored=True)
