"""Asking the provider to be paid: an attempt is written down first, sent, and its answer recorded."""

from dataclasses import dataclass, replace
from uuid import UUID

from billing.cards.models import CardStatus
from billing.cards.repository import CardRepository
from billing.payments.models import AttemptStatus, Payment, PaymentAttempt
from billing.payments.repository import PaymentRepository
from billing.payments.service import get_payment, touch
from billing.payments.transitions import UNSENT_ATTEMPTS, advance_attempt
from billing.providers.port import (
    CardOnFile,
    DeclinedError,
    Flow,
    NotAuthorisedError,
    OutcomeUnknownError,
    PaymentProvider,
    ProviderMisconfiguredError,
    Started,
    StartRequest,
)
from billing.providers.registry import provider_for
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.money import Money
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.payments")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider said when asked to start an attempt: an order, a definite no, or nothing clear.

    ``failure_code`` is None with an order. ``is_conclusive`` is false when asking again is what to do.
    """

    attempt_id: UUID
    payment_id: UUID
    started: Started | None
    failure_code: str | None = None
    is_conclusive: bool = True


def idempotency_key(attempt_id: UUID) -> str:
    """The key of everything that is asked of a provider to be paid by this attempt."""
    return f"pay:{attempt_id}"


async def ask_provider(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> Answer | None:
    """Send the payment's attempt to its provider; None if that was done before.

    Between two transactions of the caller's. Repeating it uses the same key, so there is one order. Raises
    ``MethodNotOfferedError`` where the account is not there any more.
    """
    async with runtime.database.tenant(tenant) as session:
        payment = await get_payment(session, payment_id)
        attempt = (await PaymentRepository(session).list_attempts(payment_id))[-1]
        cards = CardRepository(session)
        to_keep = await cards.find_of_payment(payment_id) if payment.saves_card else None
        to_charge = await cards.find(payment.saved_card_id) if payment.saved_card_id is not None else None
    if attempt.status not in UNSENT_ATTEMPTS:
        return None
    if to_charge is not None and to_charge.status != CardStatus.ACTIVE:
        return Answer(attempt.id, payment.id, None, "card_removed")
    provider = await provider_for(runtime, tenant, payment.method, attempt.account_id)
    request = _request(provider, tenant, payment, attempt)
    if to_keep is not None:
        request = replace(request, saves_card_id=to_keep.id)
    if to_charge is not None:
        card = CardOnFile(str(to_charge.customer_ref), str(to_charge.method_ref))
        request = replace(request, card=card)
    return await _start(provider, payment, request)


def _request(
    provider: PaymentProvider, tenant: TenantContext, payment: Payment, attempt: PaymentAttempt
) -> StartRequest:
    return StartRequest(
        attempt_id=attempt.id,
        idempotency_key=idempotency_key(attempt.id),
        amount=Money(payment.amount_minor, payment.currency),
        description=payment.description,
        return_url=payment.return_url,
        cancel_url=payment.cancel_url,
        expires_at=attempt.expires_at,
        platform_fee_minor=payment.platform_fee_minor if provider.capabilities().platform_fee else 0,
        flow=Flow(payment.flow),
        locale=payment.locale or "en",
        payee_name=tenant.name,
        made_at=attempt.created_at,
    )


async def _start(provider: PaymentProvider, payment: Payment, request: StartRequest) -> Answer:
    try:
        return Answer(request.attempt_id, payment.id, await provider.start(request))
    except OutcomeUnknownError as error:
        return Answer(request.attempt_id, payment.id, None, error.code, is_conclusive=False)
    except (DeclinedError, NotAuthorisedError, ProviderMisconfiguredError) as error:
        _log.warning("payment_not_started", payment_id=str(payment.id), method=payment.method, code=error.code)
        return Answer(request.attempt_id, payment.id, None, error.code)


async def record_answer(session: TenantSession, answer: Answer) -> Payment:
    """Write down what :func:`ask_provider` was told; an attempt that moved on meanwhile stays where it is."""
    payments = PaymentRepository(session)
    payment = await get_payment(session, answer.payment_id, for_update=True)
    attempts = await payments.list_attempts(payment.id)
    attempt = next(attempt for attempt in attempts if attempt.id == answer.attempt_id)
    if answer.started is not None:
        _note_started(attempt, answer.started)
    else:
        observed = AttemptStatus.DECLINED if answer.is_conclusive else AttemptStatus.UNKNOWN
        attempt.status = advance_attempt(AttemptStatus(attempt.status), observed)
        attempt.failure_code, attempt.updated_at = answer.failure_code, clock.now()
    touch(payment, attempts)
    return payment


def _note_started(attempt: PaymentAttempt, started: Started) -> None:
    # What the customer paid is settled by reading the order, never by the answer to its making.
    attempt.status = advance_attempt(AttemptStatus(attempt.status), AttemptStatus.AWAITING_CUSTOMER)
    attempt.provider_ref = started.provider_ref
    attempt.provider_status = started.provider_status
    attempt.failure_code = None
    attempt.next_action = dict(started.next_action) if started.next_action is not None else None
    attempt.expires_at = started.expires_at or attempt.expires_at
    attempt.updated_at = clock.now()
