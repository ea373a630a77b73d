"""What the queue does where appointments and money meet."""

from typing import Any
from uuid import UUID

from scheduling.checkout import service
from todoenbalance.kit.outbox.tasks import TenantEventContext


async def on_payment_settled(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.settled``: confirm the appointment, or give the money back."""
    async with context.runtime.database.tenant(context.tenant) as session:
        await service.on_payment_settled(session, UUID(payload["payment_id"]))
