"""Appointments, for staff: ``/admin/appointments``.

Seen with `view_calendar`, changed with `manage_calendar`, or by practitioners in their own calendar.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from admin_portal.calendar_access import (
    AdminReadT,
    CalendarEditor,
    Editor,
    Sight,
    check_liberties,
    liberties_taken,
    look_of,
)
from scheduling.appointments.errors import AppointmentStateError, SlotNotOfferedError, SlotTakenError
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.placement import NO_LIBERTIES
from scheduling.appointments.pricing_errors import MEANS_REFUSALS
from scheduling.appointments.repository import AppointmentFilter
from scheduling.appointments.schemas import (
    AppointmentAdminRead,
    AppointmentPatch,
    CancelledAdminAppointment,
    StaffBookingRequest,
    StaffCancelRequest,
    StaffRescheduleRequest,
)
from scheduling.appointments.services import booking, cancelling, confirming, moving, outcomes, reading
from scheduling.appointments.services.balances import find_standing, find_standings
from scheduling.appointments.services.cancelling import Cancellation, Ruling
from scheduling.appointments.services.confirming import ConfirmOutcome
from scheduling.appointments.services.quoting import RefundChoice
from scheduling.fields import parse_bound
from scheduling.group_sessions.errors import AlreadyBookedError
from scheduling.idempotent import Once
from tenants.accounts.models import Staff
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission, may
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.client_accounts import find_clients, get_client, lock_client
from tenants.accounts.services.dependants import find_dependants
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, IdempotencyKeyHeader, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/appointments", tags=["staff: appointments"], responses=responses(NotAuthenticatedError, ForbiddenError)
)


@router.get("", responses=responses(InvalidInputError))
async def list_appointments(
    sight: Sight,
    session: TenantSessionDep,
    tenant: TenantDep,
    statuses: Annotated[list[AppointmentStatus] | None, Query(alias="status")] = None,
    starts_from: Annotated[
        str | None, Query(alias="from", max_length=40, description="Starts not before this date or instant.")
    ] = None,
    starts_to: Annotated[
        str | None, Query(alias="to", max_length=40, description="Starts before this date or instant.")
    ] = None,
    practitioner_id: UUID | None = None,
    service_id: UUID | None = None,
    client_id: UUID | None = None,
    awaiting_approval: Annotated[bool, Query(description="Only requests that are still to be answered.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AppointmentAdminRead]:
    """Appointments in order of time. Dates are the practice's."""
    zone = ZoneInfo(tenant.timezone)
    wanted = AppointmentFilter(
        client_id=client_id,
        practitioner_id=practitioner_id,
        service_id=service_id,
        statuses=statuses or (),
        starts=parse_bound(starts_from, zone, "from"),
        ends=parse_bound(starts_to, zone, "to"),
        awaiting_approval=awaiting_approval,
    )
    rows, following = await reading.list_appointments(session, sight.narrow(wanted), limit=limit, cursor=cursor)
    standings = await find_standings(session, rows)
    reads = [AppointmentAdminRead.of(row, standings[row.id]) for row in rows]
    named = await with_names(session, tenant.locale, reads)
    return Page(items=[sight.show(read) for read in named], next_cursor=following)


@router.get("/{appointment_id}", responses=responses(NotFoundError))
async def read_appointment(appointment_id: UUID, sight: Sight, session: TenantSessionDep) -> AppointmentAdminRead:
    """One appointment; for a practitioner, one of their own where the practice wants it so."""
    row = await reading.get_appointment(session, appointment_id)
    sight.check(row.practitioner_id)
    read = AppointmentAdminRead.of(row, await find_standing(session, row))
    return sight.show(await _named(session, read))


