"""The control methods of local providers over HTTP, for tests whose providers run in a process of their own."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.contract.documents import CheckedRequest
from tests.support.providers.paypal_server import PayPalServer
from tests.support.providers.sendgrid_server import SendGridServer
from tests.support.providers.server import Answer, Exchange, ProviderServer
from tests.support.providers.stripe.methods import Behaviour
from tests.support.providers.stripe.sessions import Outcome
from tests.support.providers.stripe_server import StripeServer

Controlled = StripeServer | PayPalServer | SendGridServer
CALLABLE: dict[str, frozenset[str]] = {
    "stripe": frozenset(
        {
            "add_account", "add_card", "authenticate", "close_dispute", "confirm", "deauthorize", "deliver_to",
            "events", "end_subscription", "expire", "find", "next_period", "next_refund", "objects", "onboard",
            "open_dispute", "pay", "pay_invoice", "refund_at_stripe", "require", "settle", "settle_refund",
            "update_dispute",
        }
    ),
    "paypal": frozenset(
        {
            "approve", "close_dispute", "events", "find", "forget_tokens", "lapse", "next_capture", "next_refund",
            "open_dispute", "refund_at_paypal", "refuse_capture", "refuse_refund", "reverse", "settle_capture",
            "settle_refund", "things", "update_dispute", "withdraw",
        }
    ),
    "sendgrid": frozenset({"bounce", "report", "withdraw"}),
}  # fmt: skip


class ControlServer(ProviderServer):
    """``POST /{provider}/{method}`` with a JSON object of arguments; ``GET /{provider}/violations``."""

    name: ClassVar[str] = "control"

    def __init__(self, port: int, controlled: Mapping[str, Controlled]) -> None:
        super().__init__(port)
        self._controlled = controlled

    def check(self, exchange: Exchange) -> CheckedRequest:
        """Nothing of a contract: what is called is a method."""
        return CheckedRequest(None, {}, {}, json.loads(exchange.raw or b"{}"), ())

    def perform(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        """Calls the method."""
        name, _, method = exchange.path.strip("/").partition("/")
        provider = self._controlled.get(name)
        if provider is None:
            return Answer(404, {"error": f"no {name}"})
        if method == "violations":
            return Answer(200, {"result": [*provider.violations, *provider.failures]})
        if method not in CALLABLE[name]:
            return Answer(404, {"error": f"{name} has no {method}"})
        try:
            return Answer(200, {"result": getattr(provider, method)(**_typed(checked.body))})
        except LookupError as error:
            return Answer(404, {"error": str(error)})

    def refuse(self, status: int) -> Any:
        """Faults are for providers."""
        return {"error": str(status)}


def _typed(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments that JSON can't say."""
    if "outcome" in arguments:
        arguments["outcome"] = Outcome(arguments["outcome"])
    if isinstance(arguments.get("behaviour"), dict):
        arguments["behaviour"] = Behaviour(**arguments["behaviour"])
    return arguments
