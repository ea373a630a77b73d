"""Payments as rows: opening one, finding it, letting its status follow from its facts.

A provider is never called inside a transaction. Each use case (``asking``, ``settling``, ``abandoning``) reads,
calls the provider, then locks the payment's row and applies what was learnt; so it may be repeated, or run twice
at once, without counting money twice. The payment's row is locked before the payable's, everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing.accounts.service import get_usable_account
from billing.cards import service as cards
from billing.payments.errors import AlreadyPaidError
from billing.payments.events import PAYMENT_ABANDON, PAYMENT_CHECK
from billing.payments.models import AttemptStatus, LedgerEntry, Payment, PaymentAttempt, PaymentStatus
from billing.payments.repository import Kinds, PaymentRepository
from billing.payments.transitions import OPEN_ATTEMPTS, UNSENT_ATTEMPTS, Facts, derive_status
from billing.platform_fees.service import fee_of
from billing.providers.port import Flow
from tenants.settings.service import NEEDS_ACCOUNT
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.settings import Settings

ADDS_UP = frozenset({"appointment_balance"})
"""Kinds that may be paid in several parts: their owner says what is left, and what was too much."""

MAX_DESCRIPTION = 200
FIRST_CHECK = timedelta(minutes=5)
"""How long after its making an order is looked at, whatever webhooks and browsers have told by then."""


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
class Manner:
    """How a client wants to pay: by which method, over which of the provider's flows, and where to go afterwards.

    ``saves_card``: the client agreed that the provider keeps the card for later. ``saved_card_id``: nobody is asked,
    this kept card is charged.
    """

    method: str
    return_url: str
    cancel_url: str
    flow: Flow = Flow.REDIRECT
    locale: str | None = None
    saves_card: bool = False
    saved_card_id: UUID | None = None


async def open_payment(session: TenantSession, settings: Settings, payable: Payable, manner: Manner) -> Payment:
    """A payment with an attempt that is yet to be sent, or the one of this manner that is open already.

    A double click thus makes one order. The practice's account at the provider and the platform's fee are those of
    this moment. Raises :class:`AlreadyPaidError` if the payable's money is here, and
    :class:`~billing.accounts.errors.AccountNotUsableError` where the method needs an account that does not work.
    """
    payments = PaymentRepository(session)
    await payments.lock_payable(payable.id)
    existing = await payments.list_of_payable(payable.kind, payable.id)
    if payable.kind not in ADDS_UP and any(
        is_money_kept(payment) and payment.captured_minor >= payment.amount_minor for payment in existing
    ):
        raise AlreadyPaidError
    latest = await payments.latest_attempts([payment.id for payment in existing])
    for payment in existing:
        if _is_same(payment, payable, manner) and _waits_for_customer(payment, latest.get(payment.id)):
            return payment
    account = await get_usable_account(session, settings, manner.method) if manner.method in NEEDS_ACCOUNT else None
    now = clock.now()
    payment = Payment(
        id=new_id(),
        payable_kind=payable.kind,
        payable_id=payable.id,
        client_id=payable.client_id,
        method=manner.method,
        status=PaymentStatus.REQUIRES_ACTION,
        currency=payable.amount.currency,
        amount_minor=payable.amount.amount,
        captured_minor=0,
        refund_pending_minor=0,
        refunded_minor=0,
        disputed_minor=0,
        platform_fee_minor=fee_of(session.tenant, manner.method, payable.amount),
        fee_taken_minor=0,
        fee_returned_minor=0,
        flow=manner.flow,
        locale=manner.locale,
        saves_card=manner.saves_card,
        saved_card_id=manner.saved_card_id,
        description=payable.description[:MAX_DESCRIPTION],
        return_url=manner.return_url,
        cancel_url=manner.cancel_url,
        created_at=now,
        updated_at=now,
    )
    payments.add(payment)
    await payments.flush()  # the attempt's foreign key
    payments.add(
        PaymentAttempt(
            id=new_id(),
            payment_id=payment.id,
            provider=manner.method,
            status=AttemptStatus.CREATED,
            expires_at=payable.expires_at,
            account_id=account.id if account is not None else None,
            mode=account.mode if account is not None else None,
            created_at=now,
            updated_at=now,
        )
    )
    await payments.flush()  # the caller may answer from it
    if manner.saves_card and account is not None:
        await cards.begin_with_payment(
            session, payable.client_id, account.id, payment.id, manner.locale or session.tenant.locale
        )
    if account is not None:
        await publish(session, PAYMENT_CHECK, {"payment_id": str(payment.id)}, run_at=now + FIRST_CHECK)
    return payment


def _is_same(payment: Payment, payable: Payable, manner: Manner) -> bool:
    return (
        payment.method == manner.method
        and payment.flow == manner.flow
        and payment.saves_card == manner.saves_card
        and payment.saved_card_id == manner.saved_card_id
        and Money(payment.amount_minor, payment.currency) == payable.amount
    )


def is_money_kept(payment: Payment) -> bool:
    """Whether any of its money is with the practice and stays there."""
    return payment.captured_minor > payment.refunded_minor + payment.refund_pending_minor


def _waits_for_customer(payment: Payment, attempt: PaymentAttempt | None) -> bool:
    return (
        payment.status == PaymentStatus.REQUIRES_ACTION
        and payment.captured_minor == 0
        and attempt is not None
        and attempt.status in UNSENT_ATTEMPTS | {AttemptStatus.AWAITING_CUSTOMER}
        and not _has_lapsed(attempt)
    )


def _has_lapsed(attempt: PaymentAttempt) -> bool:
    """Whether the provider lets nobody pay it any more, though nobody has asked it since."""
    return attempt.expires_at is not None and attempt.expires_at <= clock.now()


async def lock_opening(session: TenantSession, payable_id: UUID) -> None:
    """Let nobody else open payments of this payable meanwhile; first of all its locks, as :func:`open_payment` does."""
    await PaymentRepository(session).lock_payable(payable_id)


async def request_abandon(session: TenantSession, payable_kind: str, payable_id: UUID) -> None:
    """Have the payable's open orders made unpayable after the caller's commit."""
    await publish(session, PAYMENT_ABANDON, {"payable_kind": payable_kind, "payable_id": str(payable_id)})


def touch(payment: Payment, attempts: Sequence[PaymentAttempt]) -> None:
    """Let the payment's status follow from its attempts and amounts.

    What the customer was given to pay with (an address, the secret of a form) is forgotten once it is of no use.
    """
    for attempt in attempts:
        if attempt.status not in OPEN_ATTEMPTS and attempt.next_action is not None:
            attempt.next_action = None
    facts = Facts(
        attempts=[AttemptStatus(attempt.status) for attempt in attempts],
        amount_minor=payment.amount_minor,
        captured_minor=payment.captured_minor,
        refunded_minor=payment.refunded_minor,
        disputed_minor=payment.disputed_minor,
    )
    status = derive_status(PaymentStatus(payment.status), facts)
    if status != payment.status:
        payment.status, payment.updated_at = status, clock.now()


async def refresh_status(session: TenantSession, payment: Payment) -> None:
    """Derive the status of a locked payment again, after one of its amounts changed."""
    touch(payment, await PaymentRepository(session).list_attempts(payment.id))


def ledger_line(
    payment: Payment,
    kind: str,
    amount_minor: int,
    *,
    refund_id: UUID | None = None,
    provider_ref: str | None = None,
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


async def lock_payments_of_payable(session: TenantSession, payable_kind: Kinds, payable_id: UUID) -> list[Payment]:
    """Lock a payable's payments, oldest first; to be done before the payable's own row is locked."""
    return await PaymentRepository(session).list_of_payable(payable_kind, payable_id, for_update=True)


async def lock_payments_of_payables(
    session: TenantSession, payable_kind: Kinds, payable_ids: Sequence[UUID]
) -> set[UUID]:
    """The same for several payables at once; answers the ids of the payments that are locked now."""
    return await PaymentRepository(session).lock_all_of_payables(payable_kind, payable_ids)


async def list_payment_ids(session: TenantSession, payable_kind: Kinds, payable_ids: Sequence[UUID]) -> set[UUID]:
    """The payments of several payables, by their ids."""
    return await PaymentRepository(session).list_ids_of_payables(payable_kind, payable_ids)


async def lock_payments_of_client(session: TenantSession, client_id: UUID) -> None:
    """Lock all of a client's payments; to be done before any of what they pay for is locked."""
    await PaymentRepository(session).lock_all_of_client(client_id)


async def paid_payables(session: TenantSession, payable_kind: Kinds, payable_ids: Sequence[UUID]) -> set[UUID]:
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
    return attempt.next_action if waits and not _has_lapsed(attempt) else None
