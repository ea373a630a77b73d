"""What the queue does about kept cards."""

from typing import Any
from uuid import UUID

from billing.cards import giving
from billing.payments.errors import MethodNotOfferedError
from billing.payments.tasks import wait_seconds
from billing.providers.port import CardOnFile, OutcomeUnknownError
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

_SHORTEST_SECONDS = 300.0
_LONGEST_SECONDS = 6 * 3600.0


async def check_card(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``card.check``: see whether a card was given; ever more rarely until that is decided."""
    try:
        age = await giving.check_card(context.runtime, context.tenant, UUID(payload["card_id"]))
    except MethodNotOfferedError as error:
        raise RetryLaterError(error.code, _LONGEST_SECONDS) from error
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, wait_seconds(error, _SHORTEST_SECONDS)) from error
    if age is not None:
        raise RetryLaterError("card_not_given_yet", min(max(age.total_seconds(), _SHORTEST_SECONDS), _LONGEST_SECONDS))


async def forget_card(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``card.forget``: the provider forgets it, too."""
    card = CardOnFile(str(payload["customer_ref"]), str(payload["method_ref"]))
    try:
        await giving.forget_card(context.runtime, context.tenant, UUID(payload["account_id"]), card)
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, wait_seconds(error, _SHORTEST_SECONDS)) from error
