"""Cancelling a group session with everyone in it."""

from dataclasses import dataclass
from uuid import UUID

from billing.payments.service import list_payment_ids, lock_payments_of_payables
from scheduling.appointments.events import MONEY_KINDS
from scheduling.appointments.history import Actor
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.announcing import announce_freed
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.means import lock_means_of
from scheduling.appointments.services.reading import MOVABLE
from scheduling.group_sessions.announcing import announce_session
from scheduling.group_sessions.events import GROUP_SESSION_CANCELLED
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.repository import CANCELLED, GroupSessionRepository
from scheduling.group_sessions.seats import retire_lapsed_seats
from scheduling.group_sessions.services.reading import get_session
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class CancelledSession:
    """A cancelled session: how many seats fell with it, and what goes back (minor units, one currency)."""

    group: GroupSession
    seats: int
    refund_minor: int
    was_cancelled: bool = False


async def cancel_session(
    session: TenantSession, group_id: UUID, *, actor: Actor, reason: str | None = None
) -> CancelledSession:
    """Cancel a session and every seat that waits for it; whatever was paid goes back in full.

    Visits that are recorded already stay as they are. Cancelling it again does nothing. Raises
    :class:`NotFoundError`.
    """
    group = await _lock_all(session, group_id)
    if group.status == CANCELLED:
        return CancelledSession(group, 0, 0, was_cancelled=True)
    await retire_lapsed_seats(session, group_id)
    # First the session: nobody who waits for a freed seat is offered one of these.
    group.status = CANCELLED
    group.version += 1
    group.changed_at = clock.now()
    repository = GroupSessionRepository(session)
    await repository.flush()
    seats = [seat.id for seat in await repository.lock_live_seats(group_id) if seat.status in MOVABLE]
    await lock_means_of(session, seats)
    done = [await cancel_appointment(session, one, actor=actor, reason=reason, with_session=True) for one in seats]
    await announce_session(session, group, GROUP_SESSION_CANCELLED)
    await announce_freed(session, group.practitioner_id, group.occupied)
    return CancelledSession(group, len(done), sum(one.refund.amount for one in done if one.refund is not None))


async def _lock_all(session: TenantSession, group_id: UUID) -> GroupSession:
    """The session, locked after its seats' payments and its practitioner, and before its seats.

    Tried anew if meanwhile it went to another practitioner, or another payment came in.
    """
    repository = GroupSessionRepository(session)
    while True:
        practitioner_id = (await get_session(session, group_id)).practitioner_id
        savepoint = await session.begin_nested()
        payments = await lock_payments_of_payables(session, MONEY_KINDS, await repository.list_live_seat_ids(group_id))
        await AppointmentRepository(session).lock_practitioner(practitioner_id)
        group = await repository.lock(group_id)
        if group is None:
            raise NotFoundError
        seats = [seat.id for seat in await repository.lock_live_seats(group_id)]
        if group.practitioner_id == practitioner_id and payments.issuperset(
            await list_payment_ids(session, MONEY_KINDS, seats)
        ):
            await savepoint.commit()
            return group
        await savepoint.rollback()
