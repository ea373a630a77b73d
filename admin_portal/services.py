"""Services, for staff: ``/admin/services``. Seen with `view_calendar`, changed with `manage_catalogue`."""

from uuid import UUID

from fastapi import APIRouter

from admin_portal.calendar_access import CalendarViewer, CatalogueKeeper
from scheduling.catalogue import service
from scheduling.catalogue.errors import ServiceWasBookedError
from scheduling.catalogue.schemas import ServiceAdminRead, ServiceCreate, ServicePatch
from scheduling.catalogue.services import offers
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/services", tags=["staff: services"], responses=responses(NotAuthenticatedError, ForbiddenError)
)


@router.get("", responses=responses(InvalidInputError))
async def list_services(
    _staff: CalendarViewer, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ServiceAdminRead]:
    """All services, archived ones too."""
    items, following = await service.list_all_services(session, limit=limit, cursor=cursor)
    return Page(items=items, next_cursor=following)


@router.post("", status_code=201, responses=responses(InvalidInputError))
async def create_service(body: ServiceCreate, _staff: CatalogueKeeper, session: TenantSessionDep) -> ServiceAdminRead:
    """A new service, in the practice's currency; `practitioners` instead of `practitioner_ids` sets their own terms."""
    return await offers.create_service(session, body)


@router.get("/{service_id}", responses=responses(NotFoundError))
async def read_service(service_id: UUID, _staff: CalendarViewer, session: TenantSessionDep) -> ServiceAdminRead:
    """One service."""
    return await service.read_service(session, service_id)


@router.patch("/{service_id}", responses=responses(NotFoundError, InvalidInputError, ServiceWasBookedError))
async def change_service(
    service_id: UUID, body: ServicePatch, staff: CatalogueKeeper, session: TenantSessionDep, context: ContextDep
) -> ServiceAdminRead:
    """Change some fields; what was booked keeps its price, length and terms.

    `practitioner_ids` leaves the own price and length of those who stay alone, `practitioners` replaces them.
    """
    before = await service.read_service(session, service_id)
    after = await offers.change_service(session, service_id, body)
    if changes := offers.audited_changes(before, after):
        record_staff_action(session, staff.id, "service.changed", service_id, request_id=context.request_id, **changes)
    return after


@router.delete("/{service_id}", status_code=204, responses=responses(NotFoundError))
async def remove_service(
    service_id: UUID, staff: CatalogueKeeper, session: TenantSessionDep, context: ContextDep
) -> None:
    """Delete a service that was never booked; one that was is archived."""
    is_gone = await offers.remove_service(session, service_id)
    action = "service.removed" if is_gone else "service.archived"
    record_staff_action(session, staff.id, action, service_id, request_id=context.request_id)
