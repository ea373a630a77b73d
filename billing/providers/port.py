"""What billing asks of a payment provider, in our own words.

One adapter instance is one practice's account at one provider in one mode; no call takes a practice, so
none can cross. Amounts are :class:`~todoenbalance.kit.money.Money`; an adapter alone knows the provider's
form of them. Every call that changes something at the provider is idempotent by the key it is given: the
same key never makes a second order, moves money twice or gives it back twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from todoenbalance.kit.money import Money


class ProviderState(StrEnum):
    """How far an order is at the provider. The values are those of ``AttemptStatus`` that a provider can know."""

    AWAITING_CUSTOMER = "awaiting_customer"
    PROCESSING = "processing"
    CAPTURED = "captured"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class RefundState(StrEnum):
    """How far a refund is at the provider; the values of ``RefundStatus``."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Flow(StrEnum):
    """How the customer gets to pay: sent to the provider's own page, or by the provider's form on ours."""

    REDIRECT = "redirect"
    ELEMENTS = "elements"


class DisputeState(StrEnum):
    """How far a dispute is: the practice must answer, the bank decides, decided for or against the practice."""

    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do.

    ``online``: the customer pays at the provider, which then knows more than we do; without it staff
    record the money, and there is nothing to read, cancel or be told by webhook. ``platform_fee``: the
    provider itself divides each payment, so a fee is taken and not merely owed. ``elements``: it has a form
    for pages of ours. ``saves_cards``: a card may be kept for later with the customer's consent.
    """

    online: bool
    webhooks: bool
    partial_refund: bool
    platform_fee: bool
    elements: bool = False
    saves_cards: bool = False


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One attempt to be paid. ``attempt_id`` comes back in every snapshot; ``idempotency_key`` is made from it.

    The provider sends the customer to ``return_url`` or ``cancel_url`` (absolute). ``expires_at``: from
    then on the money is not wanted any more. ``platform_fee_minor`` in the currency of ``amount``. ``locale``:
    the customer's language. ``saves_card_id``: our id of the card that the customer agreed to have kept, None where
    nothing is. ``payee_name``: the practice's name as its clients know it, for the provider's page. ``made_at``: when
    the attempt was first written down, so that what is asked again under the same key is asked in the same words.
    ``card``: charge this one, while the customer is away; :meth:`PaymentProvider.settle` then does it.
    """

    attempt_id: UUID
    idempotency_key: str
    amount: Money
    description: str
    return_url: str
    cancel_url: str
    expires_at: datetime | None = None
    platform_fee_minor: int = 0
    flow: Flow = Flow.REDIRECT
    locale: str = "en"
    saves_card_id: UUID | None = None
    payee_name: str = ""
    made_at: datetime | None = None
    card: "CardOnFile | None" = None


@dataclass(frozen=True, slots=True)
class Started:
    """An order that waits for the customer. ``next_action`` is what the API hands to the front end, or None."""

    provider_ref: str
    state: ProviderState
    provider_status: str
    next_action: Mapping[str, str] | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """A refund of an order as the provider lists it. ``refund_id``: our own row's id, None if it was not made here."""

    provider_ref: str
    amount_minor: int
    state: RefundState
    refund_id: UUID | None = None
    provider_status: str = ""


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """A dispute of an order as the provider tells it.

    ``evidence_due_by``: until when the practice may answer. ``is_withdrawn``: the money has been taken from the
    practice's balance (a mere inquiry takes nothing).
    """

    provider_ref: str
    amount_minor: int
    currency: str
    state: DisputeState
    reason: str
    provider_status: str
    opened_at: datetime
    evidence_due_by: datetime | None = None
    is_withdrawn: bool = True


@dataclass(frozen=True, slots=True)
class CardOnFile:
    """A card that a provider keeps for us: its names for the customer and for the card. Neither can be paid with."""

    customer_ref: str
    method_ref: str


@dataclass(frozen=True, slots=True)
class CardSeen:
    """The same with what its owner knows it by. ``expires_month`` counts from 1."""

    card: CardOnFile
    brand: str
    last_four: str
    expires_month: int
    expires_year: int