@router.post(
    "",
    status_code=201,
    response_model=AppointmentAdminRead,
    responses=responses(
        NotFoundError,
        SlotTakenError,
        AlreadyBookedError,
        SlotNotOfferedError,
        InvalidInputError,
        IdempotencyKeyReusedError,
        *MEANS_REFUSALS,
    ),
)
async def book_appointment(
    body: StaffBookingRequest,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> AppointmentAdminRead | JSONResponse:
    """Book for a client, by the same rules as they would. A `held` one that is paid at the practice: see confirm.

    `outside_hours` and `overlapping` need the permission `override_calendar`.
    """
    once = await Once.claim(session, editor.staff.id, idempotency_key, "admin.appointments.book", body)
    if once.replay is not None:
        return once.replay
    appointment = await book_as_staff(session, editor, body, request_id=context.request_id)
    read = AppointmentAdminRead.of(appointment, await find_standing(session, appointment))
    answer = (await look_of(editor.staff, session)).show(await _named(session, read))
    await once.remember(session, 201, answer)
    return answer


@router.patch("/{appointment_id}", responses=responses(NotFoundError, AppointmentStateError, InvalidInputError))
async def change_appointment(
    appointment_id: UUID, body: AppointmentPatch, editor: Editor, session: TenantSessionDep, context: ContextDep
) -> AppointmentAdminRead:
    """Say how the visit went (`completed`, `no_show`; once it has begun), where an online one is, or note something."""
    await _check_own(session, editor, appointment_id)
    actor, changes = Actor.staff(editor.staff.id), body.changes()
    if "meeting_url" in changes:
        await outcomes.set_meeting_url(session, appointment_id, changes["meeting_url"], actor=actor)
    if "private_notes" in changes:
        await note_as_staff(
            session, editor.staff, appointment_id, changes["private_notes"], request_id=context.request_id
        )
    if "status" in changes:
        await outcomes.record_outcome(session, appointment_id, changes["status"], actor=actor)
    return await read_as_staff(session, editor, appointment_id)


@router.post("/{appointment_id}/confirm", responses=responses(NotFoundError, SlotTakenError, AppointmentStateError))
async def confirm_appointment(appointment_id: UUID, editor: Editor, session: TenantSessionDep) -> AppointmentAdminRead:
    """The client pays at the practice: a `held` appointment stands without payment in advance. Safe to repeat."""
    await _check_own(session, editor, appointment_id)
    outcome = await confirming.confirm_offline(session, appointment_id, actor=Actor.staff(editor.staff.id))
    if outcome is ConfirmOutcome.SLOT_TAKEN:
        raise SlotTakenError
    if outcome is ConfirmOutcome.NOT_BOOKABLE:
        raise AppointmentStateError
    return await read_as_staff(session, editor, appointment_id)


@router.post(
    "/{appointment_id}/reschedule",
    response_model=AppointmentAdminRead,
    responses=responses(
        NotFoundError, SlotTakenError, AlreadyBookedError, AppointmentStateError, SlotNotOfferedError, InvalidInputError
    ),
)
async def reschedule_appointment(
    appointment_id: UUID,
    body: StaffRescheduleRequest,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> AppointmentAdminRead | JSONResponse:
    """Move an appointment to another free time; the old one is kept if that fails.

    `outside_hours` and `overlapping` need the permission `override_calendar`; it stays with its practitioner then
    unless another one is named.
    """
    once = await Once.claim(
        session, editor.staff.id, idempotency_key, "admin.appointments.reschedule", body, appointment_id
    )
    if once.replay is not None:
        return once.replay
    moved = await move_as_staff(session, editor, appointment_id, body, request_id=context.request_id)
    read = AppointmentAdminRead.of(moved, await find_standing(session, moved))
    answer = (await look_of(editor.staff, session)).show(await _named(session, read))
    await once.remember(session, 200, answer)
    return answer


@router.post(
    "/{appointment_id}/cancel",
    response_model=CancelledAdminAppointment,
    responses=responses(NotFoundError, AppointmentStateError, InvalidInputError, IdempotencyKeyReusedError),
)
async def cancel_appointment(
    appointment_id: UUID,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    body: StaffCancelRequest | None = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> CancelledAdminAppointment | JSONResponse:
    """Cancel an appointment; whatever was paid goes back in full unless the body says otherwise. Safe to repeat."""
    await _check_own(session, editor, appointment_id)
    wish = body or StaffCancelRequest()
    once = await Once.claim(session, editor.staff.id, idempotency_key, "appointments.cancel", wish, appointment_id)
    if once.replay is not None:
        return once.replay
    done = await cancel_as_staff(session, editor.staff, appointment_id, wish, request_id=context.request_id)
    answer = (await look_of(editor.staff, session)).show(await _named(session, CancelledAdminAppointment.after(done)))
    await once.remember(session, 200, answer)
    return answer


async def note_as_staff(
    session: TenantSession, staff: Staff, appointment_id: UUID, notes: str | None, *, request_id: str | None
) -> None:
    """Change the private notes, by those who may read them, with a line in the audit trail (not what they say)."""
    if not may(staff.role, Permission.VIEW_NOTES):
        raise ForbiddenError
    if await outcomes.set_private_notes(session, appointment_id, notes, actor=Actor.staff(staff.id)):
        record_staff_action(session, staff.id, "appointment.noted", appointment_id, request_id=request_id)


async def cancel_as_staff(
    session: TenantSession, staff: Staff, appointment_id: UUID, wish: StaffCancelRequest, *, request_id: str | None
) -> Cancellation:
    """Cancel as a member of staff wishes, as far as their role goes, with a line in the audit trail."""
    before = await reading.get_appointment(session, appointment_id)
    was_cancelled = before.status == AppointmentStatus.CANCELLED
    ruling = Ruling(wish.refund, wish.on_behalf_of_client, may(staff.role, Permission.REFUND_PAYMENTS))
    done = await cancelling.cancel_appointment(
        session, appointment_id, actor=Actor.staff(staff.id), reason=wish.reason, ruling=ruling
    )
    if was_cancelled:
        return done
    detail: dict[str, Any] = {"refund_minor": done.refund.amount if done.refund else None}
    if ruling.chosen is not RefundChoice.FULL or ruling.is_for_client:
        policy_minor = done.policy.amount if done.policy else None
        detail |= {"policy_minor": policy_minor, "on_behalf_of_client": ruling.is_for_client, "refund": ruling.chosen}
    record_staff_action(session, staff.id, "appointment.cancelled", appointment_id, request_id=request_id, **detail)
    return done


async def book_as_staff(
    session: TenantSession, editor: CalendarEditor, body: StaffBookingRequest, *, request_id: str
) -> Appointment:
    """Book for a client, in a calendar that is the editor's to change; practitioners book in their own."""
    if editor.own_id is not None:
        body.practitioner_id = body.practitioner_id or editor.own_id
        editor.check(body.practitioner_id)
    check_liberties(editor.staff, body.liberties, body.practitioner_id)
    await hold_visible_client(session, editor, body.client_id)
    appointment = await booking.book_appointment(
        session,
        client_id=body.client_id,
        service_id=body.service_id,
        starts_at=body.starts_at,
        practitioner_id=body.practitioner_id,
        location_kind=body.location_kind,
        notes=body.notes,
        dependant_id=body.dependant_id,
        means=body.means,
        actor=Actor.staff(editor.staff.id),
        liberties=body.liberties,
    )
    if body.meeting_url is not None:
        await outcomes.set_meeting_url(session, appointment.id, body.meeting_url)
    for action in liberties_taken(appointment, body.liberties, "booked"):
        record_staff_action(session, editor.staff.id, action, appointment.id, request_id=request_id)
    return appointment


async def move_as_staff(
    session: TenantSession,
    editor: CalendarEditor,
    appointment_id: UUID,
    body: StaffRescheduleRequest,
    *,
    request_id: str,
) -> Appointment:
    """Move an appointment of a calendar that is the editor's to change; with liberties it stays with its practitioner
    unless another one is named."""
    await _check_own(session, editor, appointment_id)
    if body.liberties != NO_LIBERTIES and body.practitioner_id is None:
        body.practitioner_id = (await reading.get_appointment(session, appointment_id)).practitioner_id
    check_liberties(editor.staff, body.liberties, body.practitioner_id)
    if editor.own_id is not None:
        body.practitioner_id = body.practitioner_id or editor.own_id
        editor.check(body.practitioner_id)
    moved = await moving.reschedule_appointment(
        session,
        appointment_id,
        body.starts_at,
        practitioner_id=body.practitioner_id,
        actor=Actor.staff(editor.staff.id),
        liberties=body.liberties,
    )
    for action in liberties_taken(moved, body.liberties, "moved"):
        record_staff_action(session, editor.staff.id, action, appointment_id, request_id=request_id)
    return moved


async def with_names(session: TenantSession, locale: str, reads: Sequence[AdminReadT]) -> list[AdminReadT]:
    """The same appointments, with whose account each is and for whom it was booked."""
    clients = await find_clients(session, {read.client_id for read in reads})
    people = await find_dependants(session, [read.dependant_id for read in reads])
    return [
        read.model_copy(
            update={
                "client_name": name_of(clients[read.client_id], locale),
                "dependant_name": name_of(people[read.dependant_id], locale) if read.dependant_id in people else None,
            }
        )
        for read in reads
    ]


async def _named(session: TenantSession, read: AdminReadT) -> AdminReadT:
    return (await with_names(session, session.tenant.locale, [read]))[0]


async def read_as_staff(session: TenantSession, editor: CalendarEditor, appointment_id: UUID) -> AppointmentAdminRead:
    """One appointment, as this editor may see it."""
    row = await reading.get_appointment(session, appointment_id)
    read = AppointmentAdminRead.of(row, await find_standing(session, row))
    return (await look_of(editor.staff, session)).show(await _named(session, read))


async def hold_visible_client(session: TenantSession, editor: CalendarEditor, client_id: UUID) -> None:
    """Raises :class:`InvalidInputError` for someone they may not know of: a booking would show who that is."""
    sight = await look_of(editor.staff, session)
    try:
        await get_client(session, client_id, among=sight.among_clients())
        await lock_client(session, client_id)
    except NotFoundError as error:
        raise InvalidInputError(["body", "client_id"], f"there is no {client_id}", "unknown_id") from error


async def _check_own(session: TenantSession, editor: CalendarEditor, appointment_id: UUID) -> None:
    editor.check((await reading.get_appointment(session, appointment_id)).practitioner_id)
