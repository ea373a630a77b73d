"""What the queue does about payments."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from billing.payments import abandoning, checking
from billing.payments.errors import MethodNotOfferedError
from billing.providers.port import OutcomeUnknownError, RateLimitedError
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

_WAIT_SECONDS = 30.0
_SHORTEST_WAIT = timedelta(minutes=2)
_LONGEST_WAIT = timedelta(hours=6)


async def abandon_payable(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.abandon``: make the payable's open orders unpayable; asks again while a provider is silent."""
    try:
        await abandoning.abandon(
            context.runtime, context.tenant, str(payload["payable_kind"]), UUID(payload["payable_id"])
        )
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, wait_seconds(error, _WAIT_SECONDS)) from error


async def check_payment(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment.check``: look at a payment that may have been decided unheard; ever more rarely until it is."""
    payment_id = UUID(payload["payment_id"])
    try:
        age = await checking.check_payment(context.runtime, context.tenant, payment_id)
    except MethodNotOfferedError as error:  # the account's secrets are gone: staff have been told by its status
        raise RetryLaterError(error.code, _LONGEST_WAIT.total_seconds()) from error
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, wait_seconds(error, _SHORTEST_WAIT.total_seconds())) from error
    if age is not None:
        wait = min(max(age / 2, _SHORTEST_WAIT), _LONGEST_WAIT)
        raise RetryLaterError("payment_undecided", wait.total_seconds())


def wait_seconds(error: OutcomeUnknownError, usual: float) -> float:
    """How long to wait after a call without an answer: as long as the provider says, if it said so."""
    return max(error.delay_seconds, 1.0) if isinstance(error, RateLimitedError) else usual
