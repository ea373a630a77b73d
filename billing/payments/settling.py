"""Making our rows agree with what the provider holds true, under the payment's lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from billing.cards.models import CardStatus
from billing.cards.repository import CardRepository
from billing.cards.service import keep_of_payment
from billing.disputes.service import apply_disputes_seen
from billing.payments.events import PAYMENT_SETTLED
from billing.payments.models import AttemptStatus, Payment, PaymentAttempt
from billing.payments.repository import PaymentRepository
from billing.payments.service import get_payment, ledger_line, request_abandon, touch
from billing.payments.transitions import OPEN_ATTEMPTS, advance_attempt, find_mismatch
from billing.providers.port import ObjectNotFoundError, OutcomeUnknownError, PaymentProvider, Snapshot
from billing.providers.registry import provider_for
from billing.refunds.seen import apply_refunds_seen
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.payments")


GONE_AFTER = timedelta(minutes=15)
"""Until then an order that the provider does not know may be one that it does not know yet."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the provider holds true of a payment's attempts, read outside any transaction.

    ``gone``: attempts whose orders it does not keep any more (PayPal forgets what nobody approved). ``is_whole``: money
    that was here already was read again, too, so what was for somebody to look at is judged anew.
    """

    payment_id: UUID
    snapshots: Sequence[tuple[UUID, Snapshot]]
    gone: Sequence[UUID] = ()
    is_whole: bool = False


async def read_provider(
    runtime: Runtime, tenant: TenantContext, payment_id: UUID, *, with_captured: bool = False
) -> Reading:
    """Ask the provider how a payment stands, capturing what the customer approved and we still want.

    ``with_captured``: also attempts whose money is here already, for their refunds and disputes. Opens and closes
    its own transaction first. Raises :class:`NotFoundError`, ``MethodNotOfferedError`` and the port's errors.
    """
    async with runtime.database.tenant(tenant) as session:
        payment = await get_payment(session, payment_id)
        attempts = await PaymentRepository(session).list_attempts(payment_id)
        card = await CardRepository(session).find(payment.saved_card_id) if payment.saved_card_id is not None else None
    is_wanted = card is None or card.status == CardStatus.ACTIVE
    unread = [
        attempt
        for attempt in attempts
        if attempt.provider_ref and (with_captured or attempt.status != AttemptStatus.CAPTURED)
    ]
    snapshots: list[tuple[UUID, Snapshot]] = []
    gone: list[UUID] = []
    for attempt in unread:
        provider = await provider_for(runtime, tenant, payment.method, attempt.account_id)
        if not provider.capabilities().online:
            continue
        try:
            snapshots.append((attempt.id, await _read(provider, attempt, is_wanted=is_wanted)))
        except ObjectNotFoundError as error:
            require_gone(attempt, error)
            gone.append(attempt.id)
    return Reading(payment_id, snapshots, gone, is_whole=with_captured)


def require_gone(attempt: PaymentAttempt, error: ObjectNotFoundError) -> None:
    """Make sure that an order which the provider does not know is one that nobody can pay any more.

    Raises ``error`` itself for money that is here (its order can't just vanish), and :class:`OutcomeUnknownError` for
    an order that was made a moment ago.
    """
    if attempt.status == AttemptStatus.CAPTURED:
        raise error
    if attempt.status in OPEN_ATTEMPTS and clock.now() - attempt.created_at < GONE_AFTER:
        raise OutcomeUnknownError(error.code) from error


async def _read(provider: PaymentProvider, attempt: PaymentAttempt, *, is_wanted: bool) -> Snapshot:
    """A closed attempt is read only: what we gave up must not be captured by us.

    What is not wanted any more (the client took back the card that it charges) is ended, if it is not paid yet.
    """
    reference = str(attempt.provider_ref)
    if attempt.status in OPEN_ATTEMPTS and not is_wanted:
        return await provider.cancel(reference, idempotency_key=f"unwanted:{attempt.id}")
    if attempt.status in OPEN_ATTEMPTS:
        return await provider.settle(reference, idempotency_key=f"capture:{attempt.id}")
    return await provider.fetch(reference)


async def apply_reading(session: TenantSession, reading: Reading) -> Payment:
    """Lock the payment and let the provider's facts move it; each attempt's money is counted once.

    Money that arrived puts ``payment.settled`` into the queue in the same transaction; refunds and disputes that the
    provider tells of are entered too. Where the provider's echo contradicts our row nothing is settled, and the
    payment is marked for review. Raises :class:`NotFoundError`.
    """
    payments = PaymentRepository(session)
    payment = await get_payment(session, reading.payment_id, for_update=True)
    attempts = await payments.list_attempts(payment.id)
    by_id = {attempt.id: attempt for attempt in attempts}
    has_settled = False
    if reading.is_whole:
        payment.review_reason = None
    for attempt_id in reading.gone:
        _note_gone(by_id[attempt_id])
    for attempt_id, snapshot in reading.snapshots:
        attempt = by_id[attempt_id]
        if not _is_agreed(payment, attempt, snapshot):
            continue
        is_new = _apply_snapshot(payments, payment, attempt, snapshot)
        has_settled |= is_new
        if is_new and payment.saves_card:
            await keep_of_payment(session, payment.id, snapshot.saved_card)
        if attempt.status == AttemptStatus.CAPTURED:
            await payments.flush()  # refunds and disputes refer to what was just entered
            await apply_refunds_seen(session, payment, snapshot.refunds or ())
            if snapshot.fee_returned_minor is not None:
                payment.fee_returned_minor = snapshot.fee_returned_minor
            await apply_disputes_seen(session, payment, attempt.provider, snapshot.disputes or ())
    touch(payment, attempts)
    if has_settled:
        await publish(session, PAYMENT_SETTLED, {"payment_id": str(payment.id)})
        if len(await payments.list_of_payable(payment.payable_kind, payment.payable_id)) > 1:
            await request_abandon(session, payment.payable_kind, payment.payable_id)
    return payment


def _note_gone(attempt: PaymentAttempt) -> None:
    after = advance_attempt(AttemptStatus(attempt.status), AttemptStatus.EXPIRED)
    if after != attempt.status:
        attempt.status, attempt.failure_code, attempt.updated_at = after, "order_gone", clock.now()
        _log.warning("payment_order_gone", attempt_id=str(attempt.id))


def _is_agreed(payment: Payment, attempt: PaymentAttempt, snapshot: Snapshot) -> bool:
    amount = Money(payment.amount_minor, payment.currency)
    mismatch = find_mismatch(attempt.id, amount, snapshot, mode=attempt.mode)
    if mismatch is None:
        return True
    payment.review_reason = mismatch
    _log.error("payment_mismatch", payment_id=str(payment.id), reason=mismatch)
    return False


def _apply_snapshot(payments: PaymentRepository, payment: Payment, attempt: PaymentAttempt, snapshot: Snapshot) -> bool:
    """Move one attempt; answers whether money came by it just now."""
    attempt.read_at = clock.now()
    attempt.charge_ref = snapshot.charge_ref or attempt.charge_ref
    attempt.method_kind = snapshot.method_kind or attempt.method_kind
    attempt.last_four = snapshot.last_four or attempt.last_four
    if snapshot.provider_fee_minor is not None:
        attempt.provider_fee_minor = snapshot.provider_fee_minor
    before = AttemptStatus(attempt.status)
    after = advance_attempt(before, snapshot.state)
    if after is before:
        if after is AttemptStatus.CAPTURED and snapshot.fee_minor:
            payment.fee_taken_minor = max(payment.fee_taken_minor, snapshot.fee_minor)  # it may be told late
        return False
    attempt.status = after
    attempt.provider_status = snapshot.provider_status
    attempt.failure_code = snapshot.failure_code
    attempt.updated_at = clock.now()
    if after is not AttemptStatus.CAPTURED:
        return False
    payment.captured_minor += snapshot.captured_minor
    payment.fee_taken_minor += snapshot.fee_minor or 0
    payments.add(ledger_line(payment, "capture", snapshot.captured_minor, provider_ref=snapshot.provider_ref))
    return True


async def settle(runtime: Runtime, tenant: TenantContext, payment_id: UUID, *, with_captured: bool = False) -> Payment:
    """Make a payment agree with its provider. Harmless to repeat and to run several times at once.

    Raises :class:`NotFoundError`, ``MethodNotOfferedError`` and the port's errors.
    """
    reading = await read_provider(runtime, tenant, payment_id, with_captured=with_captured)
    async with runtime.database.tenant(tenant) as session:
        return await apply_reading(session, reading)
