"""Series that were booked: listing their appointments, and cancelling those to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.payments.service import lock_payments_of_payable
from scheduling.appointments.events import MONEY_KINDS
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.cancelling import Cancellation, cancel_appointment
from scheduling.appointments.services.means import lock_means_of
from scheduling.appointments.services.reading import MOVABLE
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError, ProblemError


@dataclass(frozen=True, slots=True)
class SeriesCancellation:
    """What became of one appointment of the series: cancelled, or (``refused``: the problem's code) not."""

    appointment: Appointment
    done: Cancellation | None
    refused: str | None = None


async def list_series(session: TenantSession, series_id: UUID, *, client_id: UUID | None = None) -> list[Appointment]:
    """Its appointments in order of time, cancelled ones too. Raises :class:`NotFoundError`, also for others'."""
    rows = await AppointmentRepository(session).of_series(series_id)
    if not rows or (client_id is not None and rows[0].client_id != client_id):
        raise NotFoundError
    return rows


async def cancel_series(
    session: TenantSession,
    series_id: UUID,
    *,
    actor: Actor,
    client_id: UUID | None = None,
    reason: str | None = None,
) -> list[SeriesCancellation]:
    """Cancel what is to come of it, each appointment by its own terms; what may not be cancelled any more stays.

    Cancelling again does nothing: what was cancelled is not to come. Raises :class:`NotFoundError`.
    """
    rows = [row for row in await list_series(session, series_id, client_id=client_id) if is_to_come(row)]
    ids = sorted(row.id for row in rows)
    # All payments before all appointments, both in order: a payment that is settling then waits for nothing of ours.
    for one in ids:
        await lock_payments_of_payable(session, MONEY_KINDS, one)
    for one in ids:
        await AppointmentRepository(session).lock(one)
    await lock_means_of(session, ids)
    return [await _cancel(session, row, actor, client_id, reason) for row in rows if is_to_come(row)]


def is_to_come(row: Appointment) -> bool:
    """Whether it may still be cancelled with the rest."""
    return row.status in MOVABLE and row.starts_at > clock.now()


async def _cancel(
    session: TenantSession, row: Appointment, actor: Actor, client_id: UUID | None, reason: str | None
) -> SeriesCancellation:
    try:
        async with session.begin_nested():
            done = await cancel_appointment(session, row.id, actor=actor, client_id=client_id, reason=reason)
    except ProblemError as problem:
        found = await AppointmentRepository(session).find(row.id)
        return SeriesCancellation(found or row, None, problem.code)
    return SeriesCancellation(done.appointment, done)


def cancelled_ids(results: Sequence[SeriesCancellation]) -> list[UUID]:
    """Which appointments were cancelled just now."""
    return [one.appointment.id for one in results if one.done is not None]
