"""Clients' people and data, for staff: dependants, export, erasure on a client's written request, sealed records."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from admin_portal.calendar_access import Sight
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.schemas import DependantRead
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.dependants import list_dependants
from tenants.privacy import erasure
from tenants.privacy.errors import AlreadyErasedError, NothingSealedError
from tenants.privacy.export import export_client
from tenants.privacy.schemas import ErasurePreview, ErasureReceipt, UnsealRequest, WrittenReason
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, LocaleDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

clients_router = APIRouter(
    prefix="/clients", tags=["staff: clients"], responses=responses(NotAuthenticatedError, ForbiddenError)
)
erasures_router = APIRouter(
    prefix="/erasures", tags=["staff: erasures"], responses=responses(NotAuthenticatedError, ForbiddenError)
)

ClientViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_CLIENTS))]
Exporter = Annotated[Staff, Depends(staff_who_may(Permission.EXPORT_CLIENTS, fresh=True))]
Planner = Annotated[Staff, Depends(staff_who_may(Permission.ERASE_CLIENTS))]
Eraser = Annotated[Staff, Depends(staff_who_may(Permission.ERASE_CLIENTS, fresh=True))]


@clients_router.get("/{client_id}/dependants", responses=responses(NotFoundError))
async def read_dependants(
    client_id: UUID, _staff: ClientViewer, sight: Sight, session: TenantSessionDep
) -> Page[DependantRead]:
    """Whom a client books for."""
    client = await get_client(session, client_id, among=sight.among_clients())
    rows = await list_dependants(session, client.id)
    return Page(items=[DependantRead.model_validate(row) for row in rows], next_cursor=None)


@clients_router.get("/{client_id}/export", responses=responses(NotFoundError))
async def export_data(
    client_id: UUID, staff: Exporter, session: TenantSessionDep, context: ContextDep
) -> dict[str, Any]:
    """Everything stored about a client, for a request that they made in writing or by telephone."""
    document = await export_client(session, client_id)
    record_staff_action(session, staff.id, "client.exported", client_id, request_id=context.request_id)
    return document


@clients_router.get("/{client_id}/erasure", responses=responses(NotFoundError, AlreadyErasedError))
async def preview_erasure(
    client_id: UUID, _staff: Planner, session: TenantSessionDep, locale: LocaleDep
) -> ErasurePreview:
    """What erasing this client would do."""
    return ErasurePreview.of_plan(await erasure.preview_erasure(session, client_id), locale)


@clients_router.delete("/{client_id}", responses=responses(NotFoundError, AlreadyErasedError))
async def erase_client(
    client_id: UUID,
    reason: Annotated[WrittenReason, Query(description="The client's request: when and how it came. No names.")],
    staff: Eraser,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    locale: LocaleDep,
) -> ErasureReceipt:
    """Erase a client who asked for it in writing, as they could themselves. Cannot be undone."""
    done = await erasure.erase_client(session, runtime.vault, client_id, requested_by="staff")
    record_staff_action(
        session,
        staff.id,
        "client.erased",
        client_id,
        request_id=context.request_id,
        reason=reason,
        erasure_id=str(done.id),
    )
    return ErasureReceipt.of(done, locale)


@erasures_router.get("")
async def list_erasures(
    _staff: Planner, session: TenantSessionDep, locale: LocaleDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ErasureReceipt]:
    """Receipts of all erasures, newest first. They name nobody."""
    rows, following = await erasure.list_erasures(session, limit=limit, cursor=cursor)
    return Page(items=[ErasureReceipt.of(row, locale) for row in rows], next_cursor=following)


@erasures_router.post("/{erasure_id}/unseal", responses=responses(NotFoundError, NothingSealedError))
async def unseal(
    erasure_id: UUID,
    body: UnsealRequest,
    staff: Eraser,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> dict[str, Any]:
    """The blocked record of an erased person, for judges, prosecutors and authorities alone. It stays sealed."""
    record = await erasure.unseal(session, runtime.vault, erasure_id)
    record_staff_action(
        session, staff.id, "erasure.unsealed", erasure_id, request_id=context.request_id, reason=body.reason
    )
    return record
