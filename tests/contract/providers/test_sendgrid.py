"""The local SendGrid, by our description of it and by SendGrid's."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.contract.providers.inbox import Inbox
from tests.support.providers.sendgrid_server import SETTINGS, SIGNATURE_HEADER, TIMESTAMP_HEADER, SendGridServer

KEY = "SG.test"
MAIL: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "clara@example.com"}], "custom_args": {"message": "m1"}}],
    "from": {"email": "mail@practice.test"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Hello"}, {"type": "text/html", "value": "<p>Hello</p>"}],
}


@pytest.fixture
def caller(sendgrid_server: SendGridServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=sendgrid_server.url, headers=headers, trust_env=False) as made:
        yield made


def verify(public_key: str, headers: Any, body: bytes) -> None:
    """Raises InvalidSignature."""
    key = serialization.load_der_public_key(base64.b64decode(public_key))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signature = base64.b64decode(headers[SIGNATURE_HEADER])
    key.verify(signature, headers[TIMESTAMP_HEADER].encode() + body, ec.ECDSA(hashes.SHA256()))


def test_a_mail_is_taken_and_kept(sendgrid_server: SendGridServer, caller: httpx.Client) -> None:
    answer = caller.post("/v3/mail/send", json=MAIL)

    assert answer.status_code == 202
    assert answer.headers["X-Message-Id"] == sendgrid_server.account(KEY).sent[0]["_id"]


def test_in_sandbox_mode_it_is_only_looked_at(sendgrid_server: SendGridServer, caller: httpx.Client) -> None:
    sandbox = {"mail_settings": {"sandbox_mode": {"enable": True}}}

    assert caller.post("/v3/mail/send", json=MAIL | sandbox).status_code == 200
    assert sendgrid_server.account(KEY).sent == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"content": []}, "content"),
        ({"content": list(reversed(MAIL["content"]))}, "content"),
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": "a@b.test"}], "cc": [{"email": "A@b.test"}]}]}, "personalizations.0"),
    ],
)
def test_what_sendgrid_refuses_beyond_its_document(caller: httpx.Client, changes: dict[str, Any], field: str) -> None:
    answer = caller.post("/v3/mail/send", json=MAIL | changes)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_a_misspelt_field_is_refused_and_recorded(sendgrid_server: SendGridServer, caller: httpx.Client) -> None:
    with sendgrid_server.expecting_violations("body/subjekt: not in the contract"):
        answer = caller.post("/v3/mail/send", json=MAIL | {"subjekt": "Hello"})

    assert answer.status_code == 400


def test_a_withdrawn_key_and_an_unknown_sender_are_refused(
    sendgrid_server: SendGridServer, caller: httpx.Client
) -> None:
    sendgrid_server.account(KEY).senders.add("other@practice.test")
    assert caller.post("/v3/mail/send", json=MAIL).status_code == 403

    sendgrid_server.withdraw(KEY)
    assert caller.post("/v3/mail/send", json=MAIL).status_code == 401


def test_too_many_requests(sendgrid_server: SendGridServer, caller: httpx.Client) -> None:
    sendgrid_server.faults.answer(429, "/v3/mail/send", headers={"X-RateLimit-Reset": "1700000000"})

    answer = caller.post("/v3/mail/send", json=MAIL)

    assert (answer.status_code, answer.headers["X-RateLimit-Reset"]) == (429, "1700000000")
    assert sendgrid_server.account(KEY).sent == []


def test_a_lost_answer_means_a_second_mail(sendgrid_server: SendGridServer, caller: httpx.Client) -> None:
    sendgrid_server.faults.lose_answer("/v3/mail/send")
    with pytest.raises(httpx.RemoteProtocolError):
        caller.post("/v3/mail/send", json=MAIL)
    caller.post("/v3/mail/send", json=MAIL)

    assert len(sendgrid_server.account(KEY).sent) == 2


def test_what_becomes_of_a_mail_is_told_signed(
    sendgrid_server: SendGridServer, caller: httpx.Client, inbox: Inbox
) -> None:
    asked = {"url": f"{inbox.url}/events", "enabled": True, "delivered": True, "dropped": True}
    webhook_id = caller.post(SETTINGS, json=asked).json()["id"]
    public_key = caller.patch(f"{SETTINGS}/signed/{webhook_id}", json={"enabled": True}).json()["public_key"]
    caller.post("/v3/mail/send", json=MAIL)

    sendgrid_server.report(KEY, 0, "delivered", response="250 OK")
    sendgrid_server.report(KEY, 0, "open")
    sendgrid_server.deliveries.settle()

    (arrived,) = inbox.exchanges
    headers = httpx.Headers(arrived.headers)
    verify(public_key, headers, arrived.raw)
    with pytest.raises(InvalidSignature):
        verify(public_key, headers, arrived.raw.rstrip())
    (event,) = json.loads(arrived.raw)
    assert (event["event"], event["message"], event["email"]) == ("delivered", "m1", "clara@example.com")


def test_a_bounced_address_gets_nothing_more_until_it_is_taken_off(
    sendgrid_server: SendGridServer, caller: httpx.Client, inbox: Inbox
) -> None:
    caller.post(SETTINGS, json={"url": f"{inbox.url}/events", "enabled": True, "dropped": True, "processed": True})
    sendgrid_server.bounce(KEY, "clara@example.com")

    caller.post("/v3/mail/send", json=MAIL)
    assert caller.get("/v3/suppression/bounces/clara@example.com").json()[0]["status"] == "5.1.1"
    assert caller.delete("/v3/suppression/bounces/clara@example.com").status_code == 204
    caller.post("/v3/mail/send", json=MAIL)
    sendgrid_server.deliveries.settle()

    assert [json.loads(it.raw)[0]["event"] for it in inbox.exchanges] == ["dropped", "processed"]


@pytest.mark.parametrize("name", ["bounces", "blocks", "invalid_emails", "spam_reports"])
def test_an_address_is_taken_off_one_list_alone(
    sendgrid_server: SendGridServer, caller: httpx.Client, name: str
) -> None:
    account = sendgrid_server.account(KEY)
    sendgrid_server.bounce(KEY, "clara@example.com")
    for listed in (account.blocks, account.invalid_emails, account.spam_reports):
        listed.update({"clara@example.com", "other@example.com"})

    for _ in range(2):
        assert caller.delete(f"/v3/suppression/{name}/clara%40example.com").status_code == 204
    lists = {it: getattr(account, it) for it in ("bounces", "blocks", "invalid_emails", "spam_reports")}

    assert [it for it, listed in lists.items() if "clara@example.com" not in listed] == [name]
    assert all("other@example.com" in listed for it, listed in lists.items() if it != "bounces")


def test_webhooks_are_limited_changed_and_taken_away(caller: httpx.Client) -> None:
    first, second, third = (caller.post(SETTINGS, json={"url": f"https://x.test/{it}"}) for it in range(3))

    assert (first.status_code, second.status_code, third.status_code) == (201, 201, 400)
    place = f"{SETTINGS}/{first.json()['id']}"
    assert caller.patch(place, json={"url": "https://x.test/new", "bounce": True}).json()["bounce"] is True
    assert caller.get(place).json()["url"] == "https://x.test/new"
    assert caller.delete(place).status_code == 204
    assert caller.get(place).status_code == 404
    assert [it["id"] for it in caller.get(f"{SETTINGS}/all").json()["webhooks"]] == [second.json()["id"]]
