"""Payments at the local Stripe, as the product asks for them."""

from typing import Any

import stripe

from tests.support.providers.stripe_server import StripeServer

PRICE = 5000
FEE = 150


def session_params(amount: int = PRICE, currency: str = "eur", fee: int | None = FEE) -> dict[str, Any]:
    """A hosted page for one amount."""
    data: dict[str, Any] = {"metadata": {"payment_id": "p1"}}
    if fee is not None:
        data["application_fee_amount"] = fee
    line = {
        "quantity": 1,
        "price_data": {"currency": currency, "unit_amount": amount, "product_data": {"name": "First visit"}},
    }
    return {
        "mode": "payment",
        "success_url": "https://practice.test/return",
        "cancel_url": "https://practice.test/cancel",
        "line_items": [line],
        "payment_intent_data": data,
    }


def open_session(client: stripe.StripeClient, key: str = "pay:1", **changes: Any) -> stripe.checkout.Session:
    """A session that waits for the client."""
    params: Any = session_params(**changes)
    return client.v1.checkout.sessions.create(params, {"idempotency_key": key})


def paid_charge(server: StripeServer, client: stripe.StripeClient, key: str = "pay:1", **changes: Any) -> stripe.Charge:
    """The charge of a session that was paid."""
    session = open_session(client, key, **changes)
    server.pay(session.id)
    intent = client.v1.payment_intents.retrieve(
        str(client.v1.checkout.sessions.retrieve(session.id).payment_intent), {"expand": ["latest_charge"]}
    )
    assert isinstance(intent.latest_charge, stripe.Charge)
    return intent.latest_charge
