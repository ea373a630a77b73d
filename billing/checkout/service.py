"""Paying for something: open a payment, ask its provider, settle what it says, let the payable follow.

A payment's row is always locked before the row of what it pays for.
"""

from dataclasses import dataclass
from uuid import UUID

from billing.cards.errors import CardsNotKeptError
from billing.checkout.return_urls import resolve_way_back
from billing.checkout.schemas import PaymentCreate, PaymentRead
from billing.payments import asking, settling
from billing.payments import service as payments
from billing.payments.errors import (
    AmountNotAcceptedError,
    FlowNotOfferedError,
    MethodNotOfferedError,
    ProviderUnavailableError,
)
from billing.payments.models import Payment
from billing.payments.payables import PaymentOutcome, payable_kind
from billing.payments.service import Manner
from billing.providers.offline import NAME as OFFLINE
from billing.providers.port import Flow, ProviderError
from billing.providers.registry import has_elements, keeps_cards, refusal_of
from billing.refunds.service import AUTOMATIC_CAUSES, RefundCause, request_refund
from tenants.settings.service import get_practice_settings, usable_methods
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.idempotency.service import claim_key, name_resource, request_digest, store_answer
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.checkout")

OPERATION = "POST /payments"
CREATED = 201


@dataclass(frozen=True, slots=True)
class _Begun:
    """The state after the first transaction: a payment to carry on with, or the answer of an earlier request."""

    payment_id: UUID
    answer: PaymentRead | None = None


async def start_checkout(
    runtime: Runtime,
    tenant: TenantContext,
    client_id: UUID,
    wanted: PaymentCreate,
    *,
    key: str | None = None,
    locale: str | None = None,
) -> PaymentRead:
    """Begin to pay for something of a client's; answers what the client has to do next.

    Two short transactions around the provider's call. With an idempotency ``key`` a repeated request gets
    the first one's answer; if that one was broken off, this one carries on with its payment and attempt.
    The method ``offline`` confirms an appointment at once. ``locale``: the client's language, at the provider too.

    Raises :class:`~todoenbalance.kit.errors.NotFoundError` for what is not the client's, what the payable's owner
    says against it (``HoldExpiredError``, ``AppointmentNotPayableError`` …), ``AlreadyPaidError``,
    :class:`MethodNotOfferedError`, :class:`AmountNotAcceptedError`, :class:`FlowNotOfferedError`,
    ``InvalidInputError`` for addresses elsewhere, ``IdempotencyKeyReusedError``, and
    :class:`ProviderUnavailableError` when the provider is silent: the same request carries on then.
    """
    async with runtime.database.tenant(tenant) as session:
        begun = await _begin(session, runtime, client_id, wanted, key, locale)
    if begun.answer is not None:
        return begun.answer
    answer = await asking.ask_provider(runtime, tenant, begun.payment_id)
    is_known = answer is None or answer.is_conclusive
    async with runtime.database.tenant(tenant) as session:
        payment = (
            await asking.record_answer(session, answer)
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
    session: TenantSession,
    runtime: Runtime,
    client_id: UUID,
    wanted: PaymentCreate,
    key: str | None,
    locale: str | None = None,
) -> _Begun:
    if key is not None:
        claim = await claim_key(
            session, account_id=client_id, key=key, operation=OPERATION, digest=request_digest(wanted)
        )
        if not claim.is_first and claim.resource_id is not None:
            answer = PaymentRead.model_validate(claim.response) if claim.response is not None else None
            return _Begun(claim.resource_id, answer)
    payment = await _open(session, runtime, client_id, wanted, locale)
    if key is not None:
        await name_resource(session, account_id=client_id, key=key, resource_id=payment.id)
    return _Begun(payment.id)


async def _open(
    session: TenantSession, runtime: Runtime, client_id: UUID, wanted: PaymentCreate, locale: str | None
) -> Payment:
    kind = payable_kind(wanted.payable_kind)
    payable = await kind.claim(session, wanted.payable_id, client_id=client_id)
    manner = await _manner(session, runtime, wanted, locale)
    if refusal_of(manner.method, payable.amount) is not None:
        amount = payable.amount.format(locale or session.tenant.locale)
        raise AmountNotAcceptedError(method=manner.method, amount=amount)
    payment = await payments.open_payment(session, runtime.settings, payable, manner)
    await kind.opened(session, payment, settings=runtime.settings)
    return payment


