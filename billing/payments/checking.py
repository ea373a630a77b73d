"""Looking at payments that nobody may have told us about: a closed tab, a lost webhook, a killed process."""

from datetime import timedelta
from uuid import UUID

from billing.payments import asking, settling
from billing.payments.models import AttemptStatus, Payment, PaymentAttempt
from billing.payments.repository import PaymentRepository
from billing.payments.service import get_payment, touch
from billing.payments.transitions import OPEN_ATTEMPTS, UNSENT_ATTEMPTS, advance_attempt
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

KEY_LIFE = timedelta(hours=6)
"""How long every provider remembers an idempotency key: PayPal's orders the shortest (PayPal, REST API
"Idempotency": 6 hours; Stripe, "Idempotent requests": 24 hours). Asked again later, it would be another order."""


async def check_payment(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> timedelta | None:
    """Make a payment agree with its provider; its age if it is still undecided, None once it is decided.

    An attempt whose answer was lost is asked for again under its key. When the key is no longer remembered it is
    given up: what nobody was told of, nobody can pay. Raises the port's errors and ``MethodNotOfferedError``.
    """
    async with runtime.database.tenant(tenant) as session:
        attempts = await PaymentRepository(session).list_attempts(payment_id)
    if any(_is_forgotten(attempt) for attempt in attempts):
        await _give_up(runtime, tenant, payment_id)
    else:
        answer = await asking.ask_provider(runtime, tenant, payment_id)
        if answer is not None:
            async with runtime.database.tenant(tenant) as session:
                await asking.record_answer(session, answer)
    payment = await settling.settle(runtime, tenant, payment_id)
    return await _age_if_open(runtime, tenant, payment)


def _is_forgotten(attempt: PaymentAttempt) -> bool:
    return attempt.status in UNSENT_ATTEMPTS and clock.now() - attempt.created_at > KEY_LIFE


async def _give_up(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> None:
    async with runtime.database.tenant(tenant) as session:
        payment = await get_payment(session, payment_id, for_update=True)
        attempts = await PaymentRepository(session).list_attempts(payment_id)
        for attempt in attempts:
            if _is_forgotten(attempt):
                attempt.status = advance_attempt(AttemptStatus(attempt.status), AttemptStatus.EXPIRED)
                attempt.failure_code, attempt.updated_at = "answer_lost", clock.now()
        touch(payment, attempts)


async def _age_if_open(runtime: Runtime, tenant: TenantContext, payment: Payment) -> timedelta | None:
    async with runtime.database.tenant(tenant) as session:
        attempts = await PaymentRepository(session).list_attempts(payment.id)
    is_open = any(attempt.status in OPEN_ATTEMPTS for attempt in attempts)
    return clock.now() - payment.created_at if is_open else None