@dataclass(frozen=True, slots=True)
class CardRequest:
    """A card to be kept without a payment. ``made_at``: when it was first written down."""

    card_id: UUID
    return_url: str
    cancel_url: str
    locale: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class CardStarted:
    """Where the customer gives the card. ``setup_ref``: the provider's name for that."""

    setup_ref: str
    url: str | None


@dataclass(frozen=True, slots=True)
class CardReading:
    """How far that is: neither ``seen`` nor ``is_over`` while the customer may still give it.

    ``card_id``: our own id as the provider echoes it.
    """

    card_id: UUID | None
    seen: CardSeen | None
    is_over: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the provider holds true of one order at this moment.

    ``attempt_id`` and ``amount`` are the provider's echo of what we sent: they are compared with our row
    before anything is settled, and so is ``is_live`` (real money or the provider's test mode, None where there
    is no difference) with the account's mode. ``captured_minor`` and ``refunded_minor`` are sums so far.
    ``charge_ref``: the provider's name for the money itself, which refunds and disputes speak of.
    ``fee_minor``: the platform's fee as it was really taken, ``fee_returned_minor`` what went back of it so far (None
    where that was not asked). ``provider_fee_minor``: what the provider keeps.
    ``method_kind`` and ``last_four`` tell the customer's means of paying apart, nothing more.
    ``refunds`` and ``disputes``: all that the provider knows of, None where the reading did not ask for them.
    ``saved_card``: the card that was kept with the payment.
    """

    provider_ref: str
    state: ProviderState
    attempt_id: UUID | None
    amount: Money
    captured_minor: int
    refunded_minor: int
    provider_status: str
    failure_code: str | None = None
    charge_ref: str | None = None
    is_live: bool | None = None
    fee_minor: int | None = None
    fee_returned_minor: int | None = None
    provider_fee_minor: int | None = None
    method_kind: str | None = None
    last_four: str | None = None
    refunds: Sequence[RefundSeen] | None = None
    disputes: Sequence[DisputeSeen] | None = None
    saved_card: CardSeen | None = None


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """One refund to be made. ``refund_id`` is our row's id and comes back in every reading.

    ``provider_ref`` and ``charge_ref`` are the order's. ``returns_fee``: a fee was taken with the payment, and
    its share goes back with the money.
    """

    refund_id: UUID
    provider_ref: str
    charge_ref: str | None
    amount: Money
    cause: str
    idempotency_key: str
    returns_fee: bool = False


@dataclass(frozen=True, slots=True)
class RefundResult:
    """How a refund stands. ``provider_ref`` is the provider's name for the refund, None where it has none.

    ``fee_returned_total_minor``: what of the payment's platform fee has gone back so far, by all of its refunds.
    """

    state: RefundState
    provider_ref: str | None
    provider_status: str
    failure_code: str | None = None
    fee_returned_total_minor: int | None = None


class EventSubject(StrEnum):
    """What a webhook is about, and so what is read again because of it."""

    PAYMENT = "payment"
    ACCOUNT = "account"
    DISCONNECTED = "disconnected"
    PLATFORM = "platform"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class VerifiedEvent:
    """A webhook whose signature was right. A hint only: handlers re-read what it is about at the provider.

    ``is_known``: the type is one that we act on; others are kept as ignored. ``object_ref``: the order or the
    charge that it names, by which the payment is found. ``account_ref``: whose account at the provider it
    happened in. ``is_live``: real money or test mode, None where the provider has no such difference. ``attempt_id``:
    our own id as it was echoed; it finds the payment too, and is as little believed as anything else in an event.
    """

    event_id: str
    event_type: str
    is_known: bool
    object_ref: str | None
    body: Mapping[str, Any] = field(repr=False)
    subject: EventSubject = EventSubject.PAYMENT
    account_ref: str | None = None
    is_live: bool | None = None
    occurred_at: datetime | None = None
    attempt_id: UUID | None = None


class ProviderError(Exception):
    """A provider did not do what was asked. ``code`` is short and safe to store and to log."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class DeclinedError(ProviderError):
    """A definite no: nothing was made or moved, and asking again with the same key changes nothing."""


