"""Links in mails that each do one thing to an appointment, without signing in: I will come, move, cancel.

They hold for the appointment as it was when the mail was made (its version), once, and until it begins. Reading one
changes nothing: programs that check mails follow links. Locks come in the order of everybody: payments, practitioner,
appointment; the link's own row is the last.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from billing.payments.service import lock_payments_of_payable
from scheduling.appointments.errors import LinkEndedError
from scheduling.appointments.events import MONEY_KINDS
from scheduling.appointments.history import Actor, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentLink, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.cancelling import Cancellation, cancel_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.security.tokens import hash_opaque_token, new_opaque_token

PATH = "/a/{token}"


class LinkAction(StrEnum):
    """What a link does."""

    CONFIRM = "confirm"
    MOVE = "move"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class LiveLink:
    """A link that works now, and its appointment."""

    row: AppointmentLink
    appointment: Appointment

    @property
    def action(self) -> LinkAction:
        """What it does."""
        return LinkAction(self.row.action)


def make_links(session: TenantSession, appointment: Appointment) -> dict[LinkAction, str]:
    """The tokens of a mail that is about to be sent; they are stored hashed and never travel through the queue."""
    now, tokens = clock.now(), {action: new_opaque_token() for action in LinkAction}
    AppointmentRepository(session).add_links(
        AppointmentLink(
            id=new_id(),
            appointment_id=appointment.id,
            action=action,
            version=appointment.version,
            token_hash=hash_opaque_token(token),
            created_at=now,
            expires_at=appointment.starts_at,
            used_at=None,
        )
        for action, token in tokens.items()
    )
    return tokens


async def read_link(session: TenantSession, token: str) -> LiveLink:
    """What a link would do; changes nothing. Raises :class:`LinkEndedError` for any that doesn't work (any more)."""
    repository = AppointmentRepository(session)
    row = await repository.find_link(hash_opaque_token(token))
    appointment = await repository.find(row.appointment_id) if row is not None else None
    if row is None or appointment is None or row.used_at is not None or not _holds(row, appointment):
        raise LinkEndedError
    return LiveLink(row, appointment)


def _holds(row: AppointmentLink, appointment: Appointment) -> bool:
    """Whether the appointment still is what the mail was about, and is to come."""
    is_same = appointment.version == row.version and appointment.status == AppointmentStatus.CONFIRMED
    return is_same and min(row.expires_at, appointment.starts_at) > clock.now()


async def confirm_by_link(session: TenantSession, token: str) -> Appointment:
    """Note that the client will come. Pressing twice is one confirmation. Raises :class:`LinkEndedError`."""
    repository = AppointmentRepository(session)
    row = await _find(session, token, LinkAction.CONFIRM)
    appointment = await repository.lock(row.appointment_id)
    row = await _lock(session, row.id)
    if appointment is None or not _holds(row, appointment):
        raise LinkEndedError
    row.used_at = row.used_at or clock.now()
    if appointment.attendance_confirmed_at is None:
        appointment.attendance_confirmed_at = clock.now()
        record_change(session, appointment.id, ChangeKind.ATTENDANCE, Actor.client(appointment.client_id), how="link")
    return appointment


async def cancel_by_link(session: TenantSession, token: str) -> Cancellation:
    """Cancel as the client would. The link is spent by success alone.

    Raises :class:`LinkEndedError`, and as :func:`cancel_appointment` does; the caller rolls back then.
    """
    row = await _find(session, token, LinkAction.CANCEL)
    await lock_payments_of_payable(session, MONEY_KINDS, row.appointment_id)
    appointment = await AppointmentRepository(session).lock(row.appointment_id)
    row = await _lock(session, row.id)
    if appointment is None or row.used_at is not None or not _holds(row, appointment):
        raise LinkEndedError
    client_id = appointment.client_id
    done = await cancel_appointment(session, appointment.id, actor=Actor.client(client_id), client_id=client_id)
    row.used_at = clock.now()
    return done


async def move_by_link(
    session: TenantSession, token: str, starts_at: datetime, *, practitioner_id: UUID | None = None
) -> Appointment:
    """Move as the client would. The link is spent by success alone: a time that is gone leaves it good.

    The appointment is locked only once the practitioner is, by the move itself; that nothing came between is seen
    by its version, which rose by one. Raises :class:`LinkEndedError`, and as :func:`reschedule_appointment` does;
    the caller rolls back then.
    """
    row = await _find(session, token, LinkAction.MOVE)
    link = await read_link(session, token)
    moved = await reschedule_appointment(
        session,
        row.appointment_id,
        starts_at,
        practitioner_id=practitioner_id,
        client_id=link.appointment.client_id,
    )
    row = await _lock(session, row.id)
    if row.used_at is None and moved.version == row.version:
        return moved  # it is there already: nothing was done
    if row.used_at is not None or moved.version != row.version + 1:
        raise LinkEndedError
    row.used_at = clock.now()
    return moved


async def _find(session: TenantSession, token: str, action: LinkAction) -> AppointmentLink:
    row = await AppointmentRepository(session).find_link(hash_opaque_token(token))
    if row is None or row.action != action:
        raise LinkEndedError
    return row


async def _lock(session: TenantSession, link_id: UUID) -> AppointmentLink:
    row = await AppointmentRepository(session).lock_link(link_id)
    if row is None:  # erased meanwhile
        raise LinkEndedError
    return row
