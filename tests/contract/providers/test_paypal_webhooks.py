"""The local PayPal's webhooks: registered, signed, delivered, verified."""

import base64
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.contract.providers.inbox import Inbox
from tests.support.providers.clients import PayPalCaller
from tests.support.providers.deliveries import DeliveryMode
from tests.support.providers.paypal.signing import SUBJECT, Signer
from tests.support.providers.paypal_server import PayPalServer

PATH = "/v1/notifications/webhooks"


def registered(merchant: PayPalCaller, url: str, *kinds: str) -> httpx.Response:
    """A webhook of the merchant's app."""
    return merchant.call("POST", PATH, {"url": url, "event_types": [{"name": it} for it in kinds or ("*",)]})


def verify(certificate: bytes, headers: Any, webhook_id: str, body: bytes) -> None:
    """Checks a signature as the documentation of PayPal says it is made. Raises InvalidSignature."""
    leaf = x509.load_pem_x509_certificates(certificate)[0]
    key = leaf.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    parts = (headers["PAYPAL-TRANSMISSION-ID"], headers["PAYPAL-TRANSMISSION-TIME"], webhook_id, str(zlib.crc32(body)))
    signature = base64.b64decode(headers["PAYPAL-TRANSMISSION-SIG"])
    key.verify(signature, "|".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())


