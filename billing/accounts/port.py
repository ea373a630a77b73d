"""What is asked of a provider about a practice's account there, in our own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

STRIPE, PAYPAL = "stripe", "paypal"


@dataclass(frozen=True, slots=True)
class AccountReading:
    """How an account stands at its provider.

    ``read_at``: when we began to ask, so that of two looks the later one counts. ``requirements`` as
    :class:`~billing.accounts.models.PaymentAccount` keeps them. ``problem``: a short code of something that is wrong
    although the account works (a capability that is off), None if nothing is.
    """

    account_ref: str
    read_at: datetime
    charges_enabled: bool
    payouts_enabled: bool
    requirements: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class OnboardingLink:
    """Where the owner goes to tell the provider what it wants to know: one page, once, until ``expires_at``."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookRegistration:
    """Our address in the practice's own account. ``secret``: what its events are signed with, None if it is not told.

    Stripe tells it when a registration is made and never again; PayPal signs by its own certificates.
    """

    ref: str
    secret: str | None = field(default=None, repr=False)
