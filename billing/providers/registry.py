"""Which adapter serves a method: chosen here and nowhere else."""

from collections.abc import Callable, Mapping
from uuid import UUID

from billing.accounts.service import AccountAccess, load_access
from billing.payments.errors import MethodNotOfferedError
from billing.providers import offline, sandbox
from billing.providers.offline import OfflineProvider
from billing.providers.paypal import adapter as paypal
from billing.providers.paypal import amounts as paypal_amounts
from billing.providers.paypal.adapter import PayPalProvider
from billing.providers.port import CardKeeper, PaymentProvider
from billing.providers.sandbox import SandboxProvider, is_sandbox_available
from billing.providers.stripe import adapter as stripe
from billing.providers.stripe import amounts as stripe_amounts
from billing.providers.stripe.adapter import StripeProvider
from todoenbalance.kit.money import Money
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_WITH_ACCOUNT: Mapping[str, Callable[[Runtime, AccountAccess], PaymentProvider]] = {
    stripe.NAME: StripeProvider,
    paypal.NAME: PayPalProvider,
}
"""Adapters of providers where the practice has an account of its own."""

_AMOUNT_RULES: Mapping[str, Callable[[Money], str | None]] = {
    stripe.NAME: stripe_amounts.refusal_of,
    paypal.NAME: paypal_amounts.refusal_of,
}
"""Why a provider would not take an amount (a short code), None if it would."""


_STEPS: Mapping[str, Callable[[str], int]] = {
    paypal.NAME: paypal_amounts.step_minor,
}
"""The smallest difference between two amounts of a currency that a provider can tell, if it is not one minor unit."""

_WITH_ELEMENTS = frozenset({stripe.NAME})
"""Methods whose provider has a form of its own for our pages."""


_KEEPING_CARDS: Mapping[str, Callable[[Runtime, AccountAccess], CardKeeper]] = {stripe.NAME: StripeProvider}
"""Methods whose provider keeps cards for us."""


def keeps_cards(method: str) -> bool:
    """Whether the provider of ``method`` can keep the card of a payment."""
    return method in _KEEPING_CARDS


async def card_keeper_for(
    runtime: Runtime, tenant: TenantContext, account_id: UUID, method: str = stripe.NAME
) -> CardKeeper:
    """The account that keeps a card. Outside a transaction, as :func:`provider_for`, and raises the same."""
    return _KEEPING_CARDS[method](runtime, await load_access(runtime, tenant, method, account_id))


def has_elements(method: str) -> bool:
    """Whether the provider of ``method`` can take the payment by its form on our page."""
    return method in _WITH_ELEMENTS


def refusal_of(method: str, amount: Money) -> str | None:
    """Why the provider of ``method`` would not take this amount (currency, least, most); None if it would."""
    rule = _AMOUNT_RULES.get(method)
    return rule(amount) if rule is not None else None


def step_minor(method: str, currency: str) -> int:
    """In how large steps (minor units) money goes through the provider of ``method``, and so back, too."""
    step = _STEPS.get(method)
    return step(currency) if step is not None else 1


async def provider_for(
    runtime: Runtime, tenant: TenantContext, method: str, account_id: UUID | None = None
) -> PaymentProvider:
    """The practice's account at the provider of ``method``: the one of that id, else the present one.

    Call it outside a transaction: reading credentials opens one. Raises
    :class:`MethodNotOfferedError` for a method that does not work here.
    """
    if method == offline.NAME:
        return OfflineProvider()
    if method == sandbox.NAME and is_sandbox_available(runtime.settings):
        return SandboxProvider(runtime, tenant)
    make = _WITH_ACCOUNT.get(method)
    if make is None:
        raise MethodNotOfferedError(method=method)
    return make(runtime, await load_access(runtime, tenant, method, account_id))
