"""Practitioners, for staff: ``/admin/practitioners``. Seen with `view_calendar`, changed with `manage_catalogue`."""

from uuid import UUID

from fastapi import APIRouter

from admin_portal.calendar_access import CalendarViewer, CatalogueKeeper
from scheduling.catalogue import service
from scheduling.catalogue.errors import StaffAlreadyLinkedError
from scheduling.catalogue.schemas import PractitionerAdminRead, PractitionerCreate, PractitionerPatch
from scheduling.catalogue.services import practitioners
from tenants.accounts.services.audit import record_staff_action
from tenants.plans.errors import NotInPlanError, PlanLimitReachedError, PracticePastDueError
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/practitioners", tags=["staff: practitioners"], responses=responses(NotAuthenticatedError, ForbiddenError)
)

_PLAN = (PracticePastDueError, NotInPlanError, PlanLimitReachedError)


@router.get("", responses=responses(InvalidInputError))
async def list_practitioners(
    _staff: CalendarViewer, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[PractitionerAdminRead]:
    """All practitioners, archived ones too."""
    items, following = await service.list_all_practitioners(session, limit=limit, cursor=cursor)
    return Page(items=items, next_cursor=following)


@router.post("", status_code=201, responses=responses(InvalidInputError, StaffAlreadyLinkedError, *_PLAN))
async def create_practitioner(
    body: PractitionerCreate, _staff: CatalogueKeeper, session: TenantSessionDep
) -> PractitionerAdminRead:
    """A new practitioner; `timezone` is the zone of their weekly hours, by default the practice's."""
    return await practitioners.create_practitioner(session, body)


@router.get("/{practitioner_id}", responses=responses(NotFoundError))
async def read_practitioner(
    practitioner_id: UUID, _staff: CalendarViewer, session: TenantSessionDep
) -> PractitionerAdminRead:
    """One practitioner."""
    return await service.read_practitioner(session, practitioner_id)


@router.patch(
    "/{practitioner_id}", responses=responses(NotFoundError, InvalidInputError, StaffAlreadyLinkedError, *_PLAN)
)
async def change_practitioner(
    practitioner_id: UUID,
    body: PractitionerPatch,
    staff: CatalogueKeeper,
    session: TenantSessionDep,
    context: ContextDep,
) -> PractitionerAdminRead:
    """Change some fields; with another zone the weekly hours move, appointments don't."""
    before = await service.read_practitioner(session, practitioner_id)
    after = await practitioners.change_practitioner(session, practitioner_id, body)
    if changes := practitioners.audited_changes(before, after):
        record_staff_action(
            session, staff.id, "practitioner.changed", practitioner_id, request_id=context.request_id, **changes
        )
    return after


@router.delete("/{practitioner_id}", status_code=204, responses=responses(NotFoundError))
async def remove_practitioner(
    practitioner_id: UUID, staff: CatalogueKeeper, session: TenantSessionDep, context: ContextDep
) -> None:
    """Delete a practitioner who was never booked; one who was is archived."""
    is_gone = await practitioners.remove_practitioner(session, practitioner_id)
    action = "practitioner.removed" if is_gone else "practitioner.archived"
    record_staff_action(session, staff.id, action, practitioner_id, request_id=context.request_id)