class TestRegistering:
    def test_an_address_once_and_ten_at_most(self, merchant: PayPalCaller) -> None:
        answers = [registered(merchant, f"https://practice.test/{number}") for number in range(10)]

        assert {it.status_code for it in answers} == {201}
        assert registered(merchant, "https://practice.test/0").json()["name"] in {
            "WEBHOOK_URL_ALREADY_EXISTS",
            "WEBHOOK_NUMBER_LIMIT_EXCEEDED",
        }
        assert registered(merchant, "https://practice.test/10").json()["name"] == "WEBHOOK_NUMBER_LIMIT_EXCEEDED"
        assert merchant.call("DELETE", f"{PATH}/{answers[0].json()['id']}").status_code == 204
        assert registered(merchant, "https://practice.test/1").json()["name"] == "WEBHOOK_URL_ALREADY_EXISTS"
        assert len(merchant.call("GET", PATH).json()["webhooks"]) == 9

    def test_it_moves_with_the_practice(self, merchant: PayPalCaller) -> None:
        webhook_id = registered(merchant, "https://practice.test/old").json()["id"]
        patch = [{"op": "replace", "path": "/url", "value": "https://practice.test/new"}]

        assert merchant.call("PATCH", f"{PATH}/{webhook_id}", patch).json()["url"] == "https://practice.test/new"
        assert merchant.call("GET", f"{PATH}/{webhook_id}").json()["url"] == "https://practice.test/new"

    def test_where_asked_only_https_is_taken(self, paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
        paypal_server.world.https_only = True

        assert registered(merchant, "http://practice.test/x").status_code == 400

    def test_one_that_is_gone_is_not_found(self, merchant: PayPalCaller) -> None:
        assert merchant.call("GET", f"{PATH}/NONE").status_code == 404


class TestSigning:
    @pytest.fixture
    def webhook_id(self, merchant: PayPalCaller, inbox: Inbox) -> str:
        return str(registered(merchant, f"{inbox.url}/hook").json()["id"])

    def test_what_arrives_is_signed_by_the_certificate_that_is_named(
        self, paypal_server: PayPalServer, merchant: PayPalCaller, inbox: Inbox, webhook_id: str
    ) -> None:
        order_id = merchant.order("pay:1").json()["id"]
        paypal_server.approve(order_id)
        paypal_server.deliveries.settle()

        arrived = inbox.exchanges[0]
        headers = httpx.Headers(arrived.headers)
        certificate = httpx.get(headers["PAYPAL-CERT-URL"], trust_env=False).content
        verify(certificate, headers, webhook_id, arrived.raw)
        with pytest.raises(InvalidSignature):
            verify(certificate, headers, "OTHER", arrived.raw)
        with pytest.raises(InvalidSignature):
            verify(certificate, headers, webhook_id, arrived.raw.replace(b"APPROVED", b"REVERSED"))
        assert headers["PAYPAL-AUTH-ALGO"] == "SHA256withRSA"
        assert json.loads(arrived.raw)["resource"]["id"] == order_id

    def test_the_certificate_hangs_from_the_authority_and_from_no_other(self, paypal_server: PayPalServer) -> None:
        signer = paypal_server.world.signer
        leaf, ca = x509.load_pem_x509_certificates(signer.certificate_pem)
        stranger = x509.load_pem_x509_certificate(Signer(ca="stranger").ca_pem)

        leaf.verify_directly_issued_by(ca)
        with pytest.raises(InvalidSignature):
            leaf.verify_directly_issued_by(stranger)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [SUBJECT]

    def test_a_certificate_can_have_ended(self) -> None:
        signer = Signer(valid_for=timedelta(days=-1))
        leaf = x509.load_pem_x509_certificates(signer.certificate_pem)[0]

        assert leaf.not_valid_after_utc < datetime.now(UTC)

    def test_paypal_verifies_the_bytes_and_not_what_they_mean(
        self, paypal_server: PayPalServer, merchant: PayPalCaller, webhook_id: str
    ) -> None:
        order_id = merchant.order("pay:1").json()["id"]
        body, headers = paypal_server.webhook(
            "client", "CHECKOUT.ORDER.APPROVED", "checkout-order", order_id, webhook_id
        )

        def asked(event: bytes) -> str:
            said = {
                "auth_algo": headers["PAYPAL-AUTH-ALGO"],
                "cert_url": headers["PAYPAL-CERT-URL"],
                "transmission_id": headers["PAYPAL-TRANSMISSION-ID"],
                "transmission_sig": headers["PAYPAL-TRANSMISSION-SIG"],
                "transmission_time": headers["PAYPAL-TRANSMISSION-TIME"],
                "webhook_id": webhook_id,
            }
            content = json.dumps(said).encode()[:-1] + b', "webhook_event": ' + event + b"}"
            answer = merchant.call("POST", "/v1/notifications/verify-webhook-signature", content=content)
            return str(answer.json()["verification_status"])

        assert asked(body) == "SUCCESS"
        assert asked(json.dumps(json.loads(body), indent=1).encode()) == "FAILURE"

    def test_a_repetition_has_the_transmission_id_of_the_first_try(
        self, paypal_server: PayPalServer, merchant: PayPalCaller, inbox: Inbox, webhook_id: str
    ) -> None:
        inbox.status = 500
        paypal_server.approve(merchant.order("pay:1").json()["id"])
        paypal_server.deliveries.settle()
        inbox.status = 200
        paypal_server.deliveries.repeat_failed()
        paypal_server.deliveries.repeat_failed()

        first, second = (httpx.Headers(it.headers) for it in inbox.exchanges)
        assert first["PAYPAL-TRANSMISSION-ID"] == second["PAYPAL-TRANSMISSION-ID"]
        assert inbox.exchanges[0].raw == inbox.exchanges[1].raw

    def test_a_webhook_hears_only_what_it_asked_for(
        self, paypal_server: PayPalServer, merchant: PayPalCaller, inbox: Inbox
    ) -> None:
        registered(merchant, f"{inbox.url}/captures", "PAYMENT.CAPTURE.COMPLETED")
        order_id = merchant.order("pay:1").json()["id"]
        paypal_server.approve(order_id)
        merchant.capture(order_id, "c1")
        paypal_server.deliveries.settle()

        assert [json.loads(it.raw)["event_type"] for it in inbox.exchanges] == ["PAYMENT.CAPTURE.COMPLETED"]

    def test_what_was_lost_is_in_the_list_of_events(
        self, paypal_server: PayPalServer, merchant: PayPalCaller, inbox: Inbox, webhook_id: str
    ) -> None:
        paypal_server.deliveries.mode = DeliveryMode.DROPPED
        paypal_server.approve(merchant.order("pay:1").json()["id"])

        listed = merchant.call(
            "GET", f"{PATH}-events?event_type=CHECKOUT.ORDER.APPROVED&start_time=2020-01-01T00:00:00Z"
        ).json()

        assert inbox.exchanges == []
        assert listed["count"] == 1
        assert listed["events"] == paypal_server.events("client")
