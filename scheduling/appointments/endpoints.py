"""Clients' appointments: booking, reading, moving, cancelling. Everyone reaches their own only."""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from billing.packages.errors import PackageExpiredError
from scheduling.appointments.errors import (
    AppointmentStateError,
    CancellationTooLateError,
    MoveTooLateError,
    SlotNotOfferedError,
    SlotTakenError,
)
from scheduling.appointments.history import STAFF_ONLY, Actor
from scheduling.appointments.models import AppointmentStatus
from scheduling.appointments.pricing_errors import MEANS_REFUSALS
from scheduling.appointments.repository import AppointmentFilter
from scheduling.appointments.schemas import (
    AppointmentRead,
    BookingRequest,
    CancelledAppointment,
    CancelRequest,
    RescheduleRequest,
)
from scheduling.appointments.services import booking, cancelling, moving, quoting, reading
from scheduling.appointments.services.balances import find_standing, find_standings
from scheduling.appointments.services.exporting import export_appointment
from scheduling.appointments.terms_schemas import ChangeRead, History, QuoteRead
from scheduling.fields import parse_bound
from scheduling.group_sessions.errors import AlreadyBookedError
from scheduling.idempotent import Once
from tenants.accounts.auth import CurrentClient, client_limited
from todoenbalance.kit.errors import InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.ratelimit import BOOKING
from todoenbalance.kit.web.dependencies import IdempotencyKeyHeader, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/appointments", tags=["appointments"], responses=responses(NotAuthenticatedError))

StatusQuery = Annotated[list[AppointmentStatus] | None, Query(alias="status", description="One or more; default: all.")]
FromQuery = Annotated[
    str | None, Query(alias="from", max_length=40, description="Starts not before this date or instant.")
]
ToQuery = Annotated[str | None, Query(alias="to", max_length=40, description="Starts before this date or instant.")]


@router.post(
    "",
    status_code=201,
    response_model=AppointmentRead,
    responses=responses(
        NotFoundError,
        SlotTakenError,
        AlreadyBookedError,
        SlotNotOfferedError,
        InvalidInputError,
        IdempotencyKeyReusedError,
        *MEANS_REFUSALS,
    ),
    dependencies=[Depends(client_limited(BOOKING))],
)
async def book_appointment(
    body: BookingRequest, client: CurrentClient, session: TenantSessionDep, idempotency_key: IdempotencyKeyHeader = None
) -> AppointmentRead | JSONResponse:
    """Book a free time: `held` until paid where payment is due, else `confirmed`."""
    once = await Once.claim(session, client.id, idempotency_key, "appointments.book", body)
    if once.replay is not None:
        return once.replay
    appointment = await booking.book_appointment(
        session,
        client_id=client.id,
        service_id=body.service_id,
        starts_at=body.starts_at,
        practitioner_id=body.practitioner_id,
        location_kind=body.location_kind,
        notes=body.notes,
        dependant_id=body.dependant_id,
        means=body.means,
    )
    answer = AppointmentRead.of(appointment, await find_standing(session, appointment))
    await once.remember(session, 201, answer)
    return answer


@router.get("", responses=responses(InvalidInputError))
async def list_appointments(
    client: CurrentClient,
    session: TenantSessionDep,
    tenant: TenantDep,
    statuses: StatusQuery = None,
    starts_from: FromQuery = None,
    starts_to: ToQuery = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AppointmentRead]:
    """The caller's appointments in order of time. Dates are the practice's."""
    zone = ZoneInfo(tenant.timezone)
    wanted = AppointmentFilter(
        client_id=client.id,
        statuses=statuses or (),
        starts=parse_bound(starts_from, zone, "from"),
        ends=parse_bound(starts_to, zone, "to"),
    )
    rows, following = await reading.list_appointments(session, wanted, limit=limit, cursor=cursor)
    standings = await find_standings(session, rows)
    return Page(items=[AppointmentRead.of(row, standings[row.id]) for row in rows], next_cursor=following)


