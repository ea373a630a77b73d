"""Moving appointments."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import Range

from scheduling.appointments.events import APPOINTMENT_MOVED, APPOINTMENT_REQUESTED
from scheduling.appointments.history import Actor, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.placement import NO_LIBERTIES, Liberties, Place, take_time
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.announcing import announce_appointment, announce_freed, queue_hold_expiry, tell
from scheduling.appointments.services.means import check_valid_then
from scheduling.appointments.services.quoting import refusal_to_cancel, refusal_to_move
from scheduling.appointments.services.reading import check_owner, get_appointment
from scheduling.appointments.terms import WHOLE, percent_back
from scheduling.availability.rules import Rules, load_rules
from scheduling.group_sessions.seats import Attendee, take_seat
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


async def reschedule_appointment(
    session: TenantSession,
    appointment_id: UUID,
    starts_at: datetime,
    *,
    practitioner_id: UUID | None = None,
    client_id: UUID | None = None,
    actor: Actor | None = None,
    liberties: Liberties = NO_LIBERTIES,
) -> Appointment:
    """Move a held or confirmed appointment by its service's present rules; a failure leaves it where it is.

    Without ``practitioner_id`` the present one is tried first, then anyone who is free. Price, hold and
    terms stay as booked. ``client_id``: only if it is this client's, only with the notice they agreed to, and to
    nobody dearer (:func:`within_reach`). Raises
    :class:`NotFoundError`, :class:`AppointmentStateError`, :class:`SlotTakenError`,
    :class:`SlotNotOfferedError`, :class:`AlreadyBookedError` (a seat), :class:`PackageExpiredError` (a client, beyond
    the end of the package that it is booked with); ``ValueError`` for a naive ``starts_at``.
    """
    if starts_at.tzinfo is None:
        raise ValueError("starts_at needs an offset")
    appointment = await get_appointment(session, appointment_id, client_id=client_id)
    by_client = client_id is not None
    check_movable(appointment, by_client=by_client)
    if appointment.starts_at == starts_at and practitioner_id in (None, appointment.practitioner_id):
        return appointment
    rules = await load_rules(session, appointment.service_id, include_archived=True)
    if by_client:
        await check_valid_then(session, appointment, starts_at)
        rules = within_reach(rules, appointment)
    before = {"from": appointment.starts_at.isoformat(), "from_practitioner_id": str(appointment.practitioner_id)}

    left: list[tuple[UUID, Range[datetime]]] = []

    async def write(place: Place) -> Appointment:
        repository = AppointmentRepository(session)
        moved = check_owner(await repository.lock(appointment_id), client_id)
        check_movable(moved, by_client=by_client)
        left.append((moved.practitioner_id, moved.occupied))
        before.update({"from": moved.starts_at.isoformat(), "from_practitioner_id": str(moved.practitioner_id)})
        moved.refund_cap_percent = _cap_after_move(moved, by_client=by_client)
        moved.refund_deadline = None
        held_until, moved.hold_expires_at = moved.hold_expires_at, _hold_until(moved, place.starts_at)
        moved.practitioner_id = place.practitioner_id
        moved.starts_at, moved.ends_at, moved.occupied = place.starts_at, place.ends_at, place.occupied
        moved.overlapping = place.overlapping
        moved.group_session_id = place.group_session_id
        if place.group_session_id is not None:
            moved.location_kind, moved.meeting_url = place.location_kind, place.meeting_url
        moved.attendance_confirmed_at = None
        moved.version += 1
        await repository.flush()
        if moved.hold_expires_at != held_until:
            await queue_hold_expiry(session, moved)
        return moved

    wanted: dict[str, Any] = {
        "practitioner_id": practitioner_id,
        "preferred_id": appointment.practitioner_id,
        "except_id": appointment_id,
        "liberties": liberties,
    }
    if rules.capacity is None:
        moved = await take_time(session, rules.at_place(appointment.location_kind), starts_at, write, **wanted)
    else:  # to another session, wherever that takes place
        who = Attendee(appointment.client_id, appointment.dependant_id)
        moved = await take_seat(session, rules, starts_at, write, attendee=who, **wanted)
    by = actor or Actor.client(moved.client_id)
    after = {"to": starts_at.isoformat(), "to_practitioner_id": str(moved.practitioner_id)}
    record_change(session, moved.id, ChangeKind.MOVED, by, **before, **after)
    await announce_freed(session, *left[-1])
    if moved.status == AppointmentStatus.CONFIRMED:
        await announce_appointment(session, moved, APPOINTMENT_MOVED)
    elif moved.hold_kind == HoldKind.APPROVAL:
        await tell(session, moved.id, moved.version, APPOINTMENT_REQUESTED)
    return moved


def within_reach(rules: Rules, appointment: Appointment) -> Rules:
    """With whom a client may have it when they move it themselves: as now, or anyone who does not ask more.

    The price stays as booked, so moving to someone dearer would be a way to have them for another's price.
    """
    present = rules.people.get(appointment.practitioner_id)
    most = appointment.price_minor if present is None else max(appointment.price_minor, present.price_minor)
    return rules.of_people(key for key, one in rules.people.items() if one.price_minor <= most)


def _cap_after_move(appointment: Appointment, *, by_client: bool) -> int | None:
    """A client who moves keeps no more of the right to money back than they had, or moving would buy it back.

    What the practice moves is not the client's doing.
    """
    if not by_client:
        return None
    if appointment.status != AppointmentStatus.CONFIRMED:
        return appointment.refund_cap_percent
    now = clock.now()
    # Who may not cancel any more has no right to money back, whatever the tiers say.
    percent = 0 if refusal_to_cancel(appointment, now, by_client=True) else percent_back(appointment, now)
    return percent if percent < WHOLE else appointment.refund_cap_percent


def check_movable(appointment: Appointment, *, by_client: bool) -> None:
    """Raises :class:`AppointmentStateError`, and for a client :class:`MoveTooLateError`."""
    refusal = refusal_to_move(appointment, clock.now(), by_client=by_client)
    if refusal is not None:
        raise refusal


def _hold_until(appointment: Appointment, starts_at: datetime) -> datetime | None:
    """No hold goes on past the beginning."""
    kept = appointment.hold_expires_at
    return None if kept is None else min(kept, max(starts_at, clock.now()))
