"""Calendars that practitioners keep elsewhere, for staff: ``/admin/external-calendars``.

Seen and changed by those who may change the practitioner's hours: the names of somebody's private calendars are
nobody else's business.
"""

from uuid import UUID

from fastapi import APIRouter

from admin_portal.calendar_access import CalendarEditor, Editor
from scheduling.external_calendars import service
from scheduling.external_calendars.errors import TooManyExternalCalendarsError
from scheduling.external_calendars.models import ExternalCalendar
from scheduling.external_calendars.schemas import ExternalCalendarCreate, ExternalCalendarPatch, ExternalCalendarRead
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/external-calendars",
    tags=["staff: external calendars"],
    responses=responses(NotAuthenticatedError, ForbiddenError),
)


@router.get("", responses=responses(InvalidInputError))
async def list_external_calendars(
    editor: Editor,
    session: TenantSessionDep,
    practitioner_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ExternalCalendarRead]:
    """External calendars, of one practitioner if named; a practitioner's are their own."""
    if practitioner_id is None:
        practitioner_id = editor.own_id
    else:
        editor.check(practitioner_id)
    rows, following = await service.list_calendars(session, practitioner_id, limit=limit, cursor=cursor)
    return Page(items=[ExternalCalendarRead.of(row) for row in rows], next_cursor=following)


@router.post("", status_code=201, responses=responses(InvalidInputError, TooManyExternalCalendarsError))
async def add_external_calendar(
    body: ExternalCalendarCreate, editor: Editor, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> ExternalCalendarRead:
    """Have another calendar's events keep the practitioner's time from being booked. It is read every quarter of an
    hour; what its events are is not stored."""
    editor.check(body.practitioner_id)
    calendar = await service.add_calendar(session, runtime, body)
    record_calendar_action(session, editor, "external_calendar.added", calendar, context.request_id)
    return ExternalCalendarRead.of(calendar)


@router.get("/{calendar_id}", responses=responses(NotFoundError))
async def read_external_calendar(calendar_id: UUID, editor: Editor, session: TenantSessionDep) -> ExternalCalendarRead:
    """One external calendar: how old its busy times are, and what went wrong last."""
    return ExternalCalendarRead.of(await editable_calendar(session, editor, calendar_id))


@router.patch("/{calendar_id}", responses=responses(NotFoundError, InvalidInputError))
async def change_external_calendar(
    calendar_id: UUID,
    body: ExternalCalendarPatch,
    editor: Editor,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> ExternalCalendarRead:
    """Another name or address; with another address it is read at once."""
    await editable_calendar(session, editor, calendar_id)
    calendar = await service.change_calendar(session, runtime, calendar_id, body)
    record_calendar_action(session, editor, "external_calendar.changed", calendar, context.request_id)
    return ExternalCalendarRead.of(calendar)


@router.delete("/{calendar_id}", status_code=204, responses=responses(NotFoundError))
async def remove_external_calendar(
    calendar_id: UUID, editor: Editor, session: TenantSessionDep, context: ContextDep
) -> None:
    """Forget the calendar and its busy times: that time is offered again."""
    calendar = await editable_calendar(session, editor, calendar_id)
    await service.remove_calendar(session, calendar_id)
    record_calendar_action(session, editor, "external_calendar.removed", calendar, context.request_id)


@router.post("/{calendar_id}/refresh", status_code=202, responses=responses(NotFoundError))
async def refresh_external_calendar(
    calendar_id: UUID, editor: Editor, session: TenantSessionDep
) -> ExternalCalendarRead:
    """Ask for the calendar to be read now (at most once a minute); `tried_at` tells when that was done."""
    await editable_calendar(session, editor, calendar_id)
    return ExternalCalendarRead.of(await service.ask_for_refresh(session, calendar_id))


async def editable_calendar(session: TenantSession, editor: CalendarEditor, calendar_id: UUID) -> ExternalCalendar:
    """Raises :class:`NotFoundError`, :class:`ForbiddenError` if it is not theirs to change."""
    calendar = await service.get_calendar(session, calendar_id)
    editor.check(calendar.practitioner_id)
    return calendar


def record_calendar_action(
    session: TenantSession, editor: CalendarEditor, action: str, calendar: ExternalCalendar, request_id: str | None
) -> None:
    """A line in the audit trail; of the address only the host."""
    detail = {"practitioner_id": str(calendar.practitioner_id), "host": calendar.host}
    record_staff_action(session, editor.staff.id, action, calendar.id, request_id=request_id, **detail)
