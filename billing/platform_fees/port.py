"""The port of the platform's own charging: practices are its customers, each plan with a price is a subscription.

It speaks our language: :class:`~todoenbalance.kit.money.Money`, our codes and ids, frozen values, the errors of
``billing.providers.port``. Every call that changes something takes a key made from a row of ours, so that the same
request made twice is one. Nothing here moves a client's money.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tenants.plans.models import SubscriptionStatus
from todoenbalance.kit.money import Money


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A practice as the provider's customer; ``email`` is its contact address, where invoices go."""

    tenant_key: str
    name: str
    email: str | None
    locale: str


@dataclass(frozen=True, slots=True)
class SubscriptionSnapshot:
    """What the provider holds true of one subscription. ``plan_code`` is our echo, None if it is none of ours."""

    ref: str
    item_ref: str
    status: SubscriptionStatus
    plan_code: str | None
    period_start: datetime
    period_end: datetime
    cancel_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """One wish to subscribe. The owner comes back to ``return_url`` or ``cancel_url`` (absolute)."""

    customer_ref: str
    price_ref: str
    plan_code: str
    tenant_key: str
    return_url: str
    cancel_url: str
    locale: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class HostedPage:
    """A page of the provider's, where the owner goes on."""

    ref: str
    url: str


@dataclass(frozen=True, slots=True)
class PlatformNotice:
    """A verified event of the platform's own account: a hint that something about ``customer_ref`` happened."""

    event_id: str
    event_type: str
    customer_ref: str | None
    is_live: bool


class PlatformBilling(Protocol):
    """The platform's account at the provider.

    Every method may raise ``OutcomeUnknownError`` (ask again with the same key), ``DeclinedError`` (a definite no),
    ``NotAuthorisedError`` and ``ProviderMisconfiguredError``; reading may raise ``ObjectNotFoundError``.
    """

    @property
    def name(self) -> str:
        """The provider's name in our tables."""

    async def create_customer(self, customer: NewCustomer, *, idempotency_key: str) -> str:
        """Its reference there. Moves no money."""

    async def create_price(self, plan_code: str, plan_name: str, amount: Money, *, idempotency_key: str) -> str:
        """A monthly price, and its reference there. Moves no money."""

    async def start_checkout(self, order: CheckoutOrder, *, idempotency_key: str) -> HostedPage:
        """A page where the owner gives a means of payment and subscribes; money moves there, once they agree."""

    async def end_checkout(self, checkout_ref: str) -> bool:
        """Make the page useless; False if it is too late: somebody subscribed by it."""

    async def open_portal(self, customer_ref: str, *, return_url: str, locale: str) -> str:
        """The address of a page to change the means of payment and read invoices, good for a few minutes."""

    async def list_subscriptions(self, customer_ref: str) -> list[SubscriptionSnapshot]:
        """All of a customer's, ended ones too, newest first."""

    async def change_price(
        self, subscription: SubscriptionSnapshot, price_ref: str, plan_code: str, *, idempotency_key: str
    ) -> None:
        """Charge for another plan from now on; the difference is on the next invoice."""

    async def end_with_period(self, subscription_ref: str, *, idempotency_key: str) -> None:
        """No further month after this one. Repeating it changes nothing."""

    async def add_invoice_item(
        self, customer_ref: str, subscription_ref: str, amount: Money, description: str, *, idempotency_key: str
    ) -> str:
        """Put an amount (negative: in the customer's favour) on the next invoice; answers its reference."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> PlatformNotice:
        """Verify the raw bytes. Raises ``InvalidSignatureError``."""
