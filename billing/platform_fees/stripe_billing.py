"""The platform's own Stripe account: customers, prices, subscriptions, their pages and events.

The only file of the platform's charging that knows the SDK. Its client is synchronous and runs in a thread: an async
one belongs to one event loop, and the API, the worker and the tests each have theirs.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar, cast

import stripe

from billing.platform_fees.port import (
    CheckoutOrder,
    HostedPage,
    NewCustomer,
    PlatformNotice,
    SubscriptionSnapshot,
)
from billing.providers.port import (
    DeclinedError,
    InvalidSignatureError,
    NotAuthorisedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ProviderMisconfiguredError,
)
from tenants.plans.models import SubscriptionStatus
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.money import Money
from todoenbalance.kit.settings import PaymentMode, StripeSettings

NAME = "stripe"
T = TypeVar("T")
_log = get_logger("billing.platform_fees.stripe")

_TIMEOUT_SECONDS = (3.0, 20.0)
_TOLERANCE_SECONDS = 300
_STATUSES = {
    "trialing": SubscriptionStatus.TRIALING,
    "active": SubscriptionStatus.ACTIVE,
    "past_due": SubscriptionStatus.PAST_DUE,
    "unpaid": SubscriptionStatus.UNPAID,
    "paused": SubscriptionStatus.UNPAID,  # a trial that ended without a means of payment
    "canceled": SubscriptionStatus.CANCELED,
}
"""``incomplete`` and ``incomplete_expired`` are left out: nobody has subscribed yet."""

stripe.enable_telemetry = False  # it writes an id into the home directory


@lru_cache(maxsize=4)
def _client(key: str, base: str | None) -> stripe.StripeClient:
    """One per key and process: its connections are kept. No retries are made unless they are asked for."""
    bases: Any = {"api": base, "connect": base, "files": base} if base else None
    return stripe.StripeClient(
        key,
        base_addresses=bases,
        max_network_retries=2,
        http_client=stripe.RequestsClient(timeout=cast("Any", _TIMEOUT_SECONDS)),
    )


def _key(idempotency_key: str) -> Any:
    """The options of a call that changes something; a name that the SDK does not know it would pass over in silence."""
    return {"idempotency_key": idempotency_key}


class StripePlatformBilling:
    """Fits ``billing.platform_fees.port.PlatformBilling``."""

    name = NAME

    def __init__(self, settings: StripeSettings) -> None:
        self._settings = settings

    @property
    def _api(self) -> Any:
        return _client(self._settings.secret_key.get_secret_value(), self._settings.api_base).v1

    async def create_customer(self, customer: NewCustomer, *, idempotency_key: str) -> str:
        """See the port."""
        params: dict[str, Any] = {
            "name": customer.name,
            "metadata": {"practice": customer.tenant_key},
            "preferred_locales": [customer.locale],
        }
        if customer.email:
            params["email"] = customer.email
        made = await self._ask(lambda: self._api.customers.create(params, _key(idempotency_key)))
        return str(made.id)

    async def create_price(self, plan_code: str, plan_name: str, amount: Money, *, idempotency_key: str) -> str:
        """See the port."""
        params: dict[str, Any] = {
            "currency": amount.currency.lower(),
            "unit_amount": amount.amount,
            "recurring": {"interval": "month"},
            "product_data": {"name": plan_name, "metadata": {"plan": plan_code}},
            "metadata": {"plan": plan_code},
        }
        return str((await self._ask(lambda: self._api.prices.create(params, _key(idempotency_key)))).id)

    async def start_checkout(self, order: CheckoutOrder, *, idempotency_key: str) -> HostedPage:
        """See the port."""
        marks = {"practice": order.tenant_key, "plan": order.plan_code}
        params: dict[str, Any] = {
            "mode": "subscription",
            "customer": order.customer_ref,
            "line_items": [{"price": order.price_ref, "quantity": 1}],
            "success_url": order.return_url,
            "cancel_url": order.cancel_url,
            "locale": order.locale,
            "expires_at": int(order.expires_at.timestamp()),
            "client_reference_id": order.tenant_key,
            "metadata": marks,
            "subscription_data": {"metadata": marks},
        }
        session = await self._ask(lambda: self._api.checkout.sessions.create(params, _key(idempotency_key)))
        if not session.url:
            raise ProviderMisconfiguredError("no_checkout_page")
        return HostedPage(str(session.id), str(session.url))

    async def end_checkout(self, checkout_ref: str) -> bool:
        """See the port. Stripe refuses to end a session that is complete or over, so what it is now is read then."""
        try:
            await self._ask(lambda: self._api.checkout.sessions.expire(checkout_ref))
        except DeclinedError:
            session = await self._ask(lambda: self._api.checkout.sessions.retrieve(checkout_ref))
            return str(session.status) != "complete"
        return True

    async def open_portal(self, customer_ref: str, *, return_url: str, locale: str) -> str:
        """See the port."""
        params: dict[str, Any] = {"customer": customer_ref, "return_url": return_url, "locale": locale}
        return str((await self._ask(lambda: self._api.billing_portal.sessions.create(params))).url)

    async def list_subscriptions(self, customer_ref: str) -> list[SubscriptionSnapshot]:
        """See the port."""
        params: dict[str, Any] = {"customer": customer_ref, "status": "all", "limit": 100}
        found = await self._ask(lambda: self._api.subscriptions.list(params))
        snapshots = (_snapshot(one) for one in found.data)
        return sorted((one for one in snapshots if one is not None), key=lambda one: one.created_at, reverse=True)

    async def change_price(
        self, subscription: SubscriptionSnapshot, price_ref: str, plan_code: str, *, idempotency_key: str
    ) -> None:
        """See the port."""
        params: dict[str, Any] = {
            "items": [{"id": subscription.item_ref, "price": price_ref}],
            "metadata": {"plan": plan_code},
            "proration_behavior": "create_prorations",
            "cancel_at_period_end": False,
        }
        await self._ask(lambda: self._api.subscriptions.update(subscription.ref, params, _key(idempotency_key)))

    async def end_with_period(self, subscription_ref: str, *, idempotency_key: str) -> None:
        """See the port."""
        params: dict[str, Any] = {"cancel_at_period_end": True}
        await self._ask(lambda: self._api.subscriptions.update(subscription_ref, params, _key(idempotency_key)))

    async def add_invoice_item(
        self, customer_ref: str, subscription_ref: str, amount: Money, description: str, *, idempotency_key: str
    ) -> str:
        """See the port."""
        params: dict[str, Any] = {
            "customer": customer_ref,
            "subscription": subscription_ref,
            "amount": amount.amount,
            "currency": amount.currency.lower(),
            "description": description,
        }
        return str((await self._ask(lambda: self._api.invoice_items.create(params, _key(idempotency_key)))).id)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> PlatformNotice:
        """See the port. Any of several secrets will do, while one is being replaced; none is none."""
        given = self._settings.platform_webhook_secret.get_secret_value()
        secrets = [secret.strip() for secret in given.split(",") if secret.strip()]
        if not any(_is_signed(body, headers.get("stripe-signature", ""), secret) for secret in secrets):
            raise InvalidSignatureError("signature_mismatch")
        try:
            return notice_of(json.loads(body))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidSignatureError("malformed") from error

    @property
    def is_live(self) -> bool:
        """Whether the key is one for real money."""
        return self._settings.mode is PaymentMode.LIVE

    async def _ask(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(call)
        except stripe.StripeError as error:
            raise _translated(error) from error


def notice_of(event: Mapping[str, Any]) -> PlatformNotice:
    """Of a verified event. Raises ``KeyError`` for what is none, or is a connected account's."""
    if event.get("account"):
        raise KeyError("account")
    subject = event["data"]["object"]
    customer = subject["id"] if subject.get("object") == "customer" else subject.get("customer")
    if isinstance(customer, Mapping):
        customer = customer.get("id")
    return PlatformNotice(str(event["id"]), str(event["type"]), customer, bool(event["livemode"]))


