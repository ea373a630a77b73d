"""What the front desk does about mails: reading one, sending it again, calling whom mail does not reach.

``/admin/email-logs/{id}`` and ``/admin/mail-tasks``. Everybody with `view_emails` may see every client.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from admin_portal.records import EmailLogRead, MailViewer, describe_logs
from notifications.bodies.service import find_body
from notifications.errors import (
    MailAddressSuppressedError,
    MailNoLongerTrueError,
    MailNotResendableError,
    MailSwitchedOffError,
    MailUnderWayError,
)
from notifications.mail_tasks.models import MailTask
from notifications.mail_tasks.service import finish_task, list_tasks
from notifications.resending import is_lost, resend
from notifications.service import get_email_log
from notifications.tracking.service import find_suppressions
from scheduling.appointments.services.reading import next_appointments
from tenants.accounts.models import Staff
from tenants.accounts.names import name_of
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.client_accounts import find_clients
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError, NotFoundError, TooManyRequestsError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.ratelimit import MAIL_RESEND
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.web.context import RequestContext
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.limits import limit_account
from todoenbalance.kit.web.problems import responses

router = APIRouter(tags=["staff: records"], responses=responses(NotAuthenticatedError, ForbiddenError))


class MailBodyRead(BaseModel):
    """What a client was written, without what its links opened."""

    subject: str
    text: str
    html: str


class ResendRead(BaseModel):
    """A mail that was queued once more; `again`: which time that is. It gets a line of its own in the log."""

    email_log_id: UUID
    again: int


class MailTaskRead(BaseModel):
    """A client to be called, because mail to `address` does not arrive: `hard_bounce`, `complaint` or `failures`.

    With what the call needs: the telephone and the next appointment. `suppression_id`: what is to be lifted before
    the address gets optional mail again. `closed_as`: `done` (by whom: `closed_by`), `address_changed`, `delivered`.
    """

    id: UUID
    client_id: UUID
    client_name: str
    client_phone: str | None
    address: str
    reason: str
    email_log_id: UUID | None
    suppression_id: UUID | None
    next_appointment_id: UUID | None
    next_appointment_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    closed_as: str | None
    closed_by: UUID | None


@router.get("/email-logs/{email_log_id}", responses=responses(NotFoundError))
async def read_email_log(email_log_id: UUID, _staff: MailViewer, session: TenantSessionDep) -> EmailLogRead:
    """One mail, with its timeline."""
    return (await describe_logs(session, [await get_email_log(session, email_log_id)]))[0]


@router.get("/email-logs/{email_log_id}/body", responses=responses(NotFoundError))
async def read_email_body(email_log_id: UUID, _staff: MailViewer, session: TenantSessionDep) -> MailBodyRead:
    """What a client was written, as long as it is kept; links lead nowhere. Nothing of what guards an account."""
    body = await find_body(session, email_log_id)
    if body is None:
        raise NotFoundError
    return MailBodyRead(subject=body.subject, text=body.text, html=body.html)


@router.post(
    "/email-logs/{email_log_id}/resend",
    status_code=202,
    responses=responses(
        NotFoundError,
        MailNotResendableError,
        MailUnderWayError,
        MailAddressSuppressedError,
        MailSwitchedOffError,
        MailNoLongerTrueError,
        TooManyRequestsError,
    ),
)
async def resend_email(
    email_log_id: UUID, staff: MailViewer, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> ResendRead:
    """Send a client's mail once more, composed anew from the state as it is now, to the address as it is now."""
    again = await resend_as_staff(session, runtime, context, staff.id, email_log_id)
    return ResendRead(email_log_id=email_log_id, again=again)


async def resend_as_staff(
    session: TenantSession, runtime: Runtime, context: RequestContext, staff_id: UUID, log_id: UUID
) -> int:
    """By the rules of the endpoint, for its page too; answers which time it is. Raises what ``resend`` raises."""
    await give_connection_back(session)
    await limit_account(runtime, context, MAIL_RESEND, str(staff_id))
    was_lost = await is_lost(session, runtime, log_id)
    log, again = await resend(session, runtime, log_id, was_lost=was_lost)
    detail: dict[str, Any] = {"kind": log.kind, "again": again}
    record_staff_action(session, staff_id, "mail.resent", log.id, request_id=context.request_id, **detail)
    return again


@router.get("/mail-tasks")
async def read_mail_tasks(
    _staff: MailViewer,
    session: TenantSessionDep,
    include_closed: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MailTaskRead]:
    """Clients whom mail does not reach, who waits longest first."""
    rows, next_cursor = await list_tasks(session, include_closed=include_closed, limit=limit, cursor=cursor)
    return Page(items=await describe_tasks(session, rows), next_cursor=next_cursor)


@router.post("/mail-tasks/{task_id}/done", responses=responses(NotFoundError))
async def finish_mail_task(
    task_id: UUID, staff: MailViewer, session: TenantSessionDep, context: ContextDep
) -> MailTaskRead:
    """The client was called. Again changes nothing."""
    row = await finish_as_staff(session, staff, task_id, context.request_id)
    return (await describe_tasks(session, [row]))[0]


async def finish_as_staff(session: TenantSession, staff: Staff, task_id: UUID, request_id: str | None) -> MailTask:
    """By the rules of the endpoint, for its page too. Raises :class:`NotFoundError`."""
    row, is_new = await finish_task(session, task_id, staff_id=staff.id)
    if is_new:
        record_staff_action(session, staff.id, "mail_task.done", row.client_id, request_id=request_id)
    return row


async def describe_tasks(session: TenantSession, rows: Sequence[MailTask]) -> list[MailTaskRead]:
    """With what somebody needs who calls."""
    client_ids = {row.client_id for row in rows}
    clients = await find_clients(session, client_ids)
    ahead = await next_appointments(session, client_ids)
    suppressed = await find_suppressions(session, {row.address for row in rows})
    reads = []
    for row in rows:
        client, following, against = clients[row.client_id], ahead.get(row.client_id), suppressed.get(row.address)
        reads.append(
            MailTaskRead(
                id=row.id,
                client_id=row.client_id,
                client_name=name_of(client),
                client_phone=client.phone,
                address=row.address,
                reason=row.reason,
                email_log_id=row.email_log_id,
                suppression_id=against.id if against else None,
                next_appointment_id=following.id if following else None,
                next_appointment_at=following.starts_at if following else None,
                opened_at=row.opened_at,
                closed_at=row.closed_at,
                closed_as=row.closed_as,
                closed_by=row.closed_by,
            )
        )
    return reads
