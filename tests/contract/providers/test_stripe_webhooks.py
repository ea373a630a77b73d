"""Webhooks of the local Stripe: signed, told whose they are, and delivered as badly as a test wants."""

import json

import pytest
import stripe

from tests.contract.providers.inbox import Inbox
from tests.contract.providers.stripe_payments import open_session, paid_charge
from tests.support.providers.deliveries import DeliveryMode
from tests.support.providers.stripe_server import WEBHOOK_SECRET, StripeServer


def types(inbox: Inbox) -> list[str]:
    """What came, in order."""
    return [json.loads(it.raw)["type"] for it in inbox.exchanges]


def test_the_sdk_takes_the_signature_and_finds_the_account(
    stripe_server: StripeServer, client: stripe.StripeClient, practice: str
) -> None:
    session = open_session(client)

    body, headers = stripe_server.webhook("checkout.session.completed", session.id)

    event = stripe.Webhook.construct_event(body, headers["Stripe-Signature"], WEBHOOK_SECRET)
    assert (event.type, event.account, event.livemode) == ("checkout.session.completed", practice, False)
    assert event.data.object["id"] == session.id


@pytest.mark.parametrize("wrong", ["secret", "body", "age"])
def test_the_sdk_refuses_a_wrong_one(stripe_server: StripeServer, client: stripe.StripeClient, wrong: str) -> None:
    session = open_session(client)
    timestamp = stripe_server.world.now() - 3600 if wrong == "age" else None
    secret = "whsec_other" if wrong == "secret" else WEBHOOK_SECRET
    body, headers = stripe_server.webhook("checkout.session.completed", session.id, secret=secret, timestamp=timestamp)
    sent = body.replace(b"open", b"paid") if wrong == "body" else body

    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(sent, headers["Stripe-Signature"], WEBHOOK_SECRET)


def test_a_connect_endpoint_hears_of_connected_accounts_and_the_platform_s_of_itself(
    stripe_server: StripeServer, client: stripe.StripeClient, practice: str, inbox: Inbox
) -> None:
    stripe_server.deliver_to(f"{inbox.url}/connect")
    stripe_server.deliver_to(f"{inbox.url}/platform", connect=False)

    paid_charge(stripe_server, client)
    stripe_server.deliveries.settle()

    connect = [json.loads(it.raw) for it in inbox.requests("/connect")]
    own = [json.loads(it.raw) for it in inbox.requests("/platform")]
    assert {it["account"] for it in connect} == {practice}
    assert [it["type"] for it in connect][-1] == "checkout.session.completed"
    assert [it["type"] for it in own] == ["application_fee.created"]
    assert "account" not in own[0]


def test_held_webhooks_come_in_the_order_that_a_test_makes(
    stripe_server: StripeServer, client: stripe.StripeClient, inbox: Inbox
) -> None:
    stripe_server.deliver_to(inbox.url)
    stripe_server.deliveries.mode = DeliveryMode.HELD
    paid_charge(stripe_server, client)
    assert inbox.exchanges == []
    expected = [it.event_type for it in reversed(stripe_server.deliveries.held)]

    stripe_server.deliveries.release(lambda held: list(reversed(held)))

    assert types(inbox) == expected


def test_twice_is_the_same_event_twice(stripe_server: StripeServer, client: stripe.StripeClient, inbox: Inbox) -> None:
    stripe_server.deliver_to(inbox.url, events=("checkout.session.completed",))
    stripe_server.deliveries.mode = DeliveryMode.TWICE

    paid_charge(stripe_server, client)
    stripe_server.deliveries.settle()

    assert types(inbox) == ["checkout.session.completed"] * 2
    assert len({json.loads(it.raw)["id"] for it in inbox.exchanges}) == 1


def test_a_lost_one_is_found_in_the_list_of_what_was_not_delivered(
    stripe_server: StripeServer, client: stripe.StripeClient, inbox: Inbox
) -> None:
    stripe_server.deliver_to(inbox.url, events=("checkout.session.completed",))
    stripe_server.deliveries.mode = DeliveryMode.DROPPED
    paid_charge(stripe_server, client)

    missed = client.v1.events.list({"delivery_success": False})

    assert [it.type for it in missed.data] == ["checkout.session.completed"]


def test_one_that_was_refused_is_sent_again_with_a_signature_of_its_own(
    stripe_server: StripeServer, client: stripe.StripeClient, inbox: Inbox
) -> None:
    stripe_server.deliver_to(inbox.url, events=("checkout.session.completed",))
    inbox.status = 500
    paid_charge(stripe_server, client)
    stripe_server.deliveries.settle()
    inbox.status = 200

    stripe_server.deliveries.repeat_failed()

    assert [it.status for it in inbox.exchanges] == [500, 200]
    assert client.v1.events.list({"delivery_success": False}).data == []
    last = inbox.exchanges[-1]
    stripe.Webhook.construct_event(last.raw, last.headers["stripe-signature"], WEBHOOK_SECRET)
