"""Paying for an appointment that is there already with a session of a package."""

from uuid import UUID

from billing.checkout.errors import AppointmentNotPayableError, HoldExpiredError
from billing.discounts.models import SubjectKind
from billing.discounts.service import release
from billing.packages.services.credits import reserve_credit
from billing.payments.errors import AlreadyPaidError
from billing.payments.service import lock_payments_of_payable, request_abandon
from billing.refunds.service import Paid
from scheduling.appointments.errors import OfferOverError
from scheduling.appointments.events import MONEY_KINDS
from scheduling.appointments.history import Actor, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.balances import cost_minor
from scheduling.appointments.services.confirming import confirm_with_credit
from scheduling.appointments.services.locking import lock_with_practitioner
from scheduling.appointments.services.means import by_of
from scheduling.appointments.services.offering import OfferState, accept_offer, state_of
from scheduling.appointments.services.reading import awaits_approval, check_owner, effective_status
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


async def pay_with_credit(
    session: TenantSession,
    appointment_id: UUID,
    *,
    actor: Actor,
    client_id: UUID | None = None,
    purchase_id: UUID | None = None,
) -> Appointment:
    """Take a session of the client's package for an appointment to come; again, it answers the same.

    What waited for its payment, or for its client's yes, is confirmed by it; a request waits on for the practice's. A
    discount is used for nothing then, and given back. Raises :class:`NotFoundError`, :class:`HoldExpiredError`,
    :class:`AppointmentNotPayableError`, :class:`AlreadyPaidError` where money was paid already, and as
    :func:`~billing.packages.services.credits.reserve_credit` does.
    """
    check_owner(await AppointmentRepository(session).find(appointment_id), client_id)
    payments = await lock_payments_of_payable(session, MONEY_KINDS, appointment_id)
    appointment = check_owner(await lock_with_practitioner(session, appointment_id), client_id)
    status = effective_status(appointment)
    if status is AppointmentStatus.EXPIRED:
        raise HoldExpiredError
    if status not in (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED):
        raise AppointmentNotPayableError
    if appointment.package_purchase_id is not None:
        return appointment
    if not cost_minor(appointment) or appointment.starts_at <= clock.now():
        raise AppointmentNotPayableError
    if Paid.of(payments).captured:
        raise AlreadyPaidError
    purchase = await reserve_credit(
        session,
        appointment.client_id,
        appointment.id,
        appointment.service_id,
        appointment.starts_at,
        by_of(actor),
        purchase_id=purchase_id,
    )
    if appointment.discount_minor:
        await release(session, SubjectKind.APPOINTMENT, appointment.id)
    appointment.package_purchase_id = purchase.id
    appointment.amount_due_minor = appointment.discount_minor = 0
    await AppointmentRepository(session).flush()
    record_change(session, appointment.id, ChangeKind.CREDIT_USED, actor)
    for kind in MONEY_KINDS:
        await request_abandon(session, kind, appointment.id)
    return await _stand(session, appointment, actor)


async def _stand(session: TenantSession, appointment: Appointment, actor: Actor) -> Appointment:
    """Nothing is due any more: what waited only for that is confirmed."""
    if appointment.status == AppointmentStatus.CONFIRMED or awaits_approval(appointment):
        return appointment
    if state_of(appointment) is OfferState.OPEN:
        try:
            return await accept_offer(session, appointment.id, actor=actor)
        except OfferOverError as error:
            raise HoldExpiredError from error
    await confirm_with_credit(session, appointment.id, actor=actor)
    return appointment
