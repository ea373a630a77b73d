"""Being paid: opening a payment, asking the provider, settling what it says, giving up.

A provider is never called inside a transaction. Each use case reads, calls the provider, then locks the
payment's row and applies what was learnt; so it may be repeated, or run twice at once, without counting
money twice. The payment's row is locked before the payable's, everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.payments.errors import AlreadyPaidError
from billing.payments.events import PAYMENT_ABANDON, PAYMENT_SETTLED
from billing.payments.models import AttemptStatus, LedgerEntry, Payment, PaymentAttempt, PaymentStatus
from billing.payments.repository import PaymentRepository
from billing.payments.transitions import (
    OPEN_ATTEMPTS,
    UNSENT_ATTEMPTS,
    Facts,
    advance_attempt,
    derive_status,
    find_mismatch,
)
from billing.providers.port import (
    DeclinedError,
    NotAuthorisedError,
    OutcomeUnknownError,
    PaymentProvider,
    ProviderMisconfiguredError,
    Snapshot,
    Started,
    StartRequest,
)
from billing.providers.registry import provider_for
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.payments")

MAX_DESCRIPTION = 200


@dataclass(frozen=True, slots=True)
class Payable:
    """Something to be paid for; billing knows it by kind and id only.

    ``expires_at``: from then on the money is not wanted any more.
    """

    kind: str
    id: UUID
    client_id: UUID
    amount: Money
    description: str
    expires_at: datetime | None = None


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


@dataclass(frozen=True, slots=True)
class Reading:
    """What the provider holds true of a payment's attempts, read outside any transaction."""

    payment_id: UUID
    snapshots: Sequence[tuple[UUID, Snapshot]]


def idempotency_key(attempt_id: UUID) -> str:
    """The key of everything that is asked of a provider to be paid by this attempt."""
    return f"pay:{attempt_id}"


async def open_payment(
    session: TenantSession, payable: Payable, method: str, *, return_url: str, cancel_url: str
) -> Payment:
    """A payment with an attempt that is yet to be sent, or the one of this method that is open already.

    A double click thus makes one order. Raises :class:`AlreadyPaidError` if the payable's money is here.
    """
    payments = PaymentRepository(session)
    await payments.lock_payable(payable.id)
    existing = await payments.list_of_payable(payable.kind, payable.id)
    if any(is_money_kept(payment) and payment.captured_minor >= payment.amount_minor for payment in existing):
        raise AlreadyPaidError
    latest = await payments.latest_attempts([payment.id for payment in existing])
    for payment in existing:
        same = payment.method == method and Money(payment.amount_minor, payment.currency) == payable.amount
        if same and _waits_for_customer(payment, latest.get(payment.id)):
            return payment
    now = clock.now()
    payment = Payment(
        id=new_id(),
        payable_kind=payable.kind,
        payable_id=payable.id,
        client_id=payable.client_id,
        method=method,
        status=PaymentStatus.REQUIRES_ACTION,
        currency=payable.amount.currency,
        amount_minor=payable.amount.amount,
        captured_minor=0,
        refund_pending_minor=0,
        refunded_minor=0,
        platform_fee_minor=0,
        description=payable.description[:MAX_DESCRIPTION],
        return_url=return_url,
        cancel_url=cancel_url,
        created_at=now,
        updated_at=now,
    )
    payments.add(payment)
    await payments.flush()  # the attempt's foreign key
    payments.add(
        PaymentAttempt(
            id=new_id(),
            payment_id=payment.id,
            provider=method,
            status=AttemptStatus.CREATED,
            expires_at=payable.expires_at,
            created_at=now,
            updated_at=now,
        )
    )
    await payments.flush()  # the caller may answer from it
    return payment


def is_money_kept(payment: Payment) -> bool:
    """Whether any of its money is with the practice and stays there."""
    return payment.captured_minor > payment.refunded_minor + payment.refund_pending_minor


