"""Group sessions, for staff: ``/admin/group-sessions``.

Seen with `view_calendar`, changed with `manage_calendar`, or by practitioners in their own calendar. Seats are
appointments: booked, moved and cancelled one by one as such, or all at once with their session here.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from admin_portal.calendar_access import CalendarEditor, CalendarSight, Editor, Sight, check_liberties
from scheduling.appointments.errors import SlotNotOfferedError, SlotTakenError
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.placement import Liberties
from scheduling.fields import parse_bound
from scheduling.group_sessions.errors import GroupSessionStateError, SeatsTakenError, SessionsConflictError
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.repository import GroupSessionFilter
from scheduling.group_sessions.schemas import (
    CancelledGroupSession,
    GroupSessionCancel,
    GroupSessionCreate,
    GroupSessionDetail,
    GroupSessionPatch,
    GroupSessionRead,
    GroupSessionReschedule,
    GroupSessionsMade,
    SeatRead,
)
from scheduling.group_sessions.services import cancelling, moving, planning, reading
from scheduling.idempotent import Once
from tenants.accounts.names import name_of
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.client_accounts import find_clients
from tenants.accounts.services.dependants import find_dependants
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, IdempotencyKeyHeader, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/group-sessions",
    tags=["staff: group sessions"],
    responses=responses(NotAuthenticatedError, ForbiddenError),
)
_NOBODY = UUID(int=0)
"""No practitioner has this id."""


def narrow(sight: CalendarSight, wanted: GroupSessionFilter) -> GroupSessionFilter:
    """The same question, about the sessions that they may see."""
    if sight.sees_all:
        return wanted
    is_theirs = sight.own_id is not None and wanted.practitioner_id in (None, sight.own_id)
    return replace(wanted, practitioner_id=sight.own_id if is_theirs else _NOBODY)


@router.get("", responses=responses(InvalidInputError))
async def list_sessions(
    sight: Sight,
    session: TenantSessionDep,
    tenant: TenantDep,
    starts_from: Annotated[
        str | None, Query(alias="from", max_length=40, description="Starts not before this date or instant.")
    ] = None,
    starts_to: Annotated[
        str | None, Query(alias="to", max_length=40, description="Starts before this date or instant.")
    ] = None,
    service_id: UUID | None = None,
    practitioner_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[GroupSessionRead]:
    """Sessions in order of time, cancelled ones too. Dates are the practice's."""
    zone = ZoneInfo(tenant.timezone)
    wanted = GroupSessionFilter(
        practitioner_id=practitioner_id,
        service_id=service_id,
        starts=parse_bound(starts_from, zone, "from"),
        ends=parse_bound(starts_to, zone, "to"),
    )
    rows, following = await reading.list_sessions(session, narrow(sight, wanted), limit=limit, cursor=cursor)
    return Page(items=await _reads(session, rows), next_cursor=following)


