"""When practitioners work, for staff: weekly hours, one-off openings, blocked periods.

Seen with `view_calendar`, changed with `manage_calendar`, or by practitioners for themselves. No change
here touches an appointment.
"""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from admin_portal.calendar_access import CalendarViewer, Editor
from scheduling.catalogue import service
from scheduling.catalogue.models import BlockedTimeSlot, RecurringTimeSlot, TimeSlot
from scheduling.catalogue.schemas import (
    BlockedTimeSlotCreate,
    BlockedTimeSlotPatch,
    BlockedTimeSlotRead,
    RecurringTimeSlotCreate,
    RecurringTimeSlotPatch,
    RecurringTimeSlotRead,
    TimeSlotCreate,
    TimeSlotPatch,
    TimeSlotRead,
)
from scheduling.fields import parse_bound
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

_GUARDED = responses(NotAuthenticatedError, ForbiddenError)
router = APIRouter(tags=["staff: time slots"], responses=_GUARDED)

FromQuery = Annotated[str | None, Query(alias="from", max_length=40, description="Ends after this date or instant.")]
ToQuery = Annotated[str | None, Query(alias="to", max_length=40, description="Starts before this date or instant.")]


# ---- weekly hours


@router.get("/recurring-time-slots", responses=responses(InvalidInputError))
async def list_weekly_hours(
    _staff: CalendarViewer,
    session: TenantSessionDep,
    practitioner_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RecurringTimeSlotRead]:
    """Weekly hours, of one practitioner if named."""
    rows, following = await service.list_weekly_hours(session, practitioner_id, limit=limit, cursor=cursor)
    return Page(items=[RecurringTimeSlotRead.model_validate(row) for row in rows], next_cursor=following)


@router.post(
    "/recurring-time-slots",
    status_code=201,
    response_model=RecurringTimeSlotRead,
    responses=responses(InvalidInputError),
)
async def create_weekly_hours(
    body: RecurringTimeSlotCreate, editor: Editor, session: TenantSessionDep
) -> RecurringTimeSlot:
    """New weekly hours, in the practitioner's zone."""
    editor.check(body.practitioner_id)
    return await service.create_weekly_hours(session, body)


@router.get("/recurring-time-slots/{slot_id}", response_model=RecurringTimeSlotRead, responses=responses(NotFoundError))
async def read_weekly_hours(slot_id: UUID, _staff: CalendarViewer, session: TenantSessionDep) -> RecurringTimeSlot:
    """One row of weekly hours."""
    return await service.get_weekly_hours(session, slot_id)


@router.patch(
    "/recurring-time-slots/{slot_id}",
    response_model=RecurringTimeSlotRead,
    responses=responses(NotFoundError, InvalidInputError),
)
async def change_weekly_hours(
    slot_id: UUID, body: RecurringTimeSlotPatch, editor: Editor, session: TenantSessionDep
) -> RecurringTimeSlot:
    """Change some fields."""
    editor.check((await service.get_weekly_hours(session, slot_id)).practitioner_id)
    return await service.change_weekly_hours(session, slot_id, body)


@router.delete("/recurring-time-slots/{slot_id}", status_code=204, responses=responses(NotFoundError))
async def remove_weekly_hours(slot_id: UUID, editor: Editor, session: TenantSessionDep) -> None:
    """Take weekly hours away."""
    slot = await service.get_weekly_hours(session, slot_id)
    editor.check(slot.practitioner_id)
    await service.remove_slot(session, slot)


# ---- one-off openings


@router.get("/time-slots", responses=responses(InvalidInputError))
async def list_openings(
    _staff: CalendarViewer,
    session: TenantSessionDep,
    tenant: TenantDep,
    practitioner_id: UUID | None = None,
    ends_after: FromQuery = None,
    starts_before: ToQuery = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TimeSlotRead]:
    """One-off openings in order of time. Dates are the practice's."""
    zone = ZoneInfo(tenant.timezone)
    bounds = parse_bound(ends_after, zone, "from"), parse_bound(starts_before, zone, "to")
    rows, following = await service.list_openings(session, practitioner_id, *bounds, limit=limit, cursor=cursor)
    return Page(items=[TimeSlotRead.model_validate(row) for row in rows], next_cursor=following)


