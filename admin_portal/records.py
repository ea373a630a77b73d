"""What was mailed and what was done, for staff: ``/admin/email-logs`` and ``/admin/audit``."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from notifications.service import list_email_logs
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import list_staff_actions
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(tags=["staff: records"], responses=responses(NotAuthenticatedError, ForbiddenError))
MailViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_EMAILS))]
AuditViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_AUDIT))]


class EmailLogRead(BaseModel):
    """One message to one recipient, and how far it got."""

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
    created_at: datetime
    sent_at: datetime | None


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


@router.get("/email-logs")
async def read_email_logs(
    _staff: MailViewer,
    session: TenantSessionDep,
    kind: Annotated[str | None, Query(max_length=60)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EmailLogRead]:
    """What the practice mailed, newest first."""
    rows, next_cursor = await list_email_logs(session, kind=kind, limit=limit, cursor=cursor)
    return Page(items=[EmailLogRead.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.get("/audit")
async def read_audit(
    _staff: AuditViewer, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[StaffActionRead]:
    """What staff did with money, accounts and settings, newest first."""
    rows, next_cursor = await list_staff_actions(session, limit=limit, cursor=cursor)
    return Page(items=[StaffActionRead.model_validate(row) for row in rows], next_cursor=next_cursor)
