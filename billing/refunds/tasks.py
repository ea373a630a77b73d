"""What the queue does about refunds."""

from typing import Any
from uuid import UUID

from billing.payments.models import Refund, RefundStatus
from billing.payments.service import get_payment
from billing.providers.offline import NAME as OFFLINE
from billing.providers.port import OutcomeUnknownError
from billing.refunds import service
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

_SHORTEST_WAIT_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 3600.0


async def execute_refund(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``refund.requested``: give the money back; asks again, ever more rarely, until the provider decided."""
    refund_id = UUID(payload["refund_id"])
    try:
        refund = await service.execute_refund(context.runtime, context.tenant, refund_id)
    except OutcomeUnknownError as error:
        async with context.runtime.database.tenant(context.tenant) as session:
            refund = await service.get_refund(session, refund_id)
        raise RetryLaterError(error.code, _wait_seconds(refund)) from error
    if refund.status == RefundStatus.PENDING and not await _is_by_hand(context, refund):
        raise RetryLaterError("refund_pending", _wait_seconds(refund))


async def _is_by_hand(context: TenantEventContext, refund: Refund) -> bool:
    """Staff hand it over and say so; there is nobody to ask."""
    async with context.runtime.database.tenant(context.tenant) as session:
        return (await get_payment(session, refund.payment_id)).method == OFFLINE


def _wait_seconds(refund: Refund) -> float:
    """As long as we have been waiting already, so that the waits double."""
    waited = (clock.now() - refund.created_at).total_seconds()
    return min(max(waited, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
