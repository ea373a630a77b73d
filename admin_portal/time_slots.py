"""When practitioners work, for staff: weekly hours, one-off openings, blocked periods (once, or coming back).

Seen with `view_calendar`, changed with `manage_calendar`, or by practitioners for themselves. No change
here touches an appointment.
"""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from admin_portal.calendar_access import CalendarViewer, Editor
from scheduling.catalogue.hours_schemas import (
    BlockedTimeSlotCreate,
    BlockedTimeSlotMade,
    BlockedTimeSlotPatch,
    BlockedTimeSlotRead,
    RecurringBlockedTimeSlotCreate,
    RecurringBlockedTimeSlotMade,
    RecurringBlockedTimeSlotPatch,
    RecurringBlockedTimeSlotRead,
    RecurringTimeSlotCreate,
    RecurringTimeSlotPatch,
    RecurringTimeSlotRead,
    TimeSlotCreate,
    TimeSlotPatch,
    TimeSlotRead,
)
from scheduling.catalogue.models import BlockedTimeSlot, RecurringBlockedTimeSlot, RecurringTimeSlot, TimeSlot
from scheduling.catalogue.services import hours
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
    rows, following = await hours.list_weekly_hours(session, practitioner_id, limit=limit, cursor=cursor)
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
    return await hours.create_weekly_hours(session, body)


@router.get("/recurring-time-slots/{slot_id}", response_model=RecurringTimeSlotRead, responses=responses(NotFoundError))
async def read_weekly_hours(slot_id: UUID, _staff: CalendarViewer, session: TenantSessionDep) -> RecurringTimeSlot:
    """One row of weekly hours."""
    return await hours.get_weekly_hours(session, slot_id)


@router.patch(
    "/recurring-time-slots/{slot_id}",
    response_model=RecurringTimeSlotRead,
    responses=responses(NotFoundError, InvalidInputError),
)
async def change_weekly_hours(
    slot_id: UUID, body: RecurringTimeSlotPatch, editor: Editor, session: TenantSessionDep
) -> RecurringTimeSlot:
    """Change some fields."""
    editor.check((await hours.get_weekly_hours(session, slot_id)).practitioner_id)
    return await hours.change_weekly_hours(session, slot_id, body)


@router.delete("/recurring-time-slots/{slot_id}", status_code=204, responses=responses(NotFoundError))
async def remove_weekly_hours(slot_id: UUID, editor: Editor, session: TenantSessionDep) -> None:
    """Take weekly hours away."""
    slot = await hours.get_weekly_hours(session, slot_id)
    editor.check(slot.practitioner_id)
    await hours.remove_slot(session, slot)


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
    rows, following = await hours.list_periods(session, TimeSlot, practitioner_id, *bounds, limit=limit, cursor=cursor)
    return Page(items=[TimeSlotRead.model_validate(row) for row in rows], next_cursor=following)


@router.post("/time-slots", status_code=201, response_model=TimeSlotRead, responses=responses(InvalidInputError))
async def create_opening(body: TimeSlotCreate, editor: Editor, session: TenantSessionDep) -> TimeSlot:
    """A new one-off opening."""
    editor.check(body.practitioner_id)
    return await hours.create_opening(session, body)


@router.get("/time-slots/{slot_id}", response_model=TimeSlotRead, responses=responses(NotFoundError))
async def read_opening(slot_id: UUID, _staff: CalendarViewer, session: TenantSessionDep) -> TimeSlot:
    """A one-off opening."""
    return await hours.get_opening(session, slot_id)


@router.patch(
    "/time-slots/{slot_id}", response_model=TimeSlotRead, responses=responses(NotFoundError, InvalidInputError)
)
async def change_opening(slot_id: UUID, body: TimeSlotPatch, editor: Editor, session: TenantSessionDep) -> TimeSlot:
    """Change some fields."""
    editor.check((await hours.get_opening(session, slot_id)).practitioner_id)
    return await hours.change_opening(session, slot_id, body)


@router.delete("/time-slots/{slot_id}", status_code=204, responses=responses(NotFoundError))
async def remove_opening(slot_id: UUID, editor: Editor, session: TenantSessionDep) -> None:
    """Take a one-off opening away."""
    slot = await hours.get_opening(session, slot_id)
    editor.check(slot.practitioner_id)
    await hours.remove_slot(session, slot)


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
    rows, following = await hours.list_periods(
        session, BlockedTimeSlot, practitioner_id, *bounds, limit=limit, cursor=cursor
    )
    return Page(items=[BlockedTimeSlotRead.model_validate(row) for row in rows], next_cursor=following)