@router.post("/time-slots", status_code=201, response_model=TimeSlotRead, responses=responses(InvalidInputError))
async def create_opening(body: TimeSlotCreate, editor: Editor, session: TenantSessionDep) -> TimeSlot:
    """A new one-off opening."""
    editor.check(body.practitioner_id)
    return await service.create_opening(session, body)


@router.get("/time-slots/{slot_id}", response_model=TimeSlotRead, responses=responses(NotFoundError))
async def read_opening(slot_id: UUID, _staff: CalendarViewer, session: TenantSessionDep) -> TimeSlot:
    """A one-off opening."""
    return await service.get_opening(session, slot_id)


@router.patch(
    "/time-slots/{slot_id}", response_model=TimeSlotRead, responses=responses(NotFoundError, InvalidInputError)
)
async def change_opening(slot_id: UUID, body: TimeSlotPatch, editor: Editor, session: TenantSessionDep) -> TimeSlot:
    """Change some fields."""
    editor.check((await service.get_opening(session, slot_id)).practitioner_id)
    return await service.change_opening(session, slot_id, body)


@router.delete("/time-slots/{slot_id}", status_code=204, responses=responses(NotFoundError))
async def remove_opening(slot_id: UUID, editor: Editor, session: TenantSessionDep) -> None:
    """Take a one-off opening away."""
    slot = await service.get_opening(session, slot_id)
    editor.check(slot.practitioner_id)
    await service.remove_slot(session, slot)


# ---- blocked periods


@router.get("/blocked-time-slots", responses=responses(InvalidInputError))
async def list_blocks(
    _staff: CalendarViewer,
    session: TenantSessionDep,
    tenant: TenantDep,
    practitioner_id: UUID | None = None,
    ends_after: FromQuery = None,
    starts_before: ToQuery = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BlockedTimeSlotRead]:
    """Blocked periods in order of time. Dates are the practice's."""
    zone = ZoneInfo(tenant.timezone)
    bounds = parse_bound(ends_after, zone, "from"), parse_bound(starts_before, zone, "to")
    rows, following = await service.list_blocks(session, practitioner_id, *bounds, limit=limit, cursor=cursor)
    return Page(items=[BlockedTimeSlotRead.model_validate(row) for row in rows], next_cursor=following)


@router.post(
    "/blocked-time-slots", status_code=201, response_model=BlockedTimeSlotRead, responses=responses(InvalidInputError)
)
async def create_block(body: BlockedTimeSlotCreate, editor: Editor, session: TenantSessionDep) -> BlockedTimeSlot:
    """A new blocked period. Appointments in it stand: cancel or move them one by one."""
    editor.check(body.practitioner_id)
    return await service.create_block(session, body)


@router.get("/blocked-time-slots/{slot_id}", response_model=BlockedTimeSlotRead, responses=responses(NotFoundError))
async def read_block(slot_id: UUID, _staff: CalendarViewer, session: TenantSessionDep) -> BlockedTimeSlot:
    """A blocked period."""
    return await service.get_block(session, slot_id)


@router.patch(
    "/blocked-time-slots/{slot_id}",
    response_model=BlockedTimeSlotRead,
    responses=responses(NotFoundError, InvalidInputError),
)
async def change_block(
    slot_id: UUID, body: BlockedTimeSlotPatch, editor: Editor, session: TenantSessionDep
) -> BlockedTimeSlot:
    """Change some fields."""
    editor.check((await service.get_block(session, slot_id)).practitioner_id)
    return await service.change_block(session, slot_id, body)


@router.delete("/blocked-time-slots/{slot_id}", status_code=204, responses=responses(NotFoundError))
async def remove_block(slot_id: UUID, editor: Editor, session: TenantSessionDep) -> None:
    """Take a block away: the time is offered again."""
    slot = await service.get_block(session, slot_id)
    editor.check(slot.practitioner_id)
    await service.remove_slot(session, slot)