@router.get("/{appointment_id}", responses=responses(NotFoundError))
async def read_appointment(appointment_id: UUID, client: CurrentClient, session: TenantSessionDep) -> AppointmentRead:
    """One of the caller's appointments."""
    row = await reading.get_appointment(session, appointment_id, client_id=client.id)
    return AppointmentRead.of(row, await find_standing(session, row))


@router.post(
    "/{appointment_id}/reschedule",
    response_model=AppointmentRead,
    responses=responses(
        NotFoundError,
        SlotTakenError,
        AlreadyBookedError,
        AppointmentStateError,
        MoveTooLateError,
        SlotNotOfferedError,
        PackageExpiredError,
        InvalidInputError,
        IdempotencyKeyReusedError,
    ),
)
async def reschedule_appointment(
    appointment_id: UUID,
    body: RescheduleRequest,
    client: CurrentClient,
    session: TenantSessionDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> AppointmentRead | JSONResponse:
    """Move an appointment to another free time; the old one is kept if that fails."""
    once = await Once.claim(session, client.id, idempotency_key, "appointments.reschedule", body, appointment_id)
    if once.replay is not None:
        return once.replay
    moved = await moving.reschedule_appointment(
        session, appointment_id, body.starts_at, practitioner_id=body.practitioner_id, client_id=client.id
    )
    answer = AppointmentRead.of(moved, await find_standing(session, moved))
    await once.remember(session, 200, answer)
    return answer


@router.post(
    "/{appointment_id}/cancel",
    response_model=CancelledAppointment,
    responses=responses(
        NotFoundError, AppointmentStateError, CancellationTooLateError, InvalidInputError, IdempotencyKeyReusedError
    ),
)
async def cancel_appointment(
    appointment_id: UUID,
    client: CurrentClient,
    session: TenantSessionDep,
    body: CancelRequest | None = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> CancelledAppointment | JSONResponse:
    """Cancel an appointment; `refund` is what the practice's policy gives back. Safe to repeat."""
    wish = body or CancelRequest()
    once = await Once.claim(session, client.id, idempotency_key, "appointments.cancel", wish, appointment_id)
    if once.replay is not None:
        return once.replay
    done = await cancelling.cancel_appointment(
        session, appointment_id, actor=Actor.client(client.id), client_id=client.id, reason=wish.reason
    )
    answer = CancelledAppointment.after(done)
    await once.remember(session, 200, answer)
    return answer


@router.get("/{appointment_id}/cancellation-quote", responses=responses(NotFoundError))
async def quote_cancellation(appointment_id: UUID, client: CurrentClient, session: TenantSessionDep) -> QuoteRead:
    """What cancelling now would give back, and until when; cancelling decides by the same rule."""
    appointment = await reading.get_appointment(session, appointment_id, client_id=client.id)
    return QuoteRead.of(await quoting.quote_cancellation(session, appointment))


@router.get("/{appointment_id}/history", responses=responses(NotFoundError))
async def read_history(appointment_id: UUID, client: CurrentClient, session: TenantSessionDep) -> History:
    """What became of the appointment, and when; who at the practice it was is not said."""
    appointment = await reading.get_appointment(session, appointment_id, client_id=client.id)
    changes = await reading.list_changes(session, appointment_id)
    return History(
        items=[ChangeRead.of(change, appointment.currency) for change in changes if change.kind not in STAFF_ONLY]
    )


@router.get(
    "/{appointment_id}/calendar.ics",
    response_class=Response,
    responses=responses(NotFoundError) | {200: {"content": {"text/calendar": {}}}},
)
async def download_calendar(appointment_id: UUID, client: CurrentClient, session: TenantSessionDep) -> Response:
    """The appointment as an iCalendar file."""
    appointment = await reading.get_appointment(session, appointment_id, client_id=client.id)
    return Response(
        await export_appointment(session, appointment, client.timezone),
        media_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{appointment.id}.ics"'},
    )