class OutcomeUnknownError(ProviderError):
    """No answer (time-out, broken connection, 5xx): it may have happened. Ask again later with the same key."""


class RateLimitedError(OutcomeUnknownError):
    """Too many calls: ask again, with the same key, after ``delay_seconds``."""

    def __init__(self, code: str, delay_seconds: float) -> None:
        super().__init__(code)
        self.delay_seconds = delay_seconds


class NotAuthorisedError(ProviderError):
    """The practice's account was disconnected or its credentials don't work any more."""


class ProviderMisconfiguredError(ProviderError):
    """We asked wrongly, or the provider may not be used here: repeating is useless, someone must look."""


class ObjectNotFoundError(ProviderError):
    """The provider knows nothing under that reference."""


class UnsupportedError(ProviderError):
    """This provider has no such thing; ``capabilities()`` says so beforehand."""


class InvalidSignatureError(ProviderError):
    """A webhook that the provider did not sign, or signed too long ago. ``code`` never quotes the body."""


class PaymentProvider(Protocol):
    """One practice's account at one provider.

    Every method may raise :class:`OutcomeUnknownError`, :class:`NotAuthorisedError` and
    :class:`ProviderMisconfiguredError`. None is called while a transaction of ours is open.
    """

    @property
    def name(self) -> str:
        """The method's name in the API: ``sandbox``, ``offline`` …"""
        ...

    def capabilities(self) -> Capabilities:
        """What this provider can do. No network."""
        ...

    async def start(self, request: StartRequest) -> Started:
        """Make an order that the customer can pay. Moves no money. Idempotent by the request's key.

        Raises :class:`DeclinedError` if the provider refuses to make one.
        """
        ...

    async def fetch(self, provider_ref: str) -> Snapshot:
        """How the order stands. Only reads. Raises :class:`ObjectNotFoundError`."""
        ...

    async def settle(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """Capture what the customer approved, where the provider needs that said, then read the order.

        May move money, at most once for a key. A customer who has not approved yet is a state of the
        snapshot, not an error. Raises :class:`ObjectNotFoundError`.
        """
        ...

    async def cancel(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """Make the order unpayable if it is still unpaid, then read it. Never moves money.

        An order that was paid first comes back as captured. Idempotent. Raises :class:`ObjectNotFoundError`.
        """
        ...

    async def refund(self, order: RefundOrder) -> RefundResult:
        """Give back part of a captured order. Moves money, at most once for the order's ``refund_id``.

        Raises :class:`DeclinedError` for a definite no, :class:`ObjectNotFoundError`.
        """
        ...

    async def fetch_refund(self, provider_ref: str, refund_ref: str) -> RefundResult:
        """How a refund stands. Only reads. Raises :class:`ObjectNotFoundError`."""
        ...

    async def read_webhook(self, headers: Mapping[str, str], body: bytes) -> VerifiedEvent:
        """The event in a webhook, once its signature over the raw bytes is right. Moves nothing.

        The one thing that may be asked for is the signer's certificate, once. ``headers`` with lower-case names.
        Raises :class:`InvalidSignatureError`, :class:`UnsupportedError`, and another :class:`ProviderError` when it
        can't be told at present (the provider delivers again).
        """
        ...

    async def missed_events(self, since: datetime) -> Sequence[VerifiedEvent]:
        """Events since then that the provider could not deliver to us, as far as it lists them. Only reads."""
        ...


class CardKeeper(Protocol):
    """A provider with which a customer's card can be kept, with their consent.

    Charging such a card is a payment like any other (``StartRequest.card``). Raises what :class:`PaymentProvider` does.
    """

    async def start_card(self, request: CardRequest) -> CardStarted:
        """Open the page on which the customer gives the card. Moves no money. Idempotent by the card's id."""
        ...

    async def fetch_card(self, setup_ref: str) -> CardReading:
        """What became of it. Only reads. Raises :class:`ObjectNotFoundError`."""
        ...

    async def forget_card(self, card: CardOnFile) -> None:
        """Have the provider forget the card and the customer that was made for it. Idempotent."""
        ...