@router.post("/blocked-time-slots", status_code=201, responses=responses(InvalidInputError))
async def create_block(body: BlockedTimeSlotCreate, editor: Editor, session: TenantSessionDep) -> BlockedTimeSlotMade:
    """A new blocked period. Appointments in it stand, and are counted: cancel or move them one by one."""
    editor.check(body.practitioner_id)
    made = BlockedTimeSlotRead.model_validate(block := await hours.create_block(session, body))
    inside = await hours.count_appointments_inside(session, block)
    return BlockedTimeSlotMade(**made.model_dump(), appointments_inside=inside)


@router.get("/blocked-time-slots/{slot_id}", response_model=BlockedTimeSlotRead, responses=responses(NotFoundError))
async def read_block(slot_id: UUID, _staff: CalendarViewer, session: TenantSessionDep) -> BlockedTimeSlot:
    """A blocked period."""
    return await hours.get_block(session, slot_id)


@router.patch(
    "/blocked-time-slots/{slot_id}",
    response_model=BlockedTimeSlotRead,
    responses=responses(NotFoundError, InvalidInputError),
)
async def change_block(
    slot_id: UUID, body: BlockedTimeSlotPatch, editor: Editor, session: TenantSessionDep
) -> BlockedTimeSlot:
    """Change some fields."""
    editor.check((await hours.get_block(session, slot_id)).practitioner_id)
    return await hours.change_block(session, slot_id, body)


@router.delete("/blocked-time-slots/{slot_id}", status_code=204, responses=responses(NotFoundError))
async def remove_block(slot_id: UUID, editor: Editor, session: TenantSessionDep) -> None:
    """Take a block away: the time is offered again."""
    slot = await hours.get_block(session, slot_id)
    editor.check(slot.practitioner_id)
    await hours.remove_slot(session, slot)


# ---- blocked periods that come back


@router.get("/recurring-blocked-time-slots", responses=responses(InvalidInputError))
async def list_recurring_blocks(
    _staff: CalendarViewer,
    session: TenantSessionDep,
    practitioner_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RecurringBlockedTimeSlotRead]:
    """Blocked periods that come back, of one practitioner if named."""
    rows, following = await hours.list_recurring_blocks(session, practitioner_id, limit=limit, cursor=cursor)
    return Page(items=[RecurringBlockedTimeSlotRead.model_validate(row) for row in rows], next_cursor=following)


@router.post("/recurring-blocked-time-slots", status_code=201, responses=responses(InvalidInputError))
async def create_recurring_block(
    body: RecurringBlockedTimeSlotCreate, editor: Editor, session: TenantSessionDep
) -> RecurringBlockedTimeSlotMade:
    """A new one, in the practitioner's zone. Appointments in it stand, and are counted."""
    editor.check(body.practitioner_id)
    made = RecurringBlockedTimeSlotRead.model_validate(block := await hours.create_recurring_block(session, body))
    inside = await hours.count_appointments_inside(session, block)
    return RecurringBlockedTimeSlotMade(**made.model_dump(), appointments_inside=inside)


@router.get(
    "/recurring-blocked-time-slots/{slot_id}",
    response_model=RecurringBlockedTimeSlotRead,
    responses=responses(NotFoundError),
)
async def read_recurring_block(
    slot_id: UUID, _staff: CalendarViewer, session: TenantSessionDep
) -> RecurringBlockedTimeSlot:
    """A blocked period that comes back."""
    return await hours.get_recurring_block(session, slot_id)


@router.patch(
    "/recurring-blocked-time-slots/{slot_id}",
    response_model=RecurringBlockedTimeSlotRead,
    responses=responses(NotFoundError, InvalidInputError),
)
async def change_recurring_block(
    slot_id: UUID, body: RecurringBlockedTimeSlotPatch, editor: Editor, session: TenantSessionDep
) -> RecurringBlockedTimeSlot:
    """Change some fields."""
    editor.check((await hours.get_recurring_block(session, slot_id)).practitioner_id)
    return await hours.change_recurring_block(session, slot_id, body)


@router.delete("/recurring-blocked-time-slots/{slot_id}", status_code=204, responses=responses(NotFoundError))
async def remove_recurring_block(slot_id: UUID, editor: Editor, session: TenantSessionDep) -> None:
    """Take it away: the time is offered again."""
    slot = await hours.get_recurring_block(session, slot_id)
    editor.check(slot.practitioner_id)
    await hours.remove_slot(session, slot)
