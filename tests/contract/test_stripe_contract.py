"""The contract that is derived from the installed SDK."""

import json
from urllib.parse import urlencode

import pytest
import stripe

from tests.contract.documents import FORM, Document
from tests.contract.places import official_folder
from tests.contract.stripe_contract import OBJECTS, api_version, derive, stripe_contract

NEWER_THAN_THE_FIXTURES = {
    "account_session": {
        "/components: 'payment_method_settings' is a required property",
        "/components: 'reporting_chart' is a required property",
        "/components: 'terminal_hardware_orders' is a required property",
        "/components: 'terminal_hardware_shop' is a required property",
    },
    "dispute": {"/evidence_details: 'submission_method' is a required property"},
}
"""What the SDK knows and Stripe's published examples, a little older, don't."""


def wrong(path: str, *pairs: tuple[str, str]) -> str:
    """What is held against such a form."""
    body = urlencode(pairs).encode()
    checked = stripe_contract().check_request("POST", path, {"content-type": FORM}, "", body)
    return " ".join(checked.violations)


def test_it_is_of_the_version_that_the_sdk_speaks() -> None:
    assert stripe_contract().node["info"]["version"] == api_version() == stripe.api_version


def test_what_was_kept_is_what_is_derived() -> None:
    assert stripe_contract().node == Document(derive(), "stripe").node


def test_every_object_is_described_in_full() -> None:
    contract = stripe_contract()

    assert {name for name in OBJECTS if not contract.component(name).get("properties")} == set()
    assert "charge.dispute.created" in contract.component("event")["properties"]["type"]["enum"]


@pytest.mark.parametrize(
    ("path", "pairs", "found"),
    [
        ("/v1/refunds", [("charge", "ch_1"), ("amount", "5"), ("refund_application_fee", "true")], ""),
        ("/v1/refunds", [("charge", "ch_1"), ("amount", "5.00")], "body/amount"),
        ("/v1/refunds", [("charge", "ch_1"), ("reason", "because")], "body/reason"),
        ("/v1/refunds", [("charge", "ch_1"), ("metadata[a]", "x" * 501)], "body/metadata"),
        ("/v1/refunds", [("charge", "ch_1"), ("metadata", "")], ""),
        ("/v1/payment_intents", [("amount", "5"), ("currency", "eur"), ("payment_method_types[0]", "card")], "unexp"),
        ("/v1/payment_intents", [("currency", "eur")], "'amount' is a required property"),
        (
            "/v1/checkout/sessions",
            [("line_items[0][price_data][currency]", "eur"), ("line_items[0][price_data][product_data][nme]", "A")],
            "body/line_items/0/price_data/product_data/nme",
        ),
        ("/v1/accounts", [("controller[losses][payments]", "practice")], "body/controller/losses/payments"),
        ("/oauth/deauthorize", [("client_id", "ca_1")], "'stripe_user_id' is a required property"),
    ],
)
def test_requests_are_closed_at_every_depth(path: str, pairs: list[tuple[str, str]], found: str) -> None:
    violations = wrong(path, *pairs)

    assert found in violations
    assert bool(violations) is bool(found)


@pytest.mark.skipif(official_folder() is None, reason="Stripe's published examples are among the official documents")
def test_stripe_s_own_examples_fit() -> None:
    folder = official_folder()
    assert folder is not None
    contract = stripe_contract()
    examples = json.loads((folder / "stripe_fixtures.data.json").read_text())["resources"]

    off = {name: set(contract.check_object(name, it)) for name, it in examples.items() if contract.has_component(name)}

    assert {name: found for name, found in off.items() if found} == NEWER_THAN_THE_FIXTURES
