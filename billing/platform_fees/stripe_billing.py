"""The platform's own Stripe account: customers, prices, subscriptions, their pages and events."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from billing.platform_fees.port import (
    CheckoutOrder,
    HostedPage,
    NewCustomer,
    PlatformNotice,
    SubscriptionSnapshot,
)
from billing.providers.port import InvalidSignatureError, ProviderMisconfiguredError
from billing.providers.stripe.client import StripeApi, platform_api
from billing.providers.stripe.events import read_event, secrets_of
from tenants.plans.models import SubscriptionStatus
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money
from todoenbalance.kit.settings import Settings

NAME = "stripe"

_STATUSES = {
    "trialing": SubscriptionStatus.TRIALING,
    "active": SubscriptionStatus.ACTIVE,
    "past_due": SubscriptionStatus.PAST_DUE,
    "unpaid": SubscriptionStatus.UNPAID,
    "paused": SubscriptionStatus.UNPAID,  # a trial that ended without a means of payment
    "canceled": SubscriptionStatus.CANCELED,
}
"""``incomplete`` and ``incomplete_expired`` are left out: nobody has subscribed yet."""


class StripePlatformBilling:
    """Fits ``billing.platform_fees.port.PlatformBilling``."""

    name = NAME

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def _api(self) -> StripeApi:
        return platform_api(self._settings)

    async def create_customer(self, customer: NewCustomer, *, idempotency_key: str) -> str:
        """See the port."""
        params: dict[str, Any] = {
            "name": customer.name,
            "metadata": {"practice": customer.tenant_key},
            "preferred_locales": [customer.locale],
        }
        if customer.email:
            params["email"] = customer.email
        api = self._api
        return str((await api.write(api.client.v1.customers.create, key=idempotency_key, params=params)).id)

    async def create_price(self, plan_code: str, plan_name: str, amount: Money, *, idempotency_key: str) -> str:
        """See the port."""
        params: dict[str, Any] = {
            "currency": amount.currency.lower(),
            "unit_amount": amount.amount,
            "recurring": {"interval": "month"},
            "product_data": {"name": plan_name, "metadata": {"plan": plan_code}},
            "metadata": {"plan": plan_code},
        }
        api = self._api
        return str((await api.write(api.client.v1.prices.create, key=idempotency_key, params=params)).id)

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
        api = self._api
        session = await api.write(api.client.v1.checkout.sessions.create, key=idempotency_key, params=params)
        if not session.url:
            raise ProviderMisconfiguredError("no_checkout_page")
        return HostedPage(str(session.id), str(session.url))

    async def end_checkout(self, checkout_ref: str) -> bool:
        """See the port. Stripe refuses to end a session that is complete or over, so what it is now is read then."""
        api = self._api
        sessions = api.client.v1.checkout.sessions
        try:
            await api.write(sessions.expire, checkout_ref, key=f"end-page:{checkout_ref}", params={})
        except ProviderMisconfiguredError:
            return str((await api.read(sessions.retrieve, checkout_ref)).status) != "complete"
        return True

    async def open_portal(self, customer_ref: str, *, return_url: str, locale: str) -> str:
        """See the port."""
        params: dict[str, Any] = {"customer": customer_ref, "return_url": return_url, "locale": locale}
        api = self._api
        # Each visit has a page of its own: there is nothing to repeat.
        key = f"portal:{new_id()}"
        return str((await api.write(api.client.v1.billing_portal.sessions.create, key=key, params=params)).url)

    async def list_subscriptions(self, customer_ref: str) -> list[SubscriptionSnapshot]:
        """See the port."""
        params: dict[str, Any] = {"customer": customer_ref, "status": "all", "limit": 100}
        api = self._api
        found = await api.read(api.client.v1.subscriptions.list, **params)
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
        api = self._api
        await api.write(api.client.v1.subscriptions.update, subscription.ref, key=idempotency_key, params=params)

    async def end_with_period(self, subscription_ref: str, *, idempotency_key: str) -> None:
        """See the port."""
        params: dict[str, Any] = {"cancel_at_period_end": True}
        api = self._api
        await api.write(api.client.v1.subscriptions.update, subscription_ref, key=idempotency_key, params=params)

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
        api = self._api
        return str((await api.write(api.client.v1.invoice_items.create, key=idempotency_key, params=params)).id)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> PlatformNotice:
        """See the port. Any of several secrets will do, while one is being replaced; none is none."""
        secrets = secrets_of(self._settings.providers.stripe.platform_webhook_secret.get_secret_value())
        return notice_of(read_event(headers, body, secrets).body)


def notice_of(event: Mapping[str, Any]) -> PlatformNotice:
    """Of a verified event. Raises :class:`InvalidSignatureError` for a connected account's: it has its own secret."""
    if event.get("account"):
        raise InvalidSignatureError("connected_account")
    subject = event["data"]["object"]
    customer = subject.get("id") if subject.get("object") == "customer" else subject.get("customer")
    if isinstance(customer, Mapping):
        customer = customer.get("id")
    known = customer[:255] if isinstance(customer, str) else None
    return PlatformNotice(str(event["id"]), str(event["type"]), known, bool(event["livemode"]))


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
