"""Local providers for each test here, their clients, and somebody who gets their webhooks."""

from collections.abc import Iterator

import pytest
import stripe

from tests.contract.providers.inbox import Inbox
from tests.support.providers.clients import PayPalCaller, stripe_client
from tests.support.providers.fixtures import paypal_server, sendgrid_server, stripe_server
from tests.support.providers.paypal_server import PayPalServer
from tests.support.providers.stripe_server import StripeServer

__all__ = ["paypal_server", "sendgrid_server", "stripe_server"]


@pytest.fixture
def practice(stripe_server: StripeServer) -> str:
    """A connected account that may charge."""
    return stripe_server.add_account()


@pytest.fixture
def client(stripe_server: StripeServer, practice: str) -> Iterator[stripe.StripeClient]:
    """The platform's client for the practice's account."""
    with stripe_client(stripe_server, account_id=practice) as made:
        yield made


@pytest.fixture
def platform(stripe_server: StripeServer) -> Iterator[stripe.StripeClient]:
    """The platform's client for its own account."""
    with stripe_client(stripe_server) as made:
        yield made


@pytest.fixture
def merchant(paypal_server: PayPalServer) -> Iterator[PayPalCaller]:
    """A merchant's app that says what a test wants."""
    paypal_server.add_app("client", "secret")
    with PayPalCaller(paypal_server) as made:
        yield made


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Somebody who gets webhooks."""
    with Inbox() as made:
        yield made
