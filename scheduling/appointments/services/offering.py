"""Times that are offered to the first in line: held appointments that wait for their yes.

The yes makes one ``confirmed``, or has it wait as any booking of its service does: for the practice's approval, for
its payment.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from billing.payments.service import lock_payments_of_payable
from scheduling.appointments.errors import OfferOverError
from scheduling.appointments.events import APPOINTMENT_CONFIRMED, APPOINTMENT_REQUESTED, MONEY_KINDS
from scheduling.appointments.history import Actor, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.announcing import announce_appointment, queue_hold_expiry, tell
from scheduling.appointments.services.locking import lock_with_practitioner
from scheduling.appointments.services.reading import KEPT, has_lapsed
from scheduling.catalogue.models import Service
from scheduling.catalogue.service import get_service
from tenants.settings.models import PracticeSettings
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError


class OfferState(StrEnum):
    """How an offered time stands. ``ACCEPTED`` waits for its payment or the practice's yes; ``GONE`` was cancelled,
    not granted, or is not there."""

    OPEN = "open"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    LAPSED = "lapsed"
    GONE = "gone"

    @property
    def is_kept(self) -> bool:
        """Whether the time is kept for the client."""
        return self in (OfferState.OPEN, OfferState.ACCEPTED)


def state_of(appointment: Appointment | None) -> OfferState:
    """As everybody sees it: an offer that has run out is over at once, noticed by a job or not."""
    if appointment is None or appointment.status == AppointmentStatus.CANCELLED:
        return OfferState.GONE
    if appointment.status in KEPT:
        return OfferState.CONFIRMED
    if appointment.status == AppointmentStatus.EXPIRED or has_lapsed(appointment):
        # It was the practice that did not answer: nothing that counts against the client.
        return OfferState.GONE if appointment.hold_kind == HoldKind.APPROVAL else OfferState.LAPSED
    return OfferState.OPEN if appointment.hold_kind == HoldKind.OFFER else OfferState.ACCEPTED


async def lock_offer(session: TenantSession, appointment_id: UUID) -> Appointment | None:
    """An offered time, locked after its payments and its practitioner; None if it is not there any more."""
    await lock_payments_of_payable(session, MONEY_KINDS, appointment_id)
    try:
        return await lock_with_practitioner(session, appointment_id)
    except NotFoundError:
        return None


async def find_offers(session: TenantSession, appointment_ids: Collection[UUID]) -> Mapping[UUID, Appointment]:
    """Offered times by their ids, those that there are."""
    return await AppointmentRepository(session).find_all(appointment_ids) if appointment_ids else {}


async def list_times_of_client(
    session: TenantSession, client_id: UUID, begins: datetime, ends: datetime
) -> Sequence[Appointment]:
    """A client's appointments in a range, whatever became of them."""
    return await AppointmentRepository(session).list_of_client(client_id, begins, ends)


def accepted_until(appointment: Appointment, settings: PracticeSettings) -> datetime | None:
    """Until when an offer is kept for its payment once it is accepted: as promised, or as long as a booking.

    Of any other hold, until when it lasts.
    """
    if appointment.hold_expires_at is None or appointment.hold_kind != HoldKind.OFFER:
        return appointment.hold_expires_at
    for_paying = clock.now() + timedelta(minutes=settings.hold_minutes)
    return max(appointment.hold_expires_at, min(for_paying, appointment.starts_at))


async def accept_offer(session: TenantSession, appointment_id: UUID, *, actor: Actor) -> Appointment:
    """The client takes the time; safe to repeat. Raises :class:`OfferOverError`.

    Its payments are locked by the caller, or there are none that could be settling: an open offer has none.
    """
    try:
        appointment = await lock_with_practitioner(session, appointment_id)
    except NotFoundError as error:
        raise OfferOverError from error
    state = state_of(appointment)
    if state in (OfferState.LAPSED, OfferState.GONE):
        raise OfferOverError
    if state is not OfferState.OPEN:
        return appointment
    service = await get_service(session, appointment.service_id)
    if service.requires_approval:
        await _request(session, appointment, service, actor)
        return appointment
    if appointment.amount_due_minor:
        appointment.hold_expires_at = accepted_until(appointment, await get_practice_settings(session))
        appointment.hold_kind = HoldKind.PAYMENT
        await AppointmentRepository(session).flush()
        record_change(session, appointment.id, ChangeKind.ACCEPTED, actor)
        return appointment
    appointment.status = AppointmentStatus.CONFIRMED
    appointment.hold_expires_at = None
    appointment.hold_kind = None
    await AppointmentRepository(session).flush()
    record_change(session, appointment.id, ChangeKind.CONFIRMED, actor, how="offer")
    await announce_appointment(session, appointment, APPOINTMENT_CONFIRMED)
    return appointment


async def _request(session: TenantSession, appointment: Appointment, service: Service, actor: Actor) -> None:
    """The line is no way around the practice's yes: its time is kept until the practice has answered."""
    until = min(clock.now() + timedelta(hours=service.approval_hours), appointment.starts_at)
    appointment.hold_expires_at = max(appointment.hold_expires_at or until, until)
    appointment.hold_kind = HoldKind.APPROVAL
    await AppointmentRepository(session).flush()
    record_change(session, appointment.id, ChangeKind.ACCEPTED, actor)
    await queue_hold_expiry(session, appointment)
    await tell(session, appointment.id, appointment.version, APPOINTMENT_REQUESTED)
