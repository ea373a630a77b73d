"""Local providers for each test here."""

from tests.support.providers.fixtures import paypal_server, sendgrid_server, stripe_server

__all__ = ["paypal_server", "sendgrid_server", "stripe_server"]
