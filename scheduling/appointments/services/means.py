"""What an appointment was booked with (a session of a package, a discount code) follows what becomes of it.

The appointment is locked by the caller. Each of these does nothing where there is nothing to do.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from billing.discounts.models import SubjectKind
from billing.discounts.service import redeem_again, release
from billing.packages.errors import PackageExpiredError
from billing.packages.ledger import SYSTEM as BY_SYSTEM
from billing.packages.ledger import By
from billing.packages.services.credits import (
    has_live_credit,
    lock_purchases_of,
    reserve_again,
    restore_credit,
    use_credit,
)
from billing.packages.services.purchases import get_purchase
from scheduling.appointments.history import SYSTEM, Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from todoenbalance.kit.database import TenantSession


def by_of(actor: Actor) -> By:
    """An actor of the calendar, as the ledger of credits writes them down."""
    return By(actor.kind, actor.id)


async def give_means_back(session: TenantSession, appointment: Appointment, actor: Actor, cause: str) -> None:
    """It does not take place, and that is not held against the client: session and code can be used again."""
    if appointment.package_purchase_id is not None:
        await restore_credit(session, appointment.id, by_of(actor), cause=cause)
    if appointment.discount_minor:
        await release(session, SubjectKind.APPOINTMENT, appointment.id)


async def spend_means(session: TenantSession, appointment: Appointment, actor: Actor, cause: str) -> None:
    """It took place, or counts as if it had (no-show, cancelled too late): the session is gone."""
    if appointment.package_purchase_id is not None:
        await use_credit(session, appointment.id, by_of(actor), cause=cause)


async def take_means_again(session: TenantSession, appointment: Appointment) -> bool:
    """It stands after all; false if its session or its discount is somebody else's, or used up, by now."""
    if appointment.package_purchase_id is not None and not await reserve_again(session, appointment.id, BY_SYSTEM):
        return False
    return not appointment.discount_minor or await redeem_again(session, SubjectKind.APPOINTMENT, appointment.id)


async def release_means_of_lapsed(session: TenantSession, appointment_id: UUID) -> None:
    """Give back what a hold that ran out was booked with, unless it stands after all."""
    appointment = await AppointmentRepository(session).lock(appointment_id)
    if appointment is not None and appointment.status == AppointmentStatus.EXPIRED:
        await give_means_back(session, appointment, SYSTEM, "hold_expired")


async def is_paid_with_credit(session: TenantSession, appointment: Appointment) -> bool:
    """Whether a session of a package stands for its price, reserved or used."""
    return appointment.package_purchase_id is not None and await has_live_credit(session, appointment.id)


async def check_valid_then(session: TenantSession, appointment: Appointment, then: datetime) -> None:
    """A client does not move a session beyond the end of its package; raises :class:`PackageExpiredError`."""
    if appointment.package_purchase_id is None or then <= appointment.starts_at:
        return
    end = (await get_purchase(session, appointment.package_purchase_id)).expires_at
    if end is not None and then >= end:
        raise PackageExpiredError


async def lock_means_of(session: TenantSession, appointment_ids: Collection[UUID]) -> None:
    """Before several appointments are cancelled in one transaction: their packages, locked in one order."""
    await lock_purchases_of(session, appointment_ids)
