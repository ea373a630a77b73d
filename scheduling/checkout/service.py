"""Paying for appointments: where the calendar and the money meet.

Billing knows a payable, the calendar knows an appointment; only this module knows both. A payment's row is
always locked before its appointment's.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from billing.payments import service as payments
from billing.payments.errors import MethodNotOfferedError, ProviderUnavailableError
from billing.payments.models import Payment
from billing.payments.service import Payable
from billing.providers.offline import NAME as OFFLINE
from billing.providers.port import ProviderError
from billing.providers.registry import usable_methods
from billing.refunds.service import AUTOMATIC_CAUSES, RefundCause, request_refund
from scheduling.appointments.errors import OfferOverError
from scheduling.appointments.events import PAYABLE_KIND
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.confirming import ConfirmOutcome, confirm_offline, confirm_paid
from scheduling.appointments.services.offering import OfferState, accept_offer, accepted_until, state_of
from scheduling.appointments.services.reading import awaits_approval, effective_status, get_appointment
from scheduling.catalogue.service import get_service
from scheduling.checkout.errors import AppointmentNotPayableError, HoldExpiredError, RequestUnansweredError
from scheduling.checkout.return_urls import resolve_way_back
from scheduling.checkout.schemas import PaymentCreate, PaymentRead
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.idempotency.service import claim_key, name_resource, request_digest, store_answer
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.money import Money
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("scheduling.checkout")

OPERATION = "POST /payments"
CREATED = 201


class PaymentOutcome(StrEnum):
    """What became of money that arrived. ``nothing``: it is not all there yet, or was applied before."""

    NOTHING = "nothing"
    CONFIRMED = "confirmed"
    SLOT_TAKEN = "slot_taken"
    CANCELLED = "cancelled"
    PAID_TWICE = "paid_twice"


@dataclass(frozen=True, slots=True)
class _Begun:
    """The state after the first transaction: a payment to carry on with, or the answer of an earlier request."""

    payment_id: UUID
    answer: PaymentRead | None = None


async def start_checkout(
    runtime: Runtime, tenant: TenantContext, client_id: UUID, wanted: PaymentCreate, *, key: str | None = None
) -> PaymentRead:
    """Begin to pay for a client's appointment; answers what the client has to do next.

    Two short transactions around the provider's call. With an idempotency ``key`` a repeated request gets
    the first one's answer; if that one was broken off, this one carries on with its payment and attempt.
    The method ``offline`` confirms the appointment at once.

    Raises :class:`~todoenbalance.kit.errors.NotFoundError` for an appointment that is not the client's,
    :class:`HoldExpiredError`, :class:`AppointmentNotPayableError`, :class:`AlreadyPaidError`,
    :class:`MethodNotOfferedError`, ``InvalidInputError`` for addresses elsewhere,
    ``IdempotencyKeyReusedError``, and :class:`ProviderUnavailableError` when the provider is silent: the
    same request carries on then.
    """
    async with runtime.database.tenant(tenant) as session:
        begun = await _begin(session, runtime, client_id, wanted, key)
    if begun.answer is not None:
        return begun.answer
    answer = await payments.ask_provider(runtime, tenant, begun.payment_id)
    is_known = answer is None or answer.is_conclusive
    async with runtime.database.tenant(tenant) as session:
        payment = (
            await payments.record_answer(session, answer)
            if answer is not None
            else await payments.get_payment(session, begun.payment_id)
        )
        read = await describe_payment(session, payment)
        if key is not None and is_known:
            await store_answer(session, account_id=client_id, key=key, status_code=CREATED, response=read)
    if not is_known:
        raise ProviderUnavailableError
    return read


async def _begin(
    session: TenantSession, runtime: Runtime, client_id: UUID, wanted: PaymentCreate, key: str | None
) -> _Begun:
    if key is not None:
        claim = await claim_key(
            session, account_id=client_id, key=key, operation=OPERATION, digest=request_digest(wanted)
        )
        if not claim.is_first and claim.resource_id is not None:
            answer = PaymentRead.model_validate(claim.response) if claim.response is not None else None
            return _Begun(claim.resource_id, answer)
    payment = await _open(session, runtime, client_id, wanted)
    if key is not None:
        await name_resource(session, account_id=client_id, key=key, resource_id=payment.id)
    return _Begun(payment.id)


async def _open(session: TenantSession, runtime: Runtime, client_id: UUID, wanted: PaymentCreate) -> Payment:
    appointment = await get_appointment(session, wanted.appointment_id, client_id=client_id)
    chosen = (await get_practice_settings(session)).payment_methods
    if wanted.method not in usable_methods(runtime.settings, chosen):
        raise MethodNotOfferedError(method=wanted.method)
    ways_back = {
        field: resolve_way_back(getattr(wanted, field), field, runtime.settings, session.tenant)
        for field in ("return_url", "cancel_url")
    }
    _check_payable(appointment)
    if state_of(appointment) is OfferState.OPEN:
        await _check_needs_no_approval(session, appointment)
    payable = await _payable(session, appointment)
    payment = await payments.open_payment(session, payable, wanted.method, **ways_back)
    if wanted.method != OFFLINE and state_of(appointment) is OfferState.OPEN:
        await _accept(session, appointment, client_id)
    if wanted.method == OFFLINE:
        outcome = await confirm_offline(session, appointment.id, actor=Actor.client(client_id))
        if outcome is ConfirmOutcome.SLOT_TAKEN:
            raise HoldExpiredError
        if outcome is ConfirmOutcome.NOT_BOOKABLE:
            raise AppointmentNotPayableError
    return payment


def _check_payable(appointment: Appointment) -> None:
    """A held time, or a confirmed one that was to be paid at the visit."""
    status = effective_status(appointment)
    if status is AppointmentStatus.EXPIRED:
        raise HoldExpiredError
    if awaits_approval(appointment):
        raise RequestUnansweredError
    is_payable = status in (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED) and appointment.amount_due_minor > 0
    if not is_payable:
        raise AppointmentNotPayableError


async def _check_needs_no_approval(session: TenantSession, appointment: Appointment) -> None:
    """What the waiting list offers is paid for at once, unless the practice has to say yes to it first."""
    if (await get_service(session, appointment.service_id)).requires_approval:
        raise RequestUnansweredError


async def _accept(session: TenantSession, appointment: Appointment, client_id: UUID) -> None:
    """To begin to pay for what the waiting list offered is to take it. Raises :class:`HoldExpiredError`."""
    try:
        await accept_offer(session, appointment.id, actor=Actor.client(client_id))
    except OfferOverError as error:
        raise HoldExpiredError from error


async def _payable(session: TenantSession, appointment: Appointment) -> Payable:
    """What the client reads at the provider: the service and the time on the practice's clock."""
    service = await get_service(session, appointment.service_id)
    tenant = session.tenant
    when = format_datetime(
        appointment.starts_at, "short", tzinfo=ZoneInfo(tenant.timezone), locale=tenant.locale.replace("-", "_")
    )
    return Payable(
        kind=PAYABLE_KIND,
        id=appointment.id,
        client_id=appointment.client_id,
        amount=Money(appointment.amount_due_minor, appointment.currency),
        description=f"{service.name}, {when}",
        expires_at=accepted_until(appointment, await get_practice_settings(session)),
    )


