"""What the queue does about payments."""

from typing import Any
from uuid import UUID

from billing.payments import service
from billing.providers.port import OutcomeUnknownError
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

_WAIT_SECONDS = 30.0


async def abandon_payable(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.abandon``: make the payable's open orders unpayable; asks again while a provider is silent."""
    try:
        await service.abandon(
            context.runtime, context.tenant, str(payload["payable_kind"]), UUID(payload["payable_id"])
        )
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, _WAIT_SECONDS) from error