def _waits_for_customer(payment: Payment, attempt: PaymentAttempt | None) -> bool:
    return (
        payment.status == PaymentStatus.REQUIRES_ACTION
        and payment.captured_minor == 0
        and attempt is not None
        and attempt.status in UNSENT_ATTEMPTS | {AttemptStatus.AWAITING_CUSTOMER}
    )


async def ask_provider(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> Answer | None:
    """Send the payment's attempt to its provider; None if that was done before.

    Between two transactions of the caller's. Repeating it uses the same key, so there is one order.
    """
    async with runtime.database.tenant(tenant) as session:
        payment = await get_payment(session, payment_id)
        attempt = (await PaymentRepository(session).list_attempts(payment_id))[-1]
    if attempt.status not in UNSENT_ATTEMPTS:
        return None
    provider = await provider_for(runtime, tenant, payment.method)
    return await _start(provider, payment, attempt)


async def _start(provider: PaymentProvider, payment: Payment, attempt: PaymentAttempt) -> Answer:
    request = StartRequest(
        attempt_id=attempt.id,
        idempotency_key=idempotency_key(attempt.id),
        amount=Money(payment.amount_minor, payment.currency),
        description=payment.description,
        return_url=payment.return_url,
        cancel_url=payment.cancel_url,
        expires_at=attempt.expires_at,
        platform_fee_minor=payment.platform_fee_minor,
    )
    try:
        return Answer(attempt.id, payment.id, await provider.start(request))
    except OutcomeUnknownError as error:
        return Answer(attempt.id, payment.id, None, error.code, is_conclusive=False)
    except (DeclinedError, NotAuthorisedError, ProviderMisconfiguredError) as error:
        _log.warning("payment_not_started", payment_id=str(payment.id), method=payment.method, code=error.code)
        return Answer(attempt.id, payment.id, None, error.code)


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
    _touch(payment, attempts)
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


async def read_provider(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> Reading:
    """Ask the provider how a payment stands, capturing what the customer approved and we still want.

    Opens and closes its own transaction first. Raises :class:`NotFoundError` and the port's errors.
    """
    async with runtime.database.tenant(tenant) as session:
        payment = await get_payment(session, payment_id)
        attempts = await PaymentRepository(session).list_attempts(payment_id)
    unread = [attempt for attempt in attempts if attempt.provider_ref and attempt.status != AttemptStatus.CAPTURED]
    if not unread:
        return Reading(payment_id, ())
    provider = await provider_for(runtime, tenant, payment.method)
    if not provider.capabilities().online:
        return Reading(payment_id, ())
    return Reading(payment_id, [(attempt.id, await _read(provider, attempt)) for attempt in unread])


async def _read(provider: PaymentProvider, attempt: PaymentAttempt) -> Snapshot:
    """A closed attempt is read only: what we gave up must not be captured by us."""
    reference = str(attempt.provider_ref)
    if attempt.status in OPEN_ATTEMPTS:
        return await provider.settle(reference, idempotency_key=f"capture:{attempt.id}")
    return await provider.fetch(reference)


async def apply_reading(session: TenantSession, reading: Reading) -> Payment:
    """Lock the payment and let the provider's facts move it; each attempt's money is counted once.

    Money that arrived puts ``payment.settled`` into the queue in the same transaction. Where the
    provider's echo contradicts our row nothing is settled, and the payment is marked for review.
    Raises :class:`NotFoundError`.
    """
    payments = PaymentRepository(session)
    payment = await get_payment(session, reading.payment_id, for_update=True)
    attempts = await payments.list_attempts(payment.id)
    by_id = {attempt.id: attempt for attempt in attempts}
    has_settled = False
    for attempt_id, snapshot in reading.snapshots:
        has_settled |= _apply_snapshot(payments, payment, by_id[attempt_id], snapshot)
    _touch(payment, attempts)
    if has_settled:
        await publish(session, PAYMENT_SETTLED, {"payment_id": str(payment.id)})
        if len(await payments.list_of_payable(payment.payable_kind, payment.payable_id)) > 1:
            await request_abandon(session, payment.payable_kind, payment.payable_id)
    return payment


def _apply_snapshot(payments: PaymentRepository, payment: Payment, attempt: PaymentAttempt, snapshot: Snapshot) -> bool:
    """Move one attempt; answers whether money came by it just now."""
    mismatch = find_mismatch(attempt.id, Money(payment.amount_minor, payment.currency), snapshot)
    if mismatch is not None:
        payment.review_reason = mismatch
        _log.error("payment_mismatch", payment_id=str(payment.id), reason=mismatch)
        return False
    before = AttemptStatus(attempt.status)
    after = advance_attempt(before, snapshot.state)
    if after is before:
        return False
    attempt.status = after
    attempt.provider_status = snapshot.provider_status
    attempt.failure_code = snapshot.failure_code
    attempt.updated_at = clock.now()
    if after is not AttemptStatus.CAPTURED:
        return False
    payment.captured_minor += snapshot.captured_minor
    payments.add(ledger_line(payment, "capture", snapshot.captured_minor, provider_ref=snapshot.provider_ref))
    return True


async def settle(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> Payment:
    """Make a payment agree with its provider. Harmless to repeat and to run several times at once.

    Raises :class:`NotFoundError` and the port's errors.
    """
    reading = await read_provider(runtime, tenant, payment_id)
    async with runtime.database.tenant(tenant) as session:
        return await apply_reading(session, reading)


async def request_abandon(session: TenantSession, payable_kind: str, payable_id: UUID) -> None:
    """Have the payable's open orders made unpayable after the caller's commit."""
    await publish(session, PAYMENT_ABANDON, {"payable_kind": payable_kind, "payable_id": str(payable_id)})


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
        await _abandon_payment(runtime, tenant, payment_id)


async def _abandon_payment(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> None:
    answer = await ask_provider(runtime, tenant, payment_id)
    async with runtime.database.tenant(tenant) as session:
        payment = await (record_answer(session, answer) if answer else get_payment(session, payment_id))
        attempts = await PaymentRepository(session).list_attempts(payment_id)
    if answer is not None and not answer.is_conclusive:
        raise OutcomeUnknownError(str(answer.failure_code))
    still_open = [attempt for attempt in attempts if attempt.status in OPEN_ATTEMPTS and attempt.provider_ref]
    if not still_open:
        return
    provider = await provider_for(runtime, tenant, payment.method)
    if not provider.capabilities().online:
        await _close_offline(runtime, tenant, payment_id)
        return
    snapshots = [
        (attempt.id, await provider.cancel(str(attempt.provider_ref), idempotency_key=f"cancel:{attempt.id}"))
        for attempt in still_open
    ]
    async with runtime.database.tenant(tenant) as session:
        await apply_reading(session, Reading(payment_id, snapshots))


async def _close_offline(runtime: Runtime, tenant: TenantContext, payment_id: UUID) -> None:
    async with runtime.database.tenant(tenant) as session:
        payment = await get_payment(session, payment_id, for_update=True)
        attempts = await PaymentRepository(session).list_attempts(payment_id)
        for attempt in attempts:
            attempt.status = advance_attempt(AttemptStatus(attempt.status), AttemptStatus.CANCELLED)
        _touch(payment, attempts)


def _touch(payment: Payment, attempts: Sequence[PaymentAttempt]) -> None:
    """Let the payment's status follow from its attempts and amounts."""
    facts = Facts(
        attempts=[AttemptStatus(attempt.status) for attempt in attempts],
        amount_minor=payment.amount_minor,
        captured_minor=payment.captured_minor,
        refunded_minor=payment.refunded_minor,
    )
    status = derive_status(PaymentStatus(payment.status), facts)
    if status != payment.status:
        payment.status, payment.updated_at = status, clock.now()


async def refresh_status(session: TenantSession, payment: Payment) -> None:
    """Derive the status of a locked payment again, after one of its amounts changed."""
    _touch(payment, await PaymentRepository(session).list_attempts(payment.id))


def ledger_line(
    payment: Payment, kind: str, amount_minor: int, *, refund_id: UUID | None = None, provider_ref: str | None = None
) -> LedgerEntry:
    """A new line of the books: money in is positive, money out negative."""
    return LedgerEntry(
        id=new_id(),
        payment_id=payment.id,
        refund_id=refund_id,
        kind=kind,
        amount_minor=amount_minor,
        currency=payment.currency,
        provider_ref=provider_ref,
        created_at=clock.now(),
    )


async def get_payment(
    session: TenantSession, payment_id: UUID, *, client_id: UUID | None = None, for_update: bool = False
) -> Payment:
    """A payment by id, of one client if ``client_id`` is given. Raises :class:`NotFoundError`."""
    payment = await PaymentRepository(session).find(payment_id, for_update=for_update)
    if payment is None or (client_id is not None and payment.client_id != client_id):
        raise NotFoundError
    return payment


async def lock_payments_of_payable(session: TenantSession, payable_kind: str, payable_id: UUID) -> list[Payment]:
    """Lock a payable's payments, oldest first; to be done before the payable's own row is locked."""
    return await PaymentRepository(session).list_of_payable(payable_kind, payable_id, for_update=True)


async def lock_payments_of_payables(
    session: TenantSession, payable_kind: str, payable_ids: Sequence[UUID]
) -> set[UUID]:
    """The same for several payables at once; answers the ids of the payments that are locked now."""
    return await PaymentRepository(session).lock_all_of_payables(payable_kind, payable_ids)


async def list_payment_ids(session: TenantSession, payable_kind: str, payable_ids: Sequence[UUID]) -> set[UUID]:
    """The payments of several payables, by their ids."""
    return await PaymentRepository(session).list_ids_of_payables(payable_kind, payable_ids)


async def lock_payments_of_client(session: TenantSession, client_id: UUID) -> None:
    """Lock all of a client's payments; to be done before any of what they pay for is locked."""
    await PaymentRepository(session).lock_all_of_client(client_id)


async def paid_payables(session: TenantSession, payable_kind: str, payable_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these payables for which anybody ever began to pay."""
    return await PaymentRepository(session).find_paid_payables(payable_kind, payable_ids)


async def has_other_applied_payment(session: TenantSession, payment: Payment, given_back_causes: Sequence[str]) -> bool:
    """Whether the payable stands on another payment already (see the repository). Ask under the payable's lock."""
    return await PaymentRepository(session).has_other_applied_payment(payment, given_back_causes)


async def latest_attempt(session: TenantSession, payment_id: UUID) -> PaymentAttempt:
    """The newest attempt of a payment; there is always one."""
    return (await PaymentRepository(session).latest_attempts([payment_id]))[payment_id]


async def latest_attempts(session: TenantSession, payments: Sequence[Payment]) -> dict[UUID, PaymentAttempt]:
    """The newest attempt of each of these payments."""
    return await PaymentRepository(session).latest_attempts([payment.id for payment in payments])


async def list_payments(
    session: TenantSession,
    *,
    status: str | None = None,
    client_id: UUID | None = None,
    payable_id: UUID | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[Payment], str | None]:
    """A page of payments, newest first."""
    return await PaymentRepository(session).page(
        status=status, client_id=client_id, payable_id=payable_id, limit=limit, cursor=cursor
    )


def next_action_of(payment: Payment, attempt: PaymentAttempt) -> dict[str, str] | None:
    """What the customer has to do now, or None."""
    waits = payment.status == PaymentStatus.REQUIRES_ACTION and attempt.status == AttemptStatus.AWAITING_CUSTOMER
    return attempt.next_action if waits else None
