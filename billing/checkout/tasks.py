"""What the queue does when money has arrived."""

from typing import Any
from uuid import UUID

from billing.checkout import service
from todoenbalance.kit.outbox.tasks import TenantEventContext


async def on_payment_settled(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.settled``: let what was paid for stand, or give the money back."""
    async with context.runtime.database.tenant(context.tenant) as session:
        await service.on_payment_settled(session, UUID(payload["payment_id"]))
