"""Fixtures of the local providers, to be imported by a ``conftest.py``: each ends by asserting that nothing was off."""

from collections.abc import Iterator

import pytest

from tests.support.providers.paypal_server import PayPalServer
from tests.support.providers.sendgrid_server import SendGridServer
from tests.support.providers.stripe_server import StripeServer


@pytest.fixture
def stripe_server() -> Iterator[StripeServer]:
    """A Stripe of this test's own. An unexpected violation of the contract fails the test at its end."""
    with StripeServer() as server:
        yield server
    server.assert_clean()


@pytest.fixture
def paypal_server() -> Iterator[PayPalServer]:
    """A PayPal of this test's own. An unexpected violation of the contract fails the test at its end."""
    with PayPalServer() as server:
        yield server
    server.assert_clean()


@pytest.fixture
def sendgrid_server() -> Iterator[SendGridServer]:
    """A SendGrid of this test's own. An unexpected violation of the contract fails the test at its end."""
    with SendGridServer() as server:
        yield server
    server.assert_clean()
