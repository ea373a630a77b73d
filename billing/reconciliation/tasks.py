"""What the queue does about reconciliation."""

from datetime import timedelta
from typing import Any

from billing.reconciliation import service
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

_DAY_SECONDS = 86_400.0
_BUDGET = timedelta(seconds=45)
"""Of one delivery: well within the time that a task may take."""


async def reconcile_practice(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``billing.reconcile``: compare with the providers, as far as one delivery gets, then wait for tomorrow.

    The row itself comes again, so a practice has one of it, however often a run is broken off.
    """
    del payload
    run = await service.reconcile(context.runtime, context.tenant, budget=_BUDGET)
    if run.finished_at is None:
        raise RetryLaterError("to be continued", 1.0)
    await service.drop_old_bytes(context.runtime, context.tenant)
    raise RetryLaterError("again tomorrow", _DAY_SECONDS)
