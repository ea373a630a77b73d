"""Clients and staff, for staff: ``/admin/clients`` and ``/admin/staff``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from tenants.accounts.auth import staff_who_may
from tenants.accounts.errors import EmailTakenError, LastOwnerError
from tenants.accounts.models import Client, Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.schemas import InvitedStaff, StaffInvitation, StaffPatch, StaffRead, User
from tenants.accounts.services import audit, client_accounts, staff_accounts
from tenants.provisioning.service import invitation_url
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

clients_router = APIRouter(prefix="/clients", tags=["staff: clients"])
staff_router = APIRouter(prefix="/staff", tags=["staff: staff"])

ClientViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_CLIENTS))]
StaffKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_STAFF))]


@clients_router.get("")
async def list_clients(
    _staff: ClientViewer,
    session: TenantSessionDep,
    search: Annotated[str | None, Query(max_length=100)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[User]:
    """Clients, newest first; `search` is part of a name or e-mail."""
    rows, next_cursor = await client_accounts.list_clients(session, search=search, limit=limit, cursor=cursor)
    return Page(items=[User.model_validate(row) for row in rows], next_cursor=next_cursor)


@clients_router.get("/{client_id}", response_model=User, responses=responses(NotFoundError))
async def read_client(client_id: UUID, _staff: ClientViewer, session: TenantSessionDep) -> Client:
    """One client."""
    return await client_accounts.get_client(session, client_id)


@staff_router.get("")
async def list_staff(
    _staff: StaffKeeper, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[StaffRead]:
    """Everyone who works here, also those who no longer do."""
    rows, next_cursor = await staff_accounts.list_staff(session, limit=limit, cursor=cursor)
    return Page(items=[StaffRead.model_validate(row) for row in rows], next_cursor=next_cursor)


@staff_router.post("", status_code=201, responses=responses(EmailTakenError))
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
async def read_staff(staff_id: UUID, _staff: StaffKeeper, session: TenantSessionDep) -> Staff:
    """One member of staff."""
    return await staff_accounts.get_staff(session, staff_id)


@staff_router.patch("/{staff_id}", response_model=StaffRead, responses=responses(NotFoundError, LastOwnerError))
async def change_staff(
    staff_id: UUID, body: StaffPatch, staff: StaffKeeper, session: TenantSessionDep, context: ContextDep
) -> Staff:
    """Change role, name or access; taking access away ends the person's sign-ins at once."""
    changes = body.model_dump(exclude_none=True)
    changed = await staff_accounts.change_staff(session, staff_id, **changes)
    audit.record_staff_action(
        session, staff.id, "staff.changed", staff_id, request_id=context.request_id, fields=sorted(changes)
    )
    return changed