async def _manner(session: TenantSession, runtime: Runtime, wanted: PaymentCreate, locale: str | None) -> Manner:
    if wanted.method not in usable_methods(runtime.settings, await get_practice_settings(session)):
        raise MethodNotOfferedError(method=wanted.method)
    if wanted.flow is Flow.ELEMENTS and not has_elements(wanted.method):
        raise FlowNotOfferedError(method=wanted.method)
    if wanted.save_card and not keeps_cards(wanted.method):
        raise CardsNotKeptError
    return_url, cancel_url = (
        resolve_way_back(getattr(wanted, field), field, runtime.settings, session.tenant)
        for field in ("return_url", "cancel_url")
    )
    return Manner(
        wanted.method,
        return_url,
        cancel_url,
        flow=wanted.flow,
        locale=locale or session.tenant.locale,
        saves_card=wanted.save_card,
    )


async def get_own_payment(session: TenantSession, client_id: UUID, payment_id: UUID) -> PaymentRead:
    """A client's payment. Raises ``NotFoundError``."""
    return await describe_payment(session, await payments.get_payment(session, payment_id, client_id=client_id))


async def describe_payment(session: TenantSession, payment: Payment) -> PaymentRead:
    """A payment as the API shows it."""
    await session.flush()  # what was just changed is read back by the next query
    return PaymentRead.of(payment, await payments.latest_attempt(session, payment.id))


async def confirm_payment(runtime: Runtime, tenant: TenantContext, client_id: UUID, payment_id: UUID) -> PaymentRead:
    """Settle what can be settled now, and let the payable follow in the same transaction. Safe to repeat.

    Raises ``NotFoundError``, :class:`ProviderUnavailableError`.
    """
    async with runtime.database.tenant(tenant) as session:
        await payments.get_payment(session, payment_id, client_id=client_id)
    try:
        reading = await settling.read_provider(runtime, tenant, payment_id)
    except (ProviderError, MethodNotOfferedError) as error:
        _log.warning("payment_not_read", payment_id=str(payment_id), code=error.code)
        raise ProviderUnavailableError from error
    async with runtime.database.tenant(tenant) as session:
        payment = await settling.apply_reading(session, reading)
        await apply_payment(session, payment)
        return await describe_payment(session, payment)


async def on_payment_settled(session: TenantSession, payment_id: UUID) -> PaymentOutcome:
    """The same for money that was learnt of in another way (a webhook, the desk)."""
    payment = await payments.get_payment(session, payment_id, for_update=True)
    return await apply_payment(session, payment)


async def apply_payment(session: TenantSession, payment: Payment) -> PaymentOutcome:
    """Draw the consequences of money, once for each payment, whose row the caller has locked.

    What was paid for stands; or else (late with the time taken, called off, paid by another payment before) all of
    the money is refunded. The refund's row and the queue's rows are written in this transaction.
    """
    is_whole = payments.is_money_kept(payment) and payment.captured_minor >= payment.amount_minor
    if payment.applied_at is not None or not is_whole:
        return PaymentOutcome.NOTHING
    outcome = await payable_kind(payment.payable_kind).apply(session, payment)
    # From here on the payable's row is locked, so what another payment did is seen or yet to come.
    is_one = payment.payable_kind not in payments.ADDS_UP
    if (
        is_one
        and outcome is PaymentOutcome.CONFIRMED
        and await payments.has_other_applied_payment(session, payment, AUTOMATIC_CAUSES)
    ):
        outcome = PaymentOutcome.PAID_TWICE
    payment.applied_at = clock.now()
    # Money taken at the desk was taken by someone who can also hand it back.
    if outcome is not PaymentOutcome.CONFIRMED and payment.method != OFFLINE:
        await request_refund(session, payment.id, cause=_CAUSES[outcome], requested_by_kind="system")
        _log.info("payment_given_back", payment_id=str(payment.id), outcome=outcome)
    return outcome


_CAUSES = {
    PaymentOutcome.SLOT_TAKEN: RefundCause.LATE_SLOT_TAKEN,
    PaymentOutcome.CANCELLED: RefundCause.APPOINTMENT_CANCELLED,
    PaymentOutcome.PAID_TWICE: RefundCause.PAID_TWICE,
}
