"""Series of appointments, for staff: ``/admin/appointment-series``."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from admin_portal.appointments import hold_visible_client, with_names
from admin_portal.calendar_access import (
    CalendarEditor,
    CalendarSight,
    Editor,
    Sight,
    check_liberties,
    liberties_taken,
    look_of,
)
from scheduling.appointments.errors import SeriesConflictsError, SeriesNotOfferedError, SlotNotOfferedError
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.schemas import AppointmentAdminRead, CancelRequest
from scheduling.appointments.series_schemas import (
    AdminSeriesRead,
    SeriesCancelled,
    SeriesCancelledItem,
    StaffSeriesPreview,
    StaffSeriesRequest,
)
from scheduling.appointments.services import series, series_keeping
from scheduling.appointments.services.series_keeping import SeriesCancellation
from scheduling.idempotent import Once
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.web.dependencies import ContextDep, IdempotencyKeyHeader, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/appointment-series",
    tags=["staff: appointments"],
    responses=responses(NotAuthenticatedError, ForbiddenError),
)

_REFUSALS = (NotFoundError, SlotNotOfferedError, SeriesNotOfferedError, InvalidInputError)


def check_series(body: StaffSeriesRequest, editor: CalendarEditor) -> None:
    """Whether they may, in that calendar and with those liberties; practitioners book in their own."""
    if editor.own_id is not None:
        body.practitioner_id = body.practitioner_id or editor.own_id
        editor.check(body.practitioner_id)
    check_liberties(editor.staff, body.liberties, body.practitioner_id)


@router.post("/preview", responses=responses(*_REFUSALS))
async def preview_series(body: StaffSeriesRequest, editor: Editor, session: TenantSessionDep) -> StaffSeriesPreview:
    """Which dates it would be, and the first rule that takes each one away that can't be had."""
    check_series(body, editor)
    plan = await series.preview_series(
        session,
        body.service_id,
        body.wish(body.client_id),
        body.pattern,
        by_client=False,
        liberties=body.liberties,
    )
    return StaffSeriesPreview.of(plan)


@router.post(
    "",
    status_code=201,
    response_model=AdminSeriesRead,
    responses=responses(*_REFUSALS, SeriesConflictsError, IdempotencyKeyReusedError),
)
async def book_series(
    body: StaffSeriesRequest,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> AdminSeriesRead | JSONResponse:
    """Book all dates for a client, or none. They stand at once: what they cost is paid at the visits."""
    check_series(body, editor)
    once = await Once.claim(session, editor.staff.id, idempotency_key, "admin.series.book", body)
    if once.replay is not None:
        return once.replay
    booked = await book_series_as_staff(session, editor, body, request_id=context.request_id)
    sight = await look_of(editor.staff, session)
    reads = await with_names(session, session.tenant.locale, [AppointmentAdminRead.of(row) for row in booked])
    series_id = booked[0].series_id
    assert series_id is not None  # noqa: S101 - just made with it
    answer = AdminSeriesRead(series_id=series_id, items=[sight.show(read) for read in reads])
    await once.remember(session, 201, answer)
    return answer


@router.get("/{series_id}", responses=responses(NotFoundError))
async def read_series(series_id: UUID, sight: Sight, session: TenantSessionDep) -> AdminSeriesRead:
    """Its appointments; for a practitioner, their own of it where the practice wants it so."""
    seen = await visible_series(session, sight, series_id)
    reads = await with_names(session, session.tenant.locale, [AppointmentAdminRead.of(row) for row in seen])
    return AdminSeriesRead(series_id=series_id, items=[sight.show(read) for read in reads])


@router.post(
    "/{series_id}/cancel",
    response_model=SeriesCancelled,
    responses=responses(NotFoundError, InvalidInputError, IdempotencyKeyReusedError),
)
async def cancel_series(
    series_id: UUID,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    body: CancelRequest | None = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> SeriesCancelled | JSONResponse:
    """Cancel what is to come of it; whatever was paid goes back in full. Safe to repeat."""
    await check_whole_series(session, editor, series_id)
    wish = body or CancelRequest()
    once = await Once.claim(session, editor.staff.id, idempotency_key, "admin.series.cancel", wish, series_id)
    if once.replay is not None:
        return once.replay
    done = await cancel_series_as_staff(session, editor, series_id, wish, request_id=context.request_id)
    answer = SeriesCancelled(series_id=series_id, items=[SeriesCancelledItem.of(one) for one in done])
    await once.remember(session, 200, answer)
    return answer


async def book_series_as_staff(
    session: TenantSession, editor: CalendarEditor, body: StaffSeriesRequest, *, request_id: str
) -> list[Appointment]:
    """Book all dates for a client whom the editor may know of; what was set aside is in the audit trail.

    Whether they may at all: :func:`check_series`.
    """
    await hold_visible_client(session, editor, body.client_id)
    booked = await series.book_series(
        session,
        body.service_id,
        body.wish(body.client_id),
        body.pattern,
        Actor.staff(editor.staff.id),
        liberties=body.liberties,
    )
    for row in booked:
        for action in liberties_taken(row, body.liberties, "booked"):
            record_staff_action(session, editor.staff.id, action, row.id, request_id=request_id)
    return booked


async def visible_series(session: TenantSession, sight: CalendarSight, series_id: UUID) -> list[Appointment]:
    """What someone may see of a series. Raises :class:`NotFoundError` if that is nothing."""
    rows = await series_keeping.list_series(session, series_id)
    seen = [row for row in rows if sight.sees_all or row.practitioner_id == sight.own_id]
    if not seen:
        raise NotFoundError
    return seen


async def check_whole_series(session: TenantSession, editor: CalendarEditor, series_id: UUID) -> None:
    """Raises :class:`ForbiddenError` unless all of it is in calendars that are theirs to change."""
    for row in await series_keeping.list_series(session, series_id):
        editor.check(row.practitioner_id)


async def cancel_series_as_staff(
    session: TenantSession, editor: CalendarEditor, series_id: UUID, wish: CancelRequest, *, request_id: str
) -> list[SeriesCancellation]:
    """Cancel what is to come of it, with a line in the audit trail for each appointment."""
    actor = Actor.staff(editor.staff.id)
    done = await series_keeping.cancel_series(session, series_id, actor=actor, reason=wish.reason)
    for cancelled_id in series_keeping.cancelled_ids(done):
        record_staff_action(session, editor.staff.id, "appointment.cancelled", cancelled_id, request_id=request_id)
    return done
