"""Our own descriptions of PayPal and SendGrid, held against the official documents where those are there.

Every sample says what is to come of it, so our own are tested with or without the official ones.
"""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.documents import FORM, Document
from tests.contract.places import PAYPAL_FILES, SENDGRID_FILES, described, official, own
from tests.support.providers.paypal.errors import issues
from tests.support.providers.sendgrid_server import SETTINGS

EURO = {"currency_code": "EUR", "value": "50.00"}
CONTEXT = {
    "brand_name": "Nutrición Nora",
    "locale": "es-ES",
    "return_url": "https://practice.test/return",
    "cancel_url": "https://practice.test/cancel",
    "shipping_preference": "NO_SHIPPING",
    "user_action": "PAY_NOW",
}
UNIT = {"amount": EURO, "custom_id": "a1", "invoice_id": "pay:1", "description": "Visit"}
ORDER = {
    "intent": "CAPTURE",
    "purchase_units": [UNIT],
    "payment_source": {"paypal": {"experience_context": CONTEXT}},
}
VERIFICATION = {
    "auth_algo": "SHA256withRSA",
    "cert_url": "https://api.paypal.com/v1/notifications/certs/CERT-1",
    "transmission_id": "t-1",
    "transmission_sig": "abc==",
    "transmission_time": "2026-11-22T10:00:00Z",
    "webhook_id": "W1",
    "webhook_event": {"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED"},
}
MAIL = {
    "personalizations": [{"to": [{"email": "clara@example.com"}], "custom_args": {"message": "m1"}}],
    "from": {"email": "mail@practice.test", "name": "Nora"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Hello"}],
}


@dataclass(frozen=True)
class Sample:
    """A request and whether it fits. ``body`` text is a form."""

    method: str
    path: str
    body: Any = None
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    fits: bool = True


def without(thing: dict[str, Any], name: str) -> dict[str, Any]:
    """The same, one name less."""
    return {it: value for it, value in thing.items() if it != name}


def order(**unit: Any) -> Sample:
    """An order with other words in its unit; those that fit nowhere."""
    return Sample("POST", "/v2/checkout/orders", ORDER | {"purchase_units": [UNIT | unit]}, fits=False)


def context(**words: Any) -> Sample:
    """An order with other words in its experience context; those that fit nowhere."""
    source = {"paypal": {"experience_context": CONTEXT | words}}
    return Sample("POST", "/v2/checkout/orders", ORDER | {"payment_source": source}, fits=False)


WEBHOOKS = "/v1/notifications/webhooks"
REFUND = "/v2/payments/captures/2GG279541U471931P/refund"
PAYPAL = (
    Sample("POST", "/v1/oauth2/token", "grant_type=client_credentials"),
    Sample("POST", "/v1/oauth2/token", "grant_type=guess", fits=False),
    Sample("POST", "/v1/oauth2/token", "grant_type=client_credentials&secret=1", fits=False),
    Sample("POST", "/v2/checkout/orders", ORDER, headers=(("paypal-request-id", "pay:1:1"),)),
    Sample("POST", "/v2/checkout/orders", ORDER, headers=(("prefer", "return=representation"),)),
    Sample("POST", "/v2/checkout/orders", ORDER, headers=(("paypal-request-id", "k" * 109),), fits=False),
    Sample("POST", "/v2/checkout/orders", ORDER, headers=(("prefer", "return representation"),), fits=False),
    Sample("POST", "/v2/checkout/orders", without(ORDER, "intent"), fits=False),
    Sample("POST", "/v2/checkout/orders", without(ORDER, "purchase_units"), fits=False),
    Sample("POST", "/v2/checkout/orders", ORDER | {"intent": "TAKE"}, fits=False),
    Sample("POST", "/v2/checkout/orders", ORDER | {"purchase_units": []}, fits=False),
    Sample("POST", "/v2/checkout/orders", ORDER | {"notes": "x"}, fits=False),
    Sample("POST", "/v2/checkout/orders", fits=False),
    Sample("POST", "/v2/checkout/orders", ORDER | {"payment_source": {"cash": {}}}, fits=False),
    order(amount={"currency_code": "EUR", "value": 50}),
    order(amount={"currency_code": "EU", "value": "50.00"}),
    order(amount={"currency_code": "EUR", "value": "50,00"}),
    order(amount={"currency_code": "EUR"}),
    order(custom_id=""),
    order(custom_id="c" * 128),
    order(invoice_id="i" * 128),
    order(soft_descriptor="s" * 23),
    order(custom="c"),
    order(description=7),
    context(user_action="PAY"),
    context(shipping_preference="NONE"),
    context(locale="Spanish"),
    context(brand_name=""),
    context(back_url="https://x.test"),
    Sample("GET", "/v2/checkout/orders/5O190127TN364715T"),
    Sample("GET", "/v2/checkout/orders/5O190127TN364715T", query="field=x", fits=False),
    Sample("GET", "/v2/checkout/orders/5o-x", fits=False),
    Sample("DELETE", "/v2/checkout/orders/5O190127TN364715T", fits=False),
    Sample("GET", "/v2/checkout/orders/5O190127TN364715T", {}, fits=False),
    Sample("POST", "/v2/checkout/orders/5O190127TN364715T/capture", {}),
    Sample("POST", "/v2/checkout/orders/5O190127TN364715T/capture"),
    Sample("POST", "/v2/checkout/orders/5O190127TN364715T/capture", {"amount": EURO}, fits=False),
    Sample("GET", "/v2/payments/captures/2GG279541U471931P"),
    Sample("POST", REFUND, {}),
    Sample("POST", REFUND, {"amount": EURO, "invoice_id": "r1", "note_to_payer": "Sorry"}),
    Sample("POST", REFUND, {"amount": "50.00"}, fits=False),
    Sample("POST", REFUND, {"amout": EURO}, fits=False),
    Sample("POST", REFUND, {"note_to_payer": "n" * 256}, fits=False),
    Sample("GET", "/v2/payments/refunds/1JU08902781691411"),
    Sample("POST", WEBHOOKS, {"url": "https://practice.test/x", "event_types": [{"name": "CHECKOUT.ORDER.APPROVED"}]}),
    Sample("POST", WEBHOOKS, {"url": "https://practice.test/x"}, fits=False),
    Sample("POST", WEBHOOKS, {"url": "https://practice.test/x", "event_types": ["X"]}, fits=False),
    Sample("POST", WEBHOOKS, {"url": f"https://{'x' * 2048}", "event_types": []}, fits=False),
    Sample("GET", WEBHOOKS),
    Sample("GET", WEBHOOKS, query="anchor_type=APPLICATION"),
    Sample("GET", WEBHOOKS, query="anchor_type=SELF", fits=False),
    Sample("GET", f"{WEBHOOKS}/0EH40505U7160970P"),
    Sample("PATCH", f"{WEBHOOKS}/0EH40505U7160970P", [{"op": "replace", "path": "/url", "value": "https://x.test/"}]),
    Sample("PATCH", f"{WEBHOOKS}/0EH40505U7160970P", [{"op": "change", "path": "/url"}], fits=False),
    Sample("PATCH", f"{WEBHOOKS}/0EH40505U7160970P", {"op": "replace"}, fits=False),
    Sample("DELETE", f"{WEBHOOKS}/0EH40505U7160970P"),
    Sample("POST", "/v1/notifications/verify-webhook-signature", VERIFICATION),
    Sample("POST", "/v1/notifications/verify-webhook-signature", without(VERIFICATION, "webhook_id"), fits=False),
    Sample("POST", "/v1/notifications/verify-webhook-signature", VERIFICATION | {"webhook_id": "a b"}, fits=False),
    Sample("GET", f"{WEBHOOKS}-events", query="page_size=100&start_time=2026-11-01T00:00:00Z"),
    Sample("GET", f"{WEBHOOKS}-events", query="page_size=many", fits=False),
    Sample("GET", f"{WEBHOOKS}-events", query="since=yesterday", fits=False),
    Sample("GET", "/v1/customer/disputes", query="disputed_transaction_id=2GG279541U471931P&page_size=50"),
    Sample("GET", "/v1/customer/disputes", query="disputed_transaction_id=2gg-1", fits=False),
    Sample("GET", "/v1/customer/disputes", query="page_size=51", fits=False),
    Sample("GET", "/v1/customer/disputes", query="capture_id=2GG279541U471931P", fits=False),
    Sample("GET", "/v1/customer/disputes/PP-D-27803"),
    Sample("GET", "/v1/customer/disputes/PP_D", fits=False),
)
SENDGRID = (
    Sample("POST", "/v3/mail/send", MAIL),
    Sample("POST", "/v3/mail/send", MAIL | {"mail_settings": {"sandbox_mode": {"enable": True}}}),
    Sample("POST", "/v3/mail/send", MAIL | {"tracking_settings": {"open_tracking": {"enable": False}}}),
    Sample("POST", "/v3/mail/send", without(MAIL, "from"), fits=False),
    Sample("POST", "/v3/mail/send", without(MAIL, "personalizations"), fits=False),
    Sample("POST", "/v3/mail/send", MAIL | {"personalizations": [{}]}, fits=False),
    Sample("POST", "/v3/mail/send", MAIL | {"subject": ""}, fits=False),
    Sample("POST", "/v3/mail/send", MAIL | {"body": "x"}, fits=False),
    Sample("POST", "/v3/mail/send", MAIL | {"content": [{"type": "text/plain"}]}, fits=False),
    Sample("POST", "/v3/mail/send", MAIL | {"categories": ["c" * 256]}, fits=False),
    Sample("POST", "/v3/mail/send", MAIL | {"attachments": [{"filename": "a.pdf"}]}, fits=False),
    Sample("POST", "/v3/mail/send", MAIL | {"custom_args": {"a": 1}}, fits=False),
    Sample("POST", SETTINGS, {"url": "https://x.test/", "enabled": True, "delivered": True}),
    Sample("POST", SETTINGS, {"enabled": True}, fits=False),
    Sample("POST", SETTINGS, {"url": "https://x.test/", "bounced": True}, fits=False),
    Sample("GET", f"{SETTINGS}/all"),
    Sample("PATCH", f"{SETTINGS}/signed/1", {"enabled": True}),
    Sample("PATCH", f"{SETTINGS}/signed/1", {}, fits=False),
    Sample("GET", "/v3/suppression/bounces/clara@example.com"),
    Sample("DELETE", "/v3/suppression/bounces/clara@example.com"),
)


DOMAINS = "/v3/whitelabel/domains"
SENDGRID_DOMAINS = (
    Sample("GET", DOMAINS, query="domain=nuria.example&limit=50"),
    Sample("GET", DOMAINS, query="limit=many", fits=False),
    Sample("GET", DOMAINS, query="name=nuria.example", fits=False),
    Sample("POST", DOMAINS, {"domain": "nuria.example", "automatic_security": True, "region": "eu"}),
    Sample("POST", DOMAINS, {"automatic_security": True}, fits=False),
    Sample("POST", DOMAINS, {"domain": "nuria.example", "automatic_security": "yes"}, fits=False),
    Sample("POST", DOMAINS, {"domain": "nuria.example", "region": "es"}, fits=False),
    Sample("POST", DOMAINS, {"domain": "nuria.example", "automated_security": True}, fits=False),
    Sample("GET", f"{DOMAINS}/302183"),
    Sample("DELETE", f"{DOMAINS}/302183"),
    Sample("POST", f"{DOMAINS}/302183/validate"),
    Sample("POST", f"{DOMAINS}/x/validate", fits=False),
)


def fits(documents: tuple[Document, ...], sample: Sample) -> bool:
    """Whether the documents take the request."""
    if isinstance(sample.body, str):
        media, content = FORM, sample.body.encode()
    else:
        media, content = "application/json", b"" if sample.body is None else json.dumps(sample.body).encode()
    headers = {"content-type": media, **dict(sample.headers)}
    found = next((it for it in documents if it.find(sample.method, sample.path)), documents[0])
    return not found.check_request(sample.method, sample.path, headers, sample.query, content).violations


def _id(sample: Sample) -> str:
    return f"{sample.method} {sample.path}"


@pytest.mark.parametrize("documents", described("paypal.json", PAYPAL_FILES))
@pytest.mark.parametrize("sample", PAYPAL, ids=_id)
def test_paypal(documents: tuple[Document, ...], sample: Sample) -> None:
    assert fits(documents, sample) is sample.fits


@pytest.mark.parametrize("documents", described("sendgrid.json", SENDGRID_FILES))
@pytest.mark.parametrize("sample", SENDGRID, ids=_id)
def test_sendgrid(documents: tuple[Document, ...], sample: Sample) -> None:
    assert fits(documents, sample) is sample.fits


@pytest.mark.parametrize("sample", SENDGRID_DOMAINS, ids=_id)
def test_sendgrid_domains(sample: Sample) -> None:
    assert fits(own("sendgrid_domains.json"), sample) is sample.fits


@pytest.mark.skipif(official(PAYPAL_FILES) is None, reason="there are no official documents")
def test_we_describe_no_operation_and_no_refusal_that_paypal_does_not_have() -> None:
    theirs = {it.key: it for document in official(PAYPAL_FILES) or () for it in document.operations}
    ours = {it.key: it for document in own("paypal.json") for it in document.operations}
    refusals = {
        (*key, status, issue)
        for key, operation in ours.items()
        for status in (400, 403, 404, 409, 422)
        for issue in issues(operation, status)
        if issue not in issues(theirs[key], status)
    }

    assert set(ours) <= set(theirs)
    # What is wrong with the form of a request, PayPal lists for each operation; ours is one list for all.
    assert {it for it in refusals if it[2] != 400} == set()
