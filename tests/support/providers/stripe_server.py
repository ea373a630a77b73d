"""A local Stripe for the real SDK: the API by its contract, its pages, its webhooks, and what tests make happen."""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.contract.documents import CheckedRequest
from tests.contract.stripe_contract import stripe_contract
from tests.support.providers.deliveries import Deliveries
from tests.support.providers.server import Answer, Exchange, ProviderServer
from tests.support.providers.stripe import (
    accounts,
    catalogue,
    charges,
    disputes,
    events,
    intents,
    invoice_items,
    methods,
    pages,
    refunds,
    sessions,
    setups,
    subscriptions,
)
from tests.support.providers.stripe.controls import Controls
from tests.support.providers.stripe.errors import StripeError
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import PLATFORM, ROUTES, Key, Scope, World, bearer, call_of

FAMILIES = (
    accounts, catalogue, charges, disputes, events, intents, invoice_items, methods, refunds, sessions, setups,
    subscriptions,
)  # fmt: skip
"""Imported for the operations that they register."""
PLATFORM_TEST_KEY = "sk_test_platform"
PLATFORM_LIVE_KEY = "sk_live_platform"
WEBHOOK_SECRET = "whsec_platform"


class StripeServer(Controls, ProviderServer):
    """Stripe on a port of this machine. The API, Connect's OAuth and the pages share one address."""

    name: ClassVar[str] = "Stripe"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.world = World(stripe_contract(), lambda: self.url, self.fail)
        self.world.keys[PLATFORM_TEST_KEY] = Key(PLATFORM, livemode=False)
        self.world.keys[PLATFORM_LIVE_KEY] = Key(PLATFORM, livemode=True)
        self._replies: dict[tuple[Scope, str], tuple[str, Answer]] = {}
        self._running: set[tuple[Scope, str]] = set()

    @property
    def deliveries(self) -> Deliveries:
        """Webhooks on their way, to hold, lose, double or reorder."""
        return self.world.deliveries

    def stop(self) -> None:
        """Stops listening, and sending."""
        super().stop()
        self.world.deliveries.stop()

    def check(self, exchange: Exchange) -> CheckedRequest:
        """Against the contract of the installed SDK."""
        return self.world.contract.check_request(
            exchange.method, exchange.path, exchange.headers, exchange.query, exchange.raw
        )

    def begin(self, exchange: Exchange) -> Answer | None:
        """A second request with a key whose first one is still running is a conflict."""
        place = self._place(exchange)
        if place is None:
            return None
        if place in self._running:
            error = StripeError(
                409,
                "There is currently another in-progress request using this Idempotent Key.",
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
            return self._refused(error)
        self._running.add(place)
        return None

    def release(self, exchange: Exchange) -> None:
        """The key is free for a repetition."""
        place = self._place(exchange)
        if place is not None:
            self._running.discard(place)

    def perform(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        """Carried out once for each idempotency key; later the same answer again."""
        place = self._place(exchange)
        print_of = hashlib.sha256(exchange.path.encode() + b"\0" + exchange.raw).hexdigest()
        if place in self._replies:
            first, answer = self._replies[place]
            if first != print_of:
                message = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used "
                    f"with. Try using a key other than '{place[1]}' if you meant to execute a different request."
                )
                return self._refused(StripeError(400, message, kind="idempotency_error"))
            return Answer(answer.status, answer.body, {**answer.headers, "Idempotent-Replayed": "true"})
        answer = self._carried_out(exchange, checked)
        # What was refused before it began is no first use of the key.
        if place is not None and not checked.violations and answer.status not in {401, 403, 429}:
            self._replies[place] = print_of, answer
        return answer

    def refuse(self, status: int) -> Json:
        """An error in Stripe's shape."""
        if status == 429:
            return {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}}
        if status == 401:
            return {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided."}}
        return {"error": {"type": "api_error", "message": "An error occurred on our side."}}

    def page(self, method: str, path: str, form: Mapping[str, str]) -> Answer | None:
        """Checkout, the bank's question, onboarding, the portal."""
        return pages.page(self.world, method, path, form)

    def _place(self, exchange: Exchange) -> tuple[Scope, str] | None:
        """Where the answer to this request's key is kept: keys are each account's own."""
        key = exchange.headers.get("idempotency-key")
        if exchange.method != "POST" or not key:
            return None
        try:
            return self.world.scope_of(bearer(exchange.headers), exchange.headers.get("stripe-account"))[1], key
        except StripeError:
            return None

    def _carried_out(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        if checked.operation is None:
            error = StripeError(404, f"Unrecognized request URL ({exchange.method}: {exchange.path}).")
            return self._refused(error)
        try:
            call = call_of(self.world, checked, exchange.headers)
            if checked.violations:
                raise StripeError(400, "; ".join(checked.violations), code="parameter_unknown")
            thing = ROUTES[checked.operation.key](self.world, call)
        except StripeError as error:
            answer = self._refused(error, is_oauth=checked.operation.template.startswith("/oauth"))
        else:
            answer = Answer(200, thing, self._headers(exchange))
        wrong = self.world.contract.check_answer(checked.operation, answer.status, answer.body)
        if wrong:
            self.fail(f"answer to {exchange.method} {checked.operation.template}", wrong)
        return answer

    def _headers(self, exchange: Exchange) -> dict[str, str]:
        headers = {"Request-Id": self.world.new_id("req")}
        for name in ("Stripe-Version", "Idempotency-Key", "Stripe-Account"):
            if name.lower() in exchange.headers:
                headers[name] = exchange.headers[name.lower()]
        return headers

    def _refused(self, error: StripeError, *, is_oauth: bool = False) -> Answer:
        headers = {"Request-Id": self.world.new_id("req")}
        body: dict[str, Any] = {"error": error.body}
        if is_oauth:
            body = {"error": error.body.get("code", "invalid_request"), "error_description": error.body["message"]}
        return Answer(error.status, body, headers)
