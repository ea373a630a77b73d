"""Clients and staff, for staff: ``/admin/clients`` and ``/admin/staff``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from admin_portal.calendar_access import Sight
from tenants.accounts.auth import staff_who_may
from tenants.accounts.errors import EmailTakenError, LastOwnerError, NotInvitedError
from tenants.accounts.models import Client, Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.schemas import InvitedStaff, StaffInvitation, StaffPatch, StaffRead, User
from tenants.accounts.services import audit, client_accounts, staff_accounts
from tenants.plans.errors import NotInPlanError, PracticePastDueError
from tenants.provisioning.service import invitation_url
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

clients_router = APIRouter(prefix="/clients", tags=["staff: clients"])
staff_router = APIRouter(prefix="/staff", tags=["staff: staff"])

ClientViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_CLIENTS))]
StaffViewer = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_STAFF))]
StaffKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_STAFF, fresh=True))]


@clients_router.get("")
async def list_clients(
    _staff: ClientViewer,
    sight: Sight,
    session: TenantSessionDep,
    search: Annotated[str | None, Query(max_length=100)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[User]:
    """Clients, newest first; `search` is part of a name or e-mail."""
    rows, next_cursor = await client_accounts.list_clients(
        session, search=search, among=sight.among_clients(), limit=limit, cursor=cursor
    )
    return Page(items=[User.model_validate(row) for row in rows], next_cursor=next_cursor)


@clients_router.get("/{client_id}", response_model=User, responses=responses(NotFoundError))
async def read_client(client_id: UUID, _staff: ClientViewer, sight: Sight, session: TenantSessionDep) -> Client:
    """One client; for a practitioner, one of their own where the practice wants it so."""
    return await client_accounts.get_client(session, client_id, among=sight.among_clients())


@staff_router.get("")
async def list_staff(
    _staff: StaffViewer, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[StaffRead]:
    """Everyone who works here, also those who no longer do."""
    rows, next_cursor = await staff_accounts.list_staff(session, limit=limit, cursor=cursor)
    return Page(items=[StaffRead.model_validate(row) for row in rows], next_cursor=next_cursor)


@staff_router.post("", status_code=201, responses=responses(EmailTakenError, PracticePastDueError, NotInPlanError))
async def invite_staff(
    body: StaffInvitation,
    staff: StaffKeeper,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    tenant: TenantDep,
    context: ContextDep,
) -> InvitedStaff:
    """Invite someone; they get a mail, and the link is in the answer too."""
    invited, token = await staff_accounts.invite_staff(
        session,
        runtime.settings.auth,
        email=body.email,
        first_name=body.first_name,
        last_name=body.last_name,
        role=body.role,
        locale=body.locale or tenant.locale,
    )
    audit.record_staff_action(
        session, staff.id, "staff.invited", invited.id, request_id=context.request_id, role=body.role
    )
    read = StaffRead.model_validate(invited).model_dump()
    return InvitedStaff(**read, invitation_url=invitation_url(runtime.settings, tenant.slug, token))


@staff_router.get("/{staff_id}", response_model=StaffRead, responses=responses(NotFoundError))
async def read_staff(staff_id: UUID, _staff: StaffViewer, session: TenantSessionDep) -> Staff:
    """One member of staff."""
    return await staff_accounts.get_staff(session, staff_id)


@staff_router.patch("/{staff_id}", response_model=StaffRead, responses=responses(NotFoundError, LastOwnerError))
async def change_staff(
    staff_id: UUID, body: StaffPatch, staff: StaffKeeper, session: TenantSessionDep, context: ContextDep
) -> Staff:
    """Change role, name or access; taking access away ends the person's sign-ins at once."""
    changes = body.model_dump(exclude_none=True)
    changed = await staff_accounts.change_staff(session, staff_id, **changes)
    detail = audit.describe_change(changes)
    audit.record_staff_action(session, staff.id, "staff.changed", staff_id, request_id=context.request_id, **detail)
    return changed


@staff_router.post(
    "/{staff_id}/invitation",
    status_code=202,
    response_model=StaffRead,
    responses=responses(NotFoundError, NotInvitedError),
)
async def invite_again(staff_id: UUID, staff: StaffKeeper, session: TenantSessionDep, context: ContextDep) -> Staff:
    """Mail an invitation that was not accepted yet once more."""
    invited = await staff_accounts.invite_again(session, staff_id)
    audit.record_staff_action(
        session, staff.id, "staff.invited", invited.id, request_id=context.request_id, role=invited.role
    )
    return invited
