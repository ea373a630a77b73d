"""Having an address written to again: here, and at the provider, which drops what is on lists of its own.

The provider is asked by the queue, outside any transaction; how far that got is kept with the suppression.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from notifications.adapters import suppression_lists
from notifications.events import MAIL_SUPPRESSION_LIFTED
from notifications.port import MailRejectedError, MailUnavailableError
from notifications.tracking.models import MailSuppression, ProviderState, SuppressionReason
from notifications.tracking.repository import SuppressionRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime

GIVE_UP_AFTER: Final = timedelta(hours=24)
"""So long after it was lifted the provider is asked; then it is shown as failed, and may be asked for again."""
_FAILURE_LIMIT: Final = 200
_log = get_logger("notifications.tracking")


async def lift_suppression(
    session: TenantSession, runtime: Runtime, suppression_id: UUID, *, staff_id: UUID
) -> tuple[MailSuppression, bool]:
    """Have an address written to again; answers also whether that is new. Raises :class:`NotFoundError`.

    Again, it changes nothing, unless the provider could not be told: then it is told once more.
    """
    row = await SuppressionRepository(session).lock_by_id(suppression_id)
    if row is None:
        raise NotFoundError
    is_new = row.lifted_at is None
    if is_new:
        row.lifted_at, row.lifted_by = clock.now(), staff_id
    if (is_new or row.provider_state == ProviderState.FAILED) and suppression_lists(runtime, session.tenant):
        row.provider_state, row.provider_failure = ProviderState.QUEUED, None
        asked_at = clock.now().isoformat()
        await publish(session, MAIL_SUPPRESSION_LIFTED, {"suppression_id": str(row.id), "asked_at": asked_at})
    return row, is_new


async def clear_provider_lists(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``mail_suppression.lifted``: take the address off the provider's lists. Raises :class:`RetryLaterError`."""
    database, tenant, row_id = context.runtime.database, context.tenant, UUID(payload["suppression_id"])
    lists = suppression_lists(context.runtime, tenant)
    async with database.tenant(tenant) as session:
        row = await SuppressionRepository(session).lock_by_id(row_id)
        if row is None or row.provider_state != ProviderState.QUEUED:
            return
        if lists is None:  # another channel carries mails by now
            row.provider_state = None
            return
        address, complained = row.address, row.reason == SuppressionReason.COMPLAINT
    try:
        await lists.forget(address, complained=complained)
    except (MailRejectedError, MailUnavailableError) as error:
        given_up = clock.now() - datetime.fromisoformat(payload["asked_at"]) > GIVE_UP_AFTER
        if isinstance(error, MailUnavailableError) and not given_up:
            raise RetryLaterError("the mail provider is unavailable", error.delay_seconds) from error
        await _record(context, row_id, ProviderState.FAILED, str(error)[:_FAILURE_LIMIT])
    else:
        await _record(context, row_id, ProviderState.CLEARED, None)


async def _record(context: TenantEventContext, row_id: UUID, state: ProviderState, failure: str | None) -> None:
    async with context.runtime.database.tenant(context.tenant) as session:
        row = await SuppressionRepository(session).lock_by_id(row_id)
        if row is None or row.provider_state != ProviderState.QUEUED:
            return
        row.provider_state, row.provider_failure = state, failure
    if failure is not None:
        _log.error("mail_lists_not_cleared", suppression_id=str(row_id), practice=context.tenant.key, reason=failure)
