"""What the queue does about payment accounts."""

import random
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from billing.accounts import disconnecting, following
from billing.accounts.models import AccountKind
from billing.accounts.service import find_connected
from billing.payments.tasks import wait_seconds
from billing.providers.port import OutcomeUnknownError, ProviderError
from billing.webhooks.parking import assign_waiting_of_account
from tenants.registry.models import TenantStatus
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

_log = get_logger("billing.accounts")

_DAY: Final = timedelta(days=1)
_SILENCE_SECONDS: Final = 600.0


async def check_account(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment_account.check``: look at the account at its provider; comes again each day while it is connected."""
    if context.tenant.status == TenantStatus.CLOSING:
        return
    account_id = UUID(payload["account_id"])
    try:
        await following.check_account(context.runtime, context.tenant, account_id)
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, wait_seconds(error, _SILENCE_SECONDS)) from error
    except ProviderError as error:  # what is wrong is ours; it was logged where it was found
        _log.warning("payment_account_not_checked", account_id=str(account_id), code=error.code)
    async with context.runtime.database.tenant(context.tenant) as session:
        account = await find_connected(session, account_id)
    if account is None:
        return
    if account.kind == AccountKind.CONNECT and account.account_ref is not None:
        # What was said of it before it was this practice's own waits with the operators.
        await assign_waiting_of_account(context.runtime, context.tenant, account.provider, account.account_ref)
    # Those that were connected together need not be looked at together for ever.
    raise RetryLaterError("checked", _DAY.total_seconds() * random.uniform(0.95, 1.05))  # noqa: S311 - no secret


async def leave_account(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment_account.leave``: what a disconnection leaves to be done, one step after the other."""
    try:
        wait = await disconnecting.leave(context.runtime, context.tenant, UUID(payload["account_id"]))
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, wait_seconds(error, _SILENCE_SECONDS)) from error
    if wait is not None:
        raise RetryLaterError("still_needed", wait.total_seconds())
