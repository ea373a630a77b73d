"""Requests, terms and the history of appointments, for staff: ``/admin/appointments/{id}/…``."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Depends

from admin_portal.appointments import with_names
from admin_portal.calendar_access import CalendarEditor, Editor, Sight, look_of
from scheduling.appointments.errors import AppointmentStateError
from scheduling.appointments.history import STAFF_ONLY, Actor, ActorKind
from scheduling.appointments.models import Appointment, AppointmentChange
from scheduling.appointments.schemas import AppointmentAdminRead, DeclineRequest, WaiverRequest
from scheduling.appointments.services import approving, outcomes, quoting, reading
from scheduling.appointments.terms_schemas import AdminChangeRead, AdminHistory, QuoteRead
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission, may
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.client_accounts import find_clients
from tenants.accounts.services.staff_accounts import find_staff_names
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.web.dependencies import ContextDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/appointments", tags=["staff: appointments"], responses=responses(NotAuthenticatedError, ForbiddenError)
)


@router.get("/{appointment_id}/cancellation-quote", responses=responses(NotFoundError))
async def quote_cancellation(appointment_id: UUID, sight: Sight, session: TenantSessionDep) -> QuoteRead:
    """What the client's cancelling now would give back. `can_cancel` and `can_move` are the practice's."""
    row = await reading.get_appointment(session, appointment_id)
    sight.check(row.practitioner_id)
    return QuoteRead.of(await quoting.quote_cancellation(session, row, by_client=False))


@router.get("/{appointment_id}/history", responses=responses(NotFoundError))
async def read_history(appointment_id: UUID, sight: Sight, session: TenantSessionDep) -> AdminHistory:
    """What became of the appointment: what, when, by whom. Amounts need the permission `view_payments`."""
    row = await reading.get_appointment(session, appointment_id)
    sight.check(row.practitioner_id)
    return AdminHistory(items=await history_for(session, sight.staff, row))


async def history_for(session: TenantSession, staff: Staff, row: Appointment) -> list[AdminChangeRead]:
    """The history of an appointment, as far as a member of staff may see it."""
    shows_notes = may(staff.role, Permission.VIEW_NOTES)
    changes = [one for one in await reading.list_changes(session, row.id) if shows_notes or one.kind not in STAFF_ONLY]
    names = await _names_of(session, changes)
    return [
        AdminChangeRead.of(
            change,
            row.currency,
            names,
            shows_money=may(staff.role, Permission.VIEW_PAYMENTS),
            shows_reasons=shows_notes,
        )
        for change in changes
    ]


async def _names_of(session: TenantSession, changes: Sequence[AppointmentChange]) -> dict[UUID, str]:
    by_kind = {
        kind: {one.actor_id for one in changes if one.actor_kind == kind and one.actor_id is not None}
        for kind in (ActorKind.CLIENT, ActorKind.STAFF)
    }
    clients = await find_clients(session, by_kind[ActorKind.CLIENT])
    names = {key: name_of(client, session.tenant.locale) for key, client in clients.items()}
    return names | await find_staff_names(session, by_kind[ActorKind.STAFF])


@router.post("/{appointment_id}/approve", responses=responses(NotFoundError, AppointmentStateError))
async def approve_request(
    appointment_id: UUID, editor: Editor, session: TenantSessionDep, context: ContextDep
) -> AppointmentAdminRead:
    """Say yes to a request: `confirmed`, or `held` until what is due is paid. Safe to repeat."""
    is_open = await _check_own(session, editor, appointment_id)
    row = await approving.approve_request(session, appointment_id, actor=Actor.staff(editor.staff.id))
    if is_open:
        record_staff_action(session, editor.staff.id, "appointment.approved", row.id, request_id=context.request_id)
    return await _answer(session, editor, row)


@router.post("/{appointment_id}/decline", responses=responses(NotFoundError, AppointmentStateError, InvalidInputError))
async def decline_request(
    appointment_id: UUID,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    body: DeclineRequest | None = None,
) -> AppointmentAdminRead:
    """Say no to a request; the client is told, and the time is free again. Safe to repeat."""
    is_open = await _check_own(session, editor, appointment_id)
    reason = body.reason if body else None
    row = await approving.decline_request(session, appointment_id, actor=Actor.staff(editor.staff.id), reason=reason)
    if is_open:
        record_staff_action(session, editor.staff.id, "appointment.declined", row.id, request_id=context.request_id)
    return await _answer(session, editor, row)


@router.post(
    "/{appointment_id}/waive-no-show-fee",
    dependencies=[Depends(staff_who_may(Permission.REFUND_PAYMENTS))],
    responses=responses(NotFoundError, AppointmentStateError, InvalidInputError),
)
async def waive_no_show_fee(
    appointment_id: UUID, body: WaiverRequest, editor: Editor, session: TenantSessionDep, context: ContextDep
) -> AppointmentAdminRead:
    """Let a client who did not come off the fee. Safe to repeat."""
    await _check_own(session, editor, appointment_id)
    await waive_as_staff(session, editor.staff, appointment_id, body.reason, request_id=context.request_id)
    return await _answer(session, editor, await reading.get_appointment(session, appointment_id))


async def waive_as_staff(
    session: TenantSession, staff: Staff, appointment_id: UUID, reason: str, *, request_id: str | None
) -> None:
    """Waive the fee, by those who may decide about money, with a line in the audit trail."""
    if not may(staff.role, Permission.REFUND_PAYMENTS):
        raise ForbiddenError
    fee = await outcomes.waive_no_show_fee(session, appointment_id, reason, actor=Actor.staff(staff.id))
    if fee is not None:
        action = "appointment.no_show_fee_waived"
        record_staff_action(session, staff.id, action, appointment_id, request_id=request_id, no_show_fee_minor=fee)


async def _answer(session: TenantSession, editor: CalendarEditor, row: Appointment) -> AppointmentAdminRead:
    [read] = await with_names(session, session.tenant.locale, [AppointmentAdminRead.of(row)])
    return (await look_of(editor.staff, session)).show(read)


async def _check_own(session: TenantSession, editor: CalendarEditor, appointment_id: UUID) -> bool:
    """Whether it is a request, which they may answer. Raises :class:`ForbiddenError`, :class:`NotFoundError`."""
    row = await reading.get_appointment(session, appointment_id)
    editor.check(row.practitioner_id)
    return reading.awaits_approval(row)
