"""Giving up: what is not wanted any more must not be payable any more."""

from uuid import UUID

from billing.payments.asking import ask_provider, record_answer
from billing.payments.models import AttemptStatus
from billing.payments.repository import PaymentRepository
from billing.payments.service import get_payment, touch
from billing.payments.settling import Reading, apply_reading, require_gone
from billing.payments.transitions import OPEN_ATTEMPTS, advance_attempt
from billing.providers.port import ObjectNotFoundError, OutcomeUnknownError, Snapshot
from billing.providers.registry import provider_for
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def abandon(runtime: Runtime, tenant: TenantContext, payable_kind: str, payable_id: UUID) -> None:
    """Make the payable's open orders unpayable at their providers. Safe to repeat.

    An order that was paid before the provider heard of it is settled instead. One whose making was never
    answered is made again, under the same key, so that it can be cancelled for certain. Raises the port's
    errors.
    """
    async with runtime.database.tenant(tenant) as session:
        payments = PaymentRepository(session)
        ids = [payment.id for payment in await payments.list_of_payable(payable_kind, payable_id)]
    for payment_id in ids:
        await abandon_payment(runtime, tenant, payment_id)


async def abandon_payment(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> None:
    """The same for one payment."""
    answer = await ask_provider(runtime, tenant, payment_id)
    async with runtime.database.tenant(tenant) as session:
        payment = await (record_answer(session, answer) if answer else get_payment(session, payment_id))
        attempts = await PaymentRepository(session).list_attempts(payment_id)
    if answer is not None and not answer.is_conclusive:
        raise OutcomeUnknownError(str(answer.failure_code))
    still_open = [attempt for attempt in attempts if attempt.status in OPEN_ATTEMPTS and attempt.provider_ref]
    snapshots: list[tuple[UUID, Snapshot]] = []
    gone: list[UUID] = []
    for attempt in still_open:
        provider = await provider_for(runtime, tenant, payment.method, attempt.account_id)
        if not provider.capabilities().online:
            await _close_offline(runtime, tenant, payment_id)
            return
        # A failure is replayed under its key for a day (Stripe): ending an order is harmless to ask for anew.
        key = f"cancel:{attempt.id}:{clock.now():%d%H%M}"
        try:
            snapshots.append((attempt.id, await provider.cancel(str(attempt.provider_ref), idempotency_key=key)))
        except ObjectNotFoundError as error:
            require_gone(attempt, error)
            gone.append(attempt.id)
    if snapshots or gone:
        async with runtime.database.tenant(tenant) as session:
            await apply_reading(session, Reading(payment_id, snapshots, gone))


async def _close_offline(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> None:
    async with runtime.database.tenant(tenant) as session:
        payment = await get_payment(session, payment_id, for_update=True)
        attempts = await PaymentRepository(session).list_attempts(payment_id)
        for attempt in attempts:
            attempt.status = advance_attempt(AttemptStatus(attempt.status), AttemptStatus.CANCELLED)
        touch(payment, attempts)
