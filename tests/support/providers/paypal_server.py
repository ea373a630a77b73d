"""A local PayPal for the real SDK: tokens, orders, captures, refunds and webhooks by PayPal's contract."""

import base64
import binascii
import html
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from tests.contract.documents import CheckedRequest, Document
from tests.contract.places import paypal_documents
from tests.support.providers.deliveries import Deliveries
from tests.support.providers.paypal import disputes, orders, payments, webhooks
from tests.support.providers.paypal.controls import Controls
from tests.support.providers.paypal.errors import PayPalError, body_of
from tests.support.providers.paypal.signing import CERTIFICATES_PATH
from tests.support.providers.paypal.world import ROUTES, App, Call, Json, World
from tests.support.providers.server import Answer, Exchange, ProviderServer

FAMILIES = (disputes, orders, payments, webhooks)
"""Imported for the operations that they register."""
TOKEN_PATH = "/v1/oauth2/token"


class PayPalServer(Controls, ProviderServer):
    """PayPal on a port of this machine. A client id that nobody added has the secret ``secret-of-`` and its name."""

    name: ClassVar[str] = "PayPal"
    pages: ClassVar[tuple[str, ...]] = ("/checkoutnow", CERTIFICATES_PATH)

    def __init__(self, port: int = 0, documents: tuple[Document, ...] | None = None) -> None:
        """``documents``: the contract to hold everything against, where it isn't the one of the setting."""
        super().__init__(port)
        self.documents = documents or paypal_documents()
        self.world = World(lambda: self.url, self._check_object)
        self.tolerates_null_body = False
        """Whether a GET or a DELETE may carry a body."""
        self.certificate_answer: tuple[int, bytes, Mapping[str, str]] | None = None
        """What is answered in place of any certificate: status, body, headers."""
        self.page_calls: list[str] = []
        """Each page that was asked for, certificates among them."""
        self._replies: dict[tuple[str, str, str], Answer] = {}
        self._running: set[tuple[str, str, str]] = set()

    @property
    def deliveries(self) -> Deliveries:
        """Webhooks on their way, to hold, lose, double or reorder."""
        return self.world.deliveries

    def stop(self) -> None:
        """Stops listening, and sending."""
        super().stop()
        self.world.deliveries.stop()

    def check(self, exchange: Exchange) -> CheckedRequest:
        """Against the document that has the operation."""
        raw = exchange.raw
        if self.tolerates_null_body and exchange.method in {"GET", "DELETE"} and raw == b"null":
            raw = b""
        found = next((it for it in self.documents if it.find(exchange.method, exchange.path)), self.documents[0])
        return found.check_request(exchange.method, exchange.path, exchange.headers, exchange.query, raw)

    def begin(self, exchange: Exchange) -> Answer | None:
        """A second request with an id whose first one is still running is a conflict."""
        place = self._place(exchange)
        if place in self._running:
            error = PayPalError(409, "PREVIOUS_REQUEST_IN_PROGRESS")
            return Answer(409, body_of(error, None, self.world.new_id()))
        if place is not None:
            self._running.add(place)
        return None

    def release(self, exchange: Exchange) -> None:
        """The id is free for a repetition."""
        place = self._place(exchange)
        if place is not None:
            self._running.discard(place)

    def perform(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        """Carried out once for each request id; later the same answer with status 200."""
        debug_id = self.world.new_id("D")
        if exchange.path == TOKEN_PATH and checked.operation is not None:
            return self._token(exchange, checked)
        app = self._app(exchange)
        if app is None:
            body = {"error": "invalid_token", "error_description": "The token passed in was not found in the system"}
            return Answer(401, body, {"PayPal-Debug-Id": debug_id})
        place = self._place(exchange)
        if place in self._replies:
            known = self._replies[place]
            status = 200 if known.status == 201 and "/refund" not in exchange.path else known.status
            return Answer(status, known.body, known.headers)
        return self._carried_out(exchange, checked, app, debug_id)

    def refuse(self, status: int) -> Json:
        """An error in PayPal's shape."""
        if status == 401:
            return {"error": "invalid_token", "error_description": "Token signature verification failed"}
        return body_of(PayPalError(status), None, self.world.new_id("D"))

    def page(self, method: str, path: str, form: Mapping[str, str]) -> Answer | None:
        """The certificate, and the page on which a client approves."""
        self.page_calls.append(path)
        if path.startswith(CERTIFICATES_PATH) and self.certificate_answer is not None:
            return Answer(*self.certificate_answer)
        if path == f"{CERTIFICATES_PATH}{self.world.signer.certificate_id}":
            return Answer(200, self.world.signer.certificate_pem)
        if path != "/checkoutnow":
            return None
        try:
            app = self.world.whose(form["token"])
            order = app.things[form["token"]]
            if method == "POST":
                is_yes = form.get("action") == "approve"
                where = orders.approve(self.world, app, order) if is_yes else orders.leave(self.world, order)
                return Answer(303, None, {"Location": where})
        except LookupError as error:
            return Answer(404, f"<!doctype html><title>Local PayPal</title><p>{html.escape(str(error))}</p>")
        return Answer(200, _approval_page(order))

    def _token(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        try:
            text = base64.b64decode(exchange.headers.get("authorization", "").removeprefix("Basic "), validate=True)
            client_id, _, secret = text.decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client_id = secret = ""
        app = self.world.app(client_id) if client_id else None
        if app is None or not secrets.compare_digest(app.secret, secret):
            body = {"error": "invalid_client", "error_description": "Client Authentication failed"}
            return self._checked(exchange, checked, Answer(401, body))
        if checked.violations:
            body = {"error": "unsupported_grant_type", "error_description": "; ".join(checked.violations)}
            return Answer(400, body)
        token = f"A21AA{secrets.token_urlsafe(48)}"
        self.world.tokens[token] = client_id, self.world.now() + timedelta(seconds=self.world.token_seconds)
        granted: Json = {
            "scope": "https://uri.paypal.com/services/payments/payment https://uri.paypal.com/services/payments/refund",
            "access_token": token,
            "token_type": "Bearer",
            "app_id": "APP-80W284485P519543T",
            "expires_in": self.world.token_seconds,
            "nonce": f"{self.world.moment()}{secrets.token_urlsafe(16)}",
        }
        return self._checked(exchange, checked, Answer(200, granted))

    def _carried_out(self, exchange: Exchange, checked: CheckedRequest, app: App, debug_id: str) -> Answer:
        is_final = False
        try:
            if checked.operation is None:
                raise PayPalError(404)
            if checked.violations:
                issue = "INVALID_PARAMETER_SYNTAX"
                raise PayPalError(400, issue, description="; ".join(checked.violations))
            reply = ROUTES[checked.operation.key](self.world, _call(app, exchange, checked))
        except PayPalError as error:
            is_final = error.is_final
            answer = Answer(error.status, body_of(error, checked.operation, debug_id), {"PayPal-Debug-Id": debug_id})
        else:
            is_final = reply.status == 201
            answer = Answer(reply.status, reply.body, {"PayPal-Debug-Id": debug_id})
        place = self._place(exchange)
        if place is not None and is_final:
            self._replies[place] = answer
        return self._checked(exchange, checked, answer)

    def _checked(self, exchange: Exchange, checked: CheckedRequest, answer: Answer) -> Answer:
        if checked.operation is not None:
            wrong = checked.operation.document.check_answer(checked.operation, answer.status, answer.body)
            if wrong:
                self.fail(f"answer {answer.status} to {exchange.method} {exchange.path}", wrong)
        return answer

    def _check_object(self, kind: str, thing: Json) -> None:
        document = next(it for it in self.documents if it.has_component(kind))
        wrong = document.check_object(kind, thing)
        if wrong:
            self.fail(f"{kind} in a webhook", wrong)

    def _app(self, exchange: Exchange) -> App | None:
        """Whose token it is; None for one that is unknown, over or withdrawn."""
        token = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        client_id, until = self.world.tokens.get(token, ("", None))
        app = self.world.apps.get(client_id)
        if app is None or until is None or until <= self.world.now() or app.is_refused:
            return None
        return app

    def _place(self, exchange: Exchange) -> tuple[str, str, str] | None:
        """Where the answer to this request's id is kept: ids are each merchant's own, for each path."""
        request_id, app = exchange.headers.get("paypal-request-id"), self._app(exchange)
        if exchange.method != "POST" or not request_id or app is None:
            return None
        return app.client_id, exchange.path, request_id


def _call(app: App, exchange: Exchange, checked: CheckedRequest) -> Call:
    body: Any = checked.body
    wants = "return=representation" in exchange.headers.get("prefer", "")
    request_id = exchange.headers.get("paypal-request-id")
    return Call(app, dict(checked.path), checked.query, body, exchange.raw, wants, request_id)


def _approval_page(order: Json) -> str:
    amounts = ", ".join(f"{it['amount']['value']} {it['amount']['currency_code']}" for it in order["purchase_units"])
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Local PayPal</title>'
        f"<h1>Local PayPal</h1><p>{order['id']}: <strong>{html.escape(amounts)}</strong></p>"
        '<form method="post"><button name="action" value="approve">Approve</button> '
        '<button name="action" value="leave">Cancel and go back</button></form></html>'
    )