async def get_own_payment(session: TenantSession, client_id: UUID, payment_id: UUID) -> PaymentRead:
    """A client's payment. Raises ``NotFoundError``."""
    return await describe_payment(session, await payments.get_payment(session, payment_id, client_id=client_id))


async def describe_payment(session: TenantSession, payment: Payment) -> PaymentRead:
    """A payment as the API shows it."""
    await session.flush()  # what was just changed is read back by the next query
    return PaymentRead.of(payment, await payments.latest_attempt(session, payment.id))


async def confirm_payment(runtime: Runtime, tenant: TenantContext, client_id: UUID, payment_id: UUID) -> PaymentRead:
    """Settle what can be settled now, and let the appointment follow in the same transaction. Safe to repeat.

    Raises ``NotFoundError``, :class:`ProviderUnavailableError`.
    """
    async with runtime.database.tenant(tenant) as session:
        await payments.get_payment(session, payment_id, client_id=client_id)
    try:
        reading = await payments.read_provider(runtime, tenant, payment_id)
    except ProviderError as error:
        _log.warning("payment_not_read", payment_id=str(payment_id), code=error.code)
        raise ProviderUnavailableError from error
    async with runtime.database.tenant(tenant) as session:
        payment = await payments.apply_reading(session, reading)
        await apply_payment(session, payment)
        return await describe_payment(session, payment)


async def on_payment_settled(session: TenantSession, payment_id: UUID) -> PaymentOutcome:
    """The same for money that was learnt of in another way (a webhook, the desk)."""
    payment = await payments.get_payment(session, payment_id, for_update=True)
    return await apply_payment(session, payment)


async def apply_payment(session: TenantSession, payment: Payment) -> PaymentOutcome:
    """Draw the consequences of an appointment's money, once for each payment, whose row the caller has locked.

    In time, or late with the time still free: the appointment is confirmed. Late with the time taken, the
    appointment cancelled, or paid by another payment before: all of it is refunded. The refund's row and
    the queue's rows are written in this transaction.
    """
    due = payment.payable_kind == PAYABLE_KIND and payment.applied_at is None
    if not due or not payments.is_money_kept(payment) or payment.captured_minor < payment.amount_minor:
        return PaymentOutcome.NOTHING
    outcome = _OUTCOMES[await confirm_paid(session, payment.payable_id)]
    # From here on the appointment's row is locked, so what another payment did is seen or yet to come.
    if outcome is PaymentOutcome.CONFIRMED and await payments.has_other_applied_payment(
        session, payment, AUTOMATIC_CAUSES
    ):
        outcome = PaymentOutcome.PAID_TWICE
    payment.applied_at = clock.now()
    # Money taken at the desk was taken by someone who can also hand it back.
    if outcome is not PaymentOutcome.CONFIRMED and payment.method != OFFLINE:
        await request_refund(session, payment.id, cause=_CAUSES[outcome], requested_by_kind="system")
        _log.info("payment_given_back", payment_id=str(payment.id), outcome=outcome)
    return outcome


_OUTCOMES = {
    ConfirmOutcome.CONFIRMED: PaymentOutcome.CONFIRMED,
    ConfirmOutcome.ALREADY_CONFIRMED: PaymentOutcome.CONFIRMED,
    ConfirmOutcome.SLOT_TAKEN: PaymentOutcome.SLOT_TAKEN,
    ConfirmOutcome.NOT_BOOKABLE: PaymentOutcome.CANCELLED,
}
_CAUSES = {
    PaymentOutcome.SLOT_TAKEN: RefundCause.LATE_SLOT_TAKEN,
    PaymentOutcome.CANCELLED: RefundCause.APPOINTMENT_CANCELLED,
    PaymentOutcome.PAID_TWICE: RefundCause.PAID_TWICE,
}
