"""What the queue does about documents. A row of its own for each, so that no trouble here holds up the money."""

from typing import Any
from uuid import UUID

from billing.documents.events import DOCUMENT_ISSUE
from billing.documents.services.correcting import bring_in_line, correct_for_refund
from billing.documents.services.issuing import issue_by_itself
from billing.documents.services.transmitting import transmit
from billing.payments.models import RefundStatus
from billing.refunds.service import get_refund
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.tasks import TenantEventContext


async def on_payment_settled(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.settled``: its invoice is due; what the money is for draws its own consequences first."""
    async with context.runtime.database.tenant(context.tenant) as session:
        await publish(session, DOCUMENT_ISSUE, {"payment_id": payload["payment_id"]})


async def issue_document(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``document.issue``: issue what there is none of, correct what does not fit the money any more."""
    payment_id, settings = UUID(payload["payment_id"]), context.runtime.settings
    async with context.runtime.database.tenant(context.tenant) as session:
        if await bring_in_line(session, settings, payment_id) is None:
            await issue_by_itself(session, settings, payment_id)


async def on_receipt_undone(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.receipt_undone``: what was invoiced of it is corrected."""
    async with context.runtime.database.tenant(context.tenant) as session:
        await bring_in_line(session, context.runtime.settings, UUID(payload["payment_id"]))


async def on_refund_settled(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``refund.settled``: a rectifying invoice; a refund that failed leaves money here that may have no invoice."""
    async with context.runtime.database.tenant(context.tenant) as session:
        refund = await get_refund(session, UUID(payload["refund_id"]))
        if refund.status == RefundStatus.SUCCEEDED:
            await correct_for_refund(session, context.runtime.settings, refund.id)
        else:
            await publish(session, DOCUMENT_ISSUE, {"payment_id": str(refund.payment_id)})


async def transmit_record(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``document.transmit``: send the record to the tax agency."""
    await transmit(context.runtime, context.tenant, UUID(payload["document_id"]))
