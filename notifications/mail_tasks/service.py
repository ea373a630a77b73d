"""Whom the front desk is to call, because mail does not reach them.

A task is opened by what becomes of mails and closed by the front desk, or by itself once its reason is gone: another
address, or a later mail that arrived.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from notifications.catalogue import Topic, row_of
from notifications.handing_over import is_given_up, may_have_arrived
from notifications.keys import client_of
from notifications.mail_tasks.models import MailTask, TaskEnd, TaskReason
from notifications.mail_tasks.repository import MailTaskRepository
from notifications.models import Delivery, EmailLog, EmailStatus
from notifications.repository import EmailLogRepository
from notifications.tracking.repository import address_key
from tenants.accounts.models import AccountKind
from tenants.accounts.services.client_accounts import find_clients
from tenants.accounts.services.email_changes import find_change
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.outbox.tasks import TenantEventContext

FAILURES_IN_A_ROW: Final = 3
"""So many mails one after the other that did not arrive are a reason to call."""
FAILURES_WITHIN: Final = timedelta(days=14)


async def open_task(session: TenantSession, log: EmailLog, reason: TaskReason, since: datetime) -> UUID | None:
    """Have the client of a mail called; answers the task if it is a new one, of which :func:`announce_tasks` is to tell
    when no other is to be opened in the transaction.

    Nothing if it was no client's, if they have another address by now, or one that was never verified and the mail was
    about the account, or if the front desk dealt with it after ``since``, the moment of what is the reason.
    """
    client_id, address = client_of(log), address_key(log.recipient)
    if client_id is None or not address:
        return None
    client = (await find_clients(session, {client_id})).get(client_id)
    if client is None or not client.is_active or address_key(client.email) != address:
        return None
    if not client.is_verified and row_of(log.kind).topic is Topic.SECURITY:
        return None  # anybody can register an address that does not exist, and a number to be called for it
    tasks = MailTaskRepository(session)
    if await tasks.was_closed_since(client_id, address, since):
        return None
    return await tasks.open(client_id, address, reason, log.id)


async def note_failure(session: TenantSession, log: EmailLog, since: datetime) -> UUID | None:
    """A mail did not arrive, for whatever reason: have the client called if that is not the first time. See
    :func:`open_task` for the answer."""
    newest = await EmailLogRepository(session).list_newest_to(
        log.recipient, clock.now() - FAILURES_WITHIN, FAILURES_IN_A_ROW
    )
    if len(newest) == FAILURES_IN_A_ROW and all(_has_failed(one) for one in newest):
        return await open_task(session, log, TaskReason.FAILURES, since)
    return None


def _has_failed(log: EmailLog) -> bool:
    if log.delivery in (Delivery.BOUNCED, Delivery.DROPPED):
        return True
    # Of a mail that may have arrived and that nobody misses any more, there is nothing to call anybody for.
    return log.status == EmailStatus.FAILED and (is_given_up(log) or not may_have_arrived(log))


async def note_delivery(session: TenantSession, log: EmailLog) -> None:
    """A mail arrived: nobody need be called for what was before it."""
    client_id = client_of(log)
    if client_id is not None and log.recipient:
        await MailTaskRepository(session).close_delivered(client_id, address_key(log.recipient), log.created_at)


async def on_email_changed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``email.changed``: nobody need be called for an address that they don't have any more."""
    async with context.runtime.database.tenant(context.tenant) as session:
        change = await find_change(session, UUID(payload["change_id"]))
        if change is None or change.account_kind != AccountKind.CLIENT:
            return
        client = (await find_clients(session, {change.account_id})).get(change.account_id)
        if client is not None:
            await MailTaskRepository(session).close_other_addresses(client.id, address_key(client.email))


async def finish_task(session: TenantSession, task_id: UUID, *, staff_id: UUID) -> tuple[MailTask, bool]:
    """The client was called; answers also whether that is new. Raises :class:`NotFoundError`."""
    row = await MailTaskRepository(session).lock_by_id(task_id)
    if row is None:
        raise NotFoundError
    if row.closed_at is not None:
        return row, False
    row.closed_at, row.closed_as, row.closed_by = clock.now(), TaskEnd.DONE, staff_id
    return row, True


async def list_tasks(
    session: TenantSession, *, include_closed: bool = False, limit: int = 50, cursor: str | None = None
) -> tuple[list[MailTask], str | None]:
    """A page of whom to call, oldest first."""
    return await MailTaskRepository(session).page(include_closed=include_closed, limit=limit, cursor=cursor)


async def count_open_tasks(session: TenantSession) -> int:
    """How many clients are to be called."""
    return await MailTaskRepository(session).count_open()


async def list_open_tasks_of(session: TenantSession, client_ids: Collection[UUID]) -> Sequence[MailTask]:
    """The open ones of these clients."""
    return await MailTaskRepository(session).list_open_of(client_ids)
