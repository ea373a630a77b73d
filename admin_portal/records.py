"""What was mailed and what was done, for staff: ``/admin/email-logs`` and ``/admin/audit``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from notifications.models import EmailLog
from notifications.service import MailFilter, list_email_logs
from notifications.tracking.lifting import lift_suppression
from notifications.tracking.models import MailSuppression
from notifications.tracking.service import list_events, list_suppressions
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Client, Staff
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import list_staff_actions, record_staff_action
from tenants.accounts.services.client_accounts import find_clients
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(tags=["staff: records"], responses=responses(NotAuthenticatedError, ForbiddenError))
MailViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_EMAILS))]
AuditViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_AUDIT))]


class EmailEventRead(BaseModel):
    """Something that the mail provider told of a mail: `processed`, `deferred`, `dropped`, `delivered`, `blocked`
    (turned away for now), `bounced` or `complained`.
    """

    model_config = ConfigDict(from_attributes=True)

    kind: str
    occurred_at: datetime
    reason: str | None


class EmailLogRead(BaseModel):
    """One message to one recipient, and how far it got.

    `status`: `queued` (since `announced_at`; `not_before`: until when it waits, `failure` of `quiet hours`: for the end
    of its reader's night), `sending`, `held` for a digest, `sent`, `skipped`, `failed`. `created_at`: when sending it
    was begun, or `announced_at` until then. What is queued has neither address nor subject yet.

    `delivery` is what became of it after it was sent, as far as the provider told: `deferred`, `dropped`, `delivered`,
    `bounced` or `complained`; `events` is its timeline after `created_at` and `sent_at`. A `failure` of `suppressed`:
    it was left out because mail to this address bounced, or its reader complained.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    subject_id: UUID | None
    recipient: str
    locale: str
    subject: str
    status: str
    attempts: int
    failure: str | None
    announced_at: datetime | None
    not_before: datetime | None
    created_at: datetime
    sent_at: datetime | None
    delivery: str | None
    delivery_reason: str | None
    events: list[EmailEventRead] = []


class MailSuppressionRead(BaseModel):
    """An address that gets no optional mail, `since` when and why: `hard_bounce` or `complaint`.

    With whom to call, where it was a client's mail that led to it; `is_current` says whether that is still their
    address. Mails that guard an account (verification, password) are tried nevertheless. `provider_state`, of a lifted
    one whose provider has a list of its own: `queued`, `cleared`, or `failed` for the reason in `provider_failure`.
    """

    id: UUID
    address: str
    reason: str
    since: datetime
    lifted_at: datetime | None
    lifted_by: UUID | None
    client_id: UUID | None
    client_name: str | None
    client_phone: str | None
    is_current: bool
    provider_state: str | None
    provider_failure: str | None

    @classmethod
    def of(cls, row: MailSuppression, client: Client | None) -> "MailSuppressionRead":
        """From a row, and the client if there still is one."""
        return cls(
            id=row.id,
            address=row.address,
            reason=row.reason,
            since=row.since,
            lifted_at=row.lifted_at,
            lifted_by=row.lifted_by,
            client_id=client.id if client else None,
            client_name=name_of(client) if client else None,
            client_phone=client.phone if client else None,
            is_current=client is not None and client.email.lower() == row.address,
            provider_state=row.provider_state,
            provider_failure=row.provider_failure,
        )


class StaffActionRead(BaseModel):
    """What a member of staff did. ``subject_id`` is what it was done to."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    staff_id: UUID | None
    action: str
    subject_id: UUID | None
    detail: dict[str, Any]
    request_id: str | None
    created_at: datetime


async def describe_logs(session: TenantSession, rows: Sequence[EmailLog]) -> list[EmailLogRead]:
    """Each with its timeline."""
    events = await list_events(session, [row.id for row in rows])
    return [
        EmailLogRead.model_validate(row).model_copy(
            update={
                "status": "queued" if row.is_queued else row.status,
                "announced_at": row.announced_at or row.created_at,
                "events": [EmailEventRead.model_validate(event) for event in events.get(row.id, ())],
            }
        )
        for row in rows
    ]


@router.get("/email-logs")
async def read_email_logs(
    _staff: MailViewer,
    session: TenantSessionDep,
    kind: Annotated[str | None, Query(max_length=60)] = None,
    client_id: UUID | None = None,
    subject_id: UUID | None = None,
    problems_only: bool = False,
    waiting_only: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EmailLogRead]:
    """What the practice mailed, newest first.

    `problems_only`: what did not go or did not arrive; `waiting_only`: what is still to go.
    """
    wanted = MailFilter(kind, {client_id} if client_id else None, subject_id, problems_only, waiting_only)
    rows, next_cursor = await list_email_logs(session, wanted, limit=limit, cursor=cursor)
    return Page(items=await describe_logs(session, rows), next_cursor=next_cursor)


@router.get("/mail-suppressions")
async def read_mail_suppressions(
    _staff: MailViewer,
    session: TenantSessionDep,
    include_lifted: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MailSuppressionRead]:
    """Addresses that get no optional mail, newest first: these clients are to be called."""
    rows, next_cursor = await list_suppressions(session, include_lifted=include_lifted, limit=limit, cursor=cursor)
    clients = await find_clients(session, {row.client_id for row in rows if row.client_id})
    items = [MailSuppressionRead.of(row, clients.get(row.client_id) if row.client_id else None) for row in rows]
    return Page(items=items, next_cursor=next_cursor)


@router.post("/mail-suppressions/{suppression_id}/lift", responses=responses(NotFoundError))
async def lift_mail_suppression(
    suppression_id: UUID, staff: MailViewer, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> MailSuppressionRead:
    """Have an address written to again, after it was put right or its reader asked for it.

    The mail provider is told to do so too; that may take a while, see `provider_state`. Again, it changes nothing,
    unless the provider could not be told: then it is told once more.
    """
    row = await lift_as_staff(session, runtime, staff, suppression_id, context.request_id)
    clients = await find_clients(session, {row.client_id} if row.client_id else ())
    return MailSuppressionRead.of(row, clients.get(row.client_id) if row.client_id else None)


async def lift_as_staff(
    session: TenantSession, runtime: Runtime, staff: Staff, suppression_id: UUID, request_id: str | None
) -> MailSuppression:
    """By the rules of the endpoint, for its pages too. Raises :class:`NotFoundError`."""
    row, is_new = await lift_suppression(session, runtime, suppression_id, staff_id=staff.id)
    if is_new:
        record_staff_action(
            session, staff.id, "mail_suppression.lifted", row.id, request_id=request_id, reason=row.reason
        )
    return row


@router.get("/audit")
async def read_audit(
    _staff: AuditViewer, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[StaffActionRead]:
    """What staff did with money, accounts and settings, newest first."""
    rows, next_cursor = await list_staff_actions(session, limit=limit, cursor=cursor)
    return Page(items=[StaffActionRead.model_validate(row) for row in rows], next_cursor=next_cursor)
