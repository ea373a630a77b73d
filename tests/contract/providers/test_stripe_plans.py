"""Subscriptions at the local Stripe: begun, invoiced, not paid, paid after all, ended."""

from typing import Any

import pytest
import stripe

from tests.support.providers.stripe.methods import Behaviour
from tests.support.providers.stripe_server import StripeServer

MONTHLY = 2900


@pytest.fixture
def customer(platform: stripe.StripeClient) -> str:
    """A practice as the platform's customer."""
    return platform.v1.customers.create({"email": "owner@example.com"}).id


@pytest.fixture
def price(platform: stripe.StripeClient) -> str:
    """What the plan costs."""
    made = platform.v1.prices.create(
        {
            "currency": "eur",
            "unit_amount": MONTHLY,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Plan"},
        }
    )
    return made.id


def subscribe(
    server: StripeServer, platform: stripe.StripeClient, customer: str, price: str, **changes: Any
) -> stripe.Subscription:
    """A subscription whose card works."""
    card = server.add_card(customer)
    params: Any = {"customer": customer, "items": [{"price": price}], "default_payment_method": card, **changes}
    return platform.v1.subscriptions.create(params, {"idempotency_key": f"plan:{customer}"})


def latest(platform: stripe.StripeClient, subscription_id: str) -> stripe.Invoice:
    """The subscription's newest invoice."""
    found = platform.v1.subscriptions.retrieve(subscription_id, {"expand": ["latest_invoice"]}).latest_invoice
    assert isinstance(found, stripe.Invoice)
    return found


def test_begins_with_a_paid_invoice(
    stripe_server: StripeServer, platform: stripe.StripeClient, customer: str, price: str
) -> None:
    made = subscribe(stripe_server, platform, customer, price)

    assert made.status == "active"
    assert (latest(platform, made.id).status, latest(platform, made.id).amount_paid) == ("paid", MONTHLY)


def test_checkout_subscribes_too(
    stripe_server: StripeServer, platform: stripe.StripeClient, customer: str, price: str
) -> None:
    session = platform.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer,
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": "https://portal.test/done",
        }
    )

    stripe_server.pay(session.id)

    done = platform.v1.checkout.sessions.retrieve(session.id)
    assert platform.v1.subscriptions.retrieve(str(done.subscription)).status == "active"


def test_a_period_that_is_not_paid_makes_it_past_due_until_it_is(
    stripe_server: StripeServer, platform: stripe.StripeClient, customer: str, price: str
) -> None:
    made = subscribe(stripe_server, platform, customer, price)

    stripe_server.next_period(made.id, pays=False)

    assert platform.v1.subscriptions.retrieve(made.id).status == "past_due"
    owed = latest(platform, made.id)
    assert (owed.status, owed.amount_remaining) == ("open", MONTHLY)

    stripe_server.pay_invoice(str(owed.id))

    assert platform.v1.subscriptions.retrieve(made.id).status == "active"
    assert latest(platform, made.id).status == "paid"


def test_a_card_that_declines_refuses_a_new_try(
    stripe_server: StripeServer, platform: stripe.StripeClient, customer: str, price: str
) -> None:
    made = subscribe(stripe_server, platform, customer, price)
    stripe_server.next_period(made.id, pays=False)
    card = stripe_server.add_card(customer, Behaviour("insufficient_funds"))

    with pytest.raises(stripe.CardError):
        platform.v1.invoices.pay(str(latest(platform, made.id).id), {"payment_method": card})


def test_invoice_items_are_in_the_next_invoice_and_in_no_later_one(
    stripe_server: StripeServer, platform: stripe.StripeClient, customer: str, price: str
) -> None:
    made = subscribe(stripe_server, platform, customer, price)
    platform.v1.invoice_items.create(
        {"customer": customer, "subscription": made.id, "amount": 500, "currency": "eur"},
        {"idempotency_key": "fees:2026-11"},
    )

    stripe_server.next_period(made.id)
    assert latest(platform, made.id).amount_paid == MONTHLY + 500

    stripe_server.next_period(made.id)
    assert latest(platform, made.id).amount_paid == MONTHLY


def test_an_invoice_item_in_another_currency_is_refused(
    stripe_server: StripeServer, platform: stripe.StripeClient, customer: str, price: str
) -> None:
    made = subscribe(stripe_server, platform, customer, price)

    with pytest.raises(stripe.InvalidRequestError, match="currency"):
        platform.v1.invoice_items.create(
            {"customer": customer, "subscription": made.id, "amount": 500, "currency": "usd"}
        )


def test_ends_at_the_end_of_the_period_it_was_cancelled_in(
    stripe_server: StripeServer, platform: stripe.StripeClient, customer: str, price: str
) -> None:
    made = subscribe(stripe_server, platform, customer, price)
    assert platform.v1.subscriptions.update(made.id, {"cancel_at_period_end": True}).status == "active"

    stripe_server.next_period(made.id)

    assert platform.v1.subscriptions.retrieve(made.id).status == "canceled"
    assert stripe_server.events("acct_platform")[-1]["type"] == "customer.subscription.deleted"
    assert len(stripe_server.objects("invoice")) == 1


def test_one_that_ended_can_t_be_changed_or_ended_again(
    stripe_server: StripeServer, platform: stripe.StripeClient, customer: str, price: str
) -> None:
    made = subscribe(stripe_server, platform, customer, price)
    platform.v1.subscriptions.cancel(made.id)

    with pytest.raises(stripe.InvalidRequestError):
        platform.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    with pytest.raises(stripe.InvalidRequestError):
        platform.v1.subscriptions.cancel(made.id)