@router.post(
    "",
    status_code=201,
    response_model=GroupSessionsMade,
    responses=responses(
        InvalidInputError, SlotTakenError, SlotNotOfferedError, SessionsConflictError, IdempotencyKeyReusedError
    ),
)
async def plan_sessions(
    body: GroupSessionCreate,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> GroupSessionsMade | JSONResponse:
    """Plan a session of a group service, or several at once: all of them or none.

    The practitioner must be free and at work then; `outside_hours` (at work or not) needs `override_calendar`.
    """
    editor.check(body.practitioner_id)
    liberties = Liberties(outside_hours=body.outside_hours)
    check_liberties(editor.staff, liberties, body.practitioner_id)
    once = await Once.claim(session, editor.staff.id, idempotency_key, "admin.group_sessions.plan", body)
    if once.replay is not None:
        return once.replay
    made = await planning.plan_sessions(session, body.plan(), actor=Actor.staff(editor.staff.id), liberties=liberties)
    record_staff_action(
        session,
        editor.staff.id,
        "group_session.planned",
        made[0].id,
        request_id=context.request_id,
        sessions=len(made),
        outside_hours=body.outside_hours,
    )
    answer = GroupSessionsMade(items=await _reads(session, made))
    await once.remember(session, 201, answer)
    return answer


@router.get("/{session_id}", responses=responses(NotFoundError))
async def read_session(session_id: UUID, sight: Sight, session: TenantSessionDep) -> GroupSessionDetail:
    """One session with its seats; for a practitioner, one of their own where the practice wants it so."""
    group = await reading.get_session(session, session_id)
    sight.check(group.practitioner_id)
    seats = await reading.list_seats(session, session_id)
    taken = (await reading.count_seats(session, [session_id])).get(session_id, 0)
    return GroupSessionDetail.of(group, taken, seats=await read_seats(session, session.tenant.locale, seats))


@router.patch(
    "/{session_id}", responses=responses(NotFoundError, GroupSessionStateError, SeatsTakenError, InvalidInputError)
)
async def change_session(
    session_id: UUID, body: GroupSessionPatch, editor: Editor, session: TenantSessionDep, context: ContextDep
) -> GroupSessionRead:
    """Change how many seats there are, or where it takes place, for all who come."""
    await _check_own(session, editor, session_id)
    group = await planning.change_session(session, session_id, body.changes(), actor=Actor.staff(editor.staff.id))
    record_staff_action(
        session,
        editor.staff.id,
        "group_session.changed",
        session_id,
        request_id=context.request_id,
        fields=sorted(body.changes()),
    )
    return (await _reads(session, [group]))[0]


@router.post(
    "/{session_id}/reschedule",
    responses=responses(NotFoundError, GroupSessionStateError, SlotTakenError, SlotNotOfferedError, InvalidInputError),
)
async def reschedule_session(
    session_id: UUID, body: GroupSessionReschedule, editor: Editor, session: TenantSessionDep, context: ContextDep
) -> GroupSessionRead:
    """Move a session with everyone in it, who are told; it stays where it is if that fails."""
    present = await _check_own(session, editor, session_id)
    to_id = body.practitioner_id or present.practitioner_id
    editor.check(to_id)
    liberties = Liberties(outside_hours=body.outside_hours)
    check_liberties(editor.staff, liberties, to_id)
    version = present.version
    group = await moving.move_session(
        session,
        session_id,
        body.starts_at,
        practitioner_id=to_id,
        actor=Actor.staff(editor.staff.id),
        liberties=liberties,
    )
    if group.version != version:
        record_staff_action(
            session,
            editor.staff.id,
            "group_session.moved",
            session_id,
            request_id=context.request_id,
            outside_hours=body.outside_hours,
        )
    return (await _reads(session, [group]))[0]


@router.post("/{session_id}/cancel", responses=responses(NotFoundError, InvalidInputError))
async def cancel_session(
    session_id: UUID,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    body: GroupSessionCancel | None = None,
) -> CancelledGroupSession:
    """Cancel a session and every seat in it; whatever was paid goes back in full. Safe to repeat."""
    await _check_own(session, editor, session_id)
    reason = body.reason if body else None
    done = await cancelling.cancel_session(session, session_id, actor=Actor.staff(editor.staff.id), reason=reason)
    if not done.was_cancelled:
        record_staff_action(
            session,
            editor.staff.id,
            "group_session.cancelled",
            session_id,
            request_id=context.request_id,
            seats=done.seats,
            refund_minor=done.refund_minor,
        )
    taken = (await reading.count_seats(session, [session_id])).get(session_id, 0)
    return CancelledGroupSession.of(done.group, taken, seats_cancelled=done.seats)


async def _reads(session: TenantSession, rows: Sequence[GroupSession]) -> list[GroupSessionRead]:
    taken = await reading.count_seats(session, [row.id for row in rows])
    return [GroupSessionRead.of(row, taken.get(row.id, 0)) for row in rows]


async def read_seats(session: TenantSession, locale: str, seats: Sequence[Appointment]) -> list[SeatRead]:
    """Seats with whose account each is and for whom it was booked."""
    clients = await find_clients(session, {seat.client_id for seat in seats})
    people = await find_dependants(session, [seat.dependant_id for seat in seats])
    return [
        SeatRead.of(
            seat,
            name_of(clients[seat.client_id], locale),
            name_of(people[seat.dependant_id], locale) if seat.dependant_id in people else None,
        )
        for seat in seats
    ]


async def _check_own(session: TenantSession, editor: CalendarEditor, session_id: UUID) -> GroupSession:
    group = await reading.get_session(session, session_id)
    editor.check(group.practitioner_id)
    return group
