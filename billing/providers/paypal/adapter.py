"""PayPal by the practice's own application: orders that the client approves there and we capture.

Nobody can cancel an order at PayPal. What we gave up is closed on our side: a closed attempt is only ever read, so a
client who approves it late is not charged.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from billing.accounts.service import AccountAccess
from billing.providers.paypal import verification
from billing.providers.paypal.amounts import refusal_of, to_amount
from billing.providers.paypal.client import PayPalClient
from billing.providers.paypal.disputes import disputes_of
from billing.providers.paypal.events import read_event
from billing.providers.paypal.missed import missed_events
from billing.providers.paypal.refusals import IN_PROGRESS
from billing.providers.paypal.snapshots import (
    APPROVAL_WINDOW,
    Order,
    refund_result,
    refund_seen,
    snapshot_of,
)
from billing.providers.paypal.transport import endpoint_of
from billing.providers.port import (
    Capabilities,
    DeclinedError,
    DisputeSeen,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ProviderMisconfiguredError,
    ProviderState,
    RefundOrder,
    RefundResult,
    Snapshot,
    Started,
    StartRequest,
    VerifiedEvent,
)
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import PaymentMode

NAME = "paypal"
ORDERS_PATH = "/v2/checkout/orders"
CAPTURES_PATH = "/v2/payments/captures"
REFUNDS_PATH = "/v2/payments/refunds"
MAX_KEY = 108
"""The longest ``PayPal-Request-Id`` that orders take (the contract's own limit)."""

RECOVERABLE = frozenset({"instrument_declined", "payer_action_required", "redirect_payer_for_alternate_funding"})
"""Refusals of a capture that leave the order open: the client approves again, with another card or bank."""

_STILL_OPEN = frozenset({"order_not_approved"})
_DONE_BEFORE = frozenset({"order_already_captured", "duplicate_invoice_id"})
_REFUND_DONE_BEFORE = frozenset({"duplicate_invoice_id", "capture_fully_refunded", "refund_amount_exceeded"})
_REF = re.compile(r"[A-Za-z0-9-]{1,64}")
_LOCALES = {"es": "es-ES", "en": "en-GB", "ca": "ca-ES", "fr": "fr-FR", "de": "de-DE", "it": "it-IT", "pt": "pt-PT"}
_DESCRIPTIONS = {"es": "Cita o servicio", "en": "Appointment or service"}
"""What PayPal is told that is paid for. The name of a service may tell of somebody's health; this tells nothing."""


class PayPalProvider:
    """One practice's PayPal account, by the credentials of its application.

    No fee for the platform can be taken (``PLATFORM_FEES_NOT_SUPPORTED``), so none is ever asked for.
    """

    def __init__(self, runtime: Runtime, access: AccountAccess) -> None:
        self._settings = runtime.settings
        self._access = access

    @property
    def name(self) -> str:
        """The method's name in the API."""
        return NAME

    def capabilities(self) -> Capabilities:
        """Everything but fees for the platform, forms on our pages and cards to keep."""
        return Capabilities(online=True, webhooks=True, partial_refund=True, platform_fee=False)

    async def start(self, request: StartRequest) -> Started:
        """An order that the client approves on PayPal's page; the same order again by the same key.

        ``custom_id`` and ``invoice_id`` are the attempt's id: the one comes back in every reading, the other lets
        PayPal itself refuse a second payment of the attempt.
        """
        body = await self._client().post(ORDERS_PATH, _order_body(request), key=_key(request.idempotency_key))
        order = Order(body)
        url = order.approval_url
        if not _REF.fullmatch(order.ref) or (url is not None and not self._is_paypals(url)):
            raise ProviderMisconfiguredError("unreadable_order")
        window = request.made_at + APPROVAL_WINDOW if request.made_at is not None else None
        return Started(
            provider_ref=order.ref,
            state=ProviderState.AWAITING_CUSTOMER,
            provider_status=order.status,
            next_action={"type": "redirect", "url": url} if url is not None else None,
            expires_at=min((at for at in (request.expires_at, window) if at is not None), default=None),
        )

    async def fetch(self, provider_ref: str) -> Snapshot:
        """The order as it stands, with its refunds and disputes. Never captures."""
        order = await self._order(provider_ref)
        return await self._snapshot(order)

    async def settle(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """Capture an order that the client approved, then tell how it stands.

        An instrument that was declined leaves the order open, with the reason as ``failure_code``. Where somebody else
        captures at the same moment, the order is told as it is.
        """
        order = await self._order(provider_ref)
        if not order.is_to_be_captured:
            return await self._snapshot(order)
        try:
            body = await self._client().post(
                f"{ORDERS_PATH}/{order.ref}/capture", {}, key=_key(_capture_key(idempotency_key, order))
            )
        except OutcomeUnknownError as error:
            if error.code not in IN_PROGRESS:
                raise
            return await self._snapshot(await self._order(provider_ref))
        except DeclinedError as error:
            return await self._after_refused_capture(provider_ref, error.code)
        captured = Order(body)
        # An answer without the unit (another ``Prefer``) is no answer to work with.
        return self._plain(captured) if captured.body.get("purchase_units") else await self.fetch(provider_ref)

    async def cancel(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """Give an unpaid order up: PayPal has no such call, so only our side closes; a paid one is told as paid."""
        snapshot = await self._snapshot(await self._order(provider_ref))
        if snapshot.state is ProviderState.AWAITING_CUSTOMER:
            return replace(snapshot, state=ProviderState.CANCELLED)
        return snapshot

    async def refund(self, order: RefundOrder) -> RefundResult:
        """Give part of a capture back. ``custom_id`` and ``invoice_id`` are the refund's id, so a listing finds it.

        A refusal that may mean that it was made before (its answer was lost longer ago than PayPal remembers keys) is
        settled by looking for it.
        """
        refusal = refusal_of(order.amount)
        if refusal is not None:  # half a forint, say
            raise DeclinedError(f"amount_{refusal}")
        capture_ref = order.charge_ref or await self._capture_ref(order.provider_ref)
        asked = {
            "amount": to_amount(order.amount),
            "custom_id": str(order.refund_id),
            "invoice_id": str(order.refund_id),
        }
        path = f"{CAPTURES_PATH}/{_ref(capture_ref)}/refund"
        try:
            return refund_result(await self._client().post(path, asked, key=_key(order.idempotency_key)))
        except DeclinedError as error:
            made = await self._find_refund(order) if error.code in _REFUND_DONE_BEFORE else None
            if made is None:
                raise
            return made

    async def fetch_refund(self, provider_ref: str, refund_ref: str) -> RefundResult:
        """How a refund stands."""
        return refund_result(await self._client().get(f"{REFUNDS_PATH}/{_ref(refund_ref)}"))

    async def read_webhook(self, headers: Mapping[str, str], body: bytes) -> VerifiedEvent:
        """The event in a body that PayPal signed for the practice's own webhook."""
        await verification.verify(self._settings, self._access, headers, body)
        return replace(read_event(body), is_live=self._is_live)

    async def missed_events(self, since: datetime) -> Sequence[VerifiedEvent]:
        """Events that PayPal could not deliver, as far as it says so."""
        found = await missed_events(self._client(), since)
        return [replace(one, is_live=self._is_live) for one in found]

    @property
    def _is_live(self) -> bool:
        return self._access.mode == PaymentMode.LIVE

    def _client(self) -> PayPalClient:
        return PayPalClient.of(self._settings, self._access)

    async def _order(self, provider_ref: str) -> Order:
        return Order(await self._client().get(f"{ORDERS_PATH}/{_ref(provider_ref)}"))

    async def _capture_ref(self, provider_ref: str) -> str:
        money = (await self._order(provider_ref)).money
        if not money:
            raise DeclinedError("nothing_captured")
        return str(money[0].get("id"))

    async def _find_refund(self, order: RefundOrder) -> RefundResult | None:
        listed = await self._order(order.provider_ref)
        for one in listed.refunds:
            if refund_seen(one, listed).refund_id == order.refund_id:
                return refund_result(one)
        return None

    async def _snapshot(self, order: Order, failure_code: str | None = None) -> Snapshot:
        """With the disputes of money that came."""
        disputes: Sequence[DisputeSeen] | None = None
        if order.money:
            disputes = await disputes_of(self._client(), str(order.money[0].get("id")))
        return snapshot_of(order, is_live=self._is_live, failure_code=failure_code, disputes=disputes)

    def _plain(self, order: Order) -> Snapshot:
        """What was captured this moment has no disputes yet."""
        return snapshot_of(order, is_live=self._is_live)

    async def _after_refused_capture(self, provider_ref: str, code: str) -> Snapshot:
        """What a refusal means is seen in the order: still open, paid after all, or dead."""
        order = await self._order(provider_ref)
        if code in _STILL_OPEN or order.money:
            return await self._snapshot(order)
        if code in RECOVERABLE:
            return await self._snapshot(order, failure_code=code)
        if code in _DONE_BEFORE:
            # Paid, says PayPal, and the order shows no money: by another order of the same attempt, perhaps.
            raise ProviderMisconfiguredError(code)
        snapshot = await self._snapshot(order, failure_code=code)
        is_open = snapshot.state is ProviderState.AWAITING_CUSTOMER
        return replace(snapshot, state=ProviderState.DECLINED) if is_open else snapshot

    def _is_paypals(self, url: str) -> bool:
        """Whether a client may be sent there."""
        parts = urlsplit(url)
        if self._settings.providers.paypal.api_base:
            return parts.netloc == urlsplit(endpoint_of(self._settings, self._access.mode)).netloc
        host = parts.hostname or ""
        return parts.scheme == "https" and (host == "paypal.com" or host.endswith(".paypal.com"))


def _order_body(request: StartRequest) -> dict[str, object]:
    language = request.locale.replace("_", "-").split("-")[0].lower()
    context = {
        "return_url": request.return_url,
        "cancel_url": request.cancel_url,
        "shipping_preference": "NO_SHIPPING",
        "user_action": "PAY_NOW",
    }
    if language in _LOCALES:
        context["locale"] = _LOCALES[language]
    if request.payee_name:
        context["brand_name"] = request.payee_name[:127]
    unit = {
        "reference_id": "default",
        "custom_id": str(request.attempt_id),
        "invoice_id": str(request.attempt_id),
        "description": _DESCRIPTIONS.get(language, _DESCRIPTIONS["en"]),
        "amount": to_amount(request.amount),
    }
    source = {"paypal": {"experience_context": context}}
    return {"intent": "CAPTURE", "purchase_units": [unit], "payment_source": source}


def _capture_key(idempotency_key: str, order: Order) -> str:
    """The capture's key for this approval and this minute.

    PayPal answers a known key for hours with what it answered before, a decline too; a client who approves again with
    another card would never be charged. So a key is good for repeating a call whose answer was lost just now, and not
    for longer. Two keys can't take money twice: an order is captured once, whatever the keys, and so is an
    ``invoice_id``.
    """
    approval = f"{order.body.get('update_time', '')}/{clock.now():%Y%m%d%H%M}"
    return f"{idempotency_key}:{hashlib.sha256(approval.encode()).hexdigest()[:12]}"


def _key(value: str) -> str:
    if len(value) > MAX_KEY:
        raise ProviderMisconfiguredError("key_too_long")
    return value


def _ref(value: str) -> str:
    """A reference that may be part of an address. Raises :class:`ObjectNotFoundError` for what can be none."""
    if not _REF.fullmatch(value):
        raise ObjectNotFoundError("not_a_reference")
    return value
