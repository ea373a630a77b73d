"""Callers of the local providers: Stripe's real client, and a plain one that speaks PayPal's and SendGrid's HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx
import requests
import stripe

from tests.support.providers.paypal_server import PayPalServer
from tests.support.providers.stripe_server import PLATFORM_TEST_KEY, StripeServer

Json = dict[str, Any]
TIMEOUT_SECONDS = 20


@contextmanager
def stripe_client(
    server: StripeServer | str, key: str = PLATFORM_TEST_KEY, *, account_id: str | None = None, retries: int = 0
) -> Iterator[stripe.StripeClient]:
    """The real client against a local server or its address; for one account, or for the key's own.

    Its connections end with it.
    """
    url = server if isinstance(server, str) else server.url
    stripe.enable_telemetry = False
    http = stripe.RequestsClient(timeout=TIMEOUT_SECONDS, session=requests.Session())
    client = stripe.StripeClient(
        key,
        stripe_account=account_id,
        base_addresses={"api": url, "connect": url, "files": url},
        http_client=http,
        max_network_retries=retries,
        client_id="ca_platform",
    )
    try:
        yield client
    finally:
        http.close()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


class PayPalCaller:
    """A merchant's app that speaks PayPal's HTTP, right or wrong as a test wants."""

    def __init__(self, server: PayPalServer, client_id: str = "client", secret: str = "secret") -> None:
        self._client = httpx.Client(base_url=server.url, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._credentials = client_id, secret
        self._token: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def token(self) -> httpx.Response:
        """Asks for a token and keeps it."""
        answer = self._client.post(
            "/v1/oauth2/token", data={"grant_type": "client_credentials"}, auth=self._credentials
        )
        self._token = answer.json().get("access_token")
        return answer

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        request_id: str | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One call; ``content`` is sent as it is instead of a body."""
        if self._token is None:
            self.token()
        headers = {"Authorization": f"Bearer {self._token}", "Prefer": "return=representation"}
        if request_id is not None:
            headers["PayPal-Request-Id"] = request_id
        if content is not None:
            headers["Content-Type"] = "application/json"
            return self._client.request(method, path, headers=headers, content=content)
        return self._client.request(method, path, headers=headers, json=body)

    def order(self, request_id: str, value: str = "50.00", currency: str = "EUR", **unit: object) -> httpx.Response:
        """An order of one unit, as the product makes them."""
        asked = {"amount": {"currency_code": currency, "value": value}, "invoice_id": request_id, **unit}
        context = {
            "return_url": "http://practice.test/return",
            "cancel_url": "http://practice.test/cancel",
            "user_action": "PAY_NOW",
            "shipping_preference": "NO_SHIPPING",
        }
        body = {
            "intent": "CAPTURE",
            "purchase_units": [asked],
            "payment_source": {"paypal": {"experience_context": context}},
        }
        return self.call("POST", "/v2/checkout/orders", body, request_id=request_id)

    def capture(self, order_id: str, request_id: str) -> httpx.Response:
        """Captures an order."""
        return self.call("POST", f"/v2/checkout/orders/{order_id}/capture", {}, request_id=request_id)

    def refund(
        self, capture_id: str, request_id: str, value: str | None = None, currency: str = "EUR"
    ) -> httpx.Response:
        """Refunds a capture, wholly without a value."""
        body: Json = {} if value is None else {"amount": {"currency_code": currency, "value": value}}
        return self.call("POST", f"/v2/payments/captures/{capture_id}/refund", body, request_id=request_id)


def issue(answer: httpx.Response) -> str:
    """The issue of a refusal."""
    return str(answer.json()["details"][0]["issue"])