def _is_signed(body: bytes, header: str, secret: str) -> bool:
    """Whether ``secret`` signed the raw bytes lately, by our clock."""
    try:
        text = body.decode()
        stripe.WebhookSignature.verify_header(text, header, secret, tolerance=None)
        stamp = next(part.partition("=")[2] for part in header.split(",") if part.strip().startswith("t="))
        return abs(clock.now().timestamp() - int(stamp)) <= _TOLERANCE_SECONDS
    except (stripe.SignatureVerificationError, UnicodeDecodeError, ValueError, StopIteration):
        return False


def _snapshot(found: Any) -> SubscriptionSnapshot | None:
    """Ours in our words; None while nobody has subscribed by it."""
    status = _STATUSES.get(str(found.status))
    if status is None or not found.items.data:
        return None
    item = found.items.data[0]
    marks = found.metadata.to_dict()
    cancel_at = found.cancel_at or (item.current_period_end if found.cancel_at_period_end else None)
    return SubscriptionSnapshot(
        ref=str(found.id),
        item_ref=str(item.id),
        status=status,
        plan_code=marks.get("plan"),
        period_start=_instant(item.current_period_start),
        period_end=_instant(item.current_period_end),
        cancel_at=_instant(cancel_at) if cancel_at else None,
        created_at=_instant(found.created),
    )


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _translated(error: stripe.StripeError) -> Exception:
    """In the port's words: no message of Stripe's, which may repeat what was sent."""
    code = error.code or type(error).__name__
    _log.warning("stripe_refused", code=code, status=error.http_status, request_id=error.request_id)
    if isinstance(error, stripe.APIConnectionError | stripe.RateLimitError | stripe.APIError):
        return OutcomeUnknownError(code)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return NotAuthorisedError(code)
    if isinstance(error, stripe.IdempotencyError):
        # The key is being used by a request under way (409), or was used for other words (a fault of ours).
        return OutcomeUnknownError(code) if error.http_status == 409 else ProviderMisconfiguredError(code)
    if isinstance(error, stripe.InvalidRequestError) and error.code == "resource_missing":
        return ObjectNotFoundError(code)
    return DeclinedError(code)
