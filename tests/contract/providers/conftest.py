"""Local providers for each test here, their clients, and somebody who gets their webhooks."""

from collections.abc import Iterator

import pytest
import stripe

from tests.contract.places import PAYPAL_FILES, SENDGRID_FILES, described, own
from tests.contract.providers.inbox import Inbox
from tests.support.providers.clients import PayPalCaller, stripe_client
from tests.support.providers.fixtures import stripe_server
from tests.support.providers.paypal_server import PayPalServer
from tests.support.providers.sendgrid_server import SendGridServer
from tests.support.providers.stripe_server import StripeServer

__all__ = ["stripe_server"]


@pytest.fixture(params=described("paypal.json", PAYPAL_FILES))
def paypal_server(request: pytest.FixtureRequest) -> Iterator[PayPalServer]:
    """A PayPal of this test's own, by our description and, where it is there, by PayPal's."""
    with PayPalServer(documents=request.param) as server:
        yield server
    server.assert_clean()


@pytest.fixture(params=described("sendgrid.json", SENDGRID_FILES))
def sendgrid_server(request: pytest.FixtureRequest) -> Iterator[SendGridServer]:
    """A SendGrid of this test's own, by our description and, where it is there, by SendGrid's."""
    with SendGridServer(documents=(*request.param, *own("sendgrid_lists.json"))) as server:
        yield server
    server.assert_clean()


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
