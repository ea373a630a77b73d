"""A local gateway for text messages that holds every request against docs/text-gateway.openapi.json."""

import base64
import json
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from notifications.texting.signatures import sign, verify
from tests.contract.documents import CheckedRequest, Document
from tests.support.mails import ROOT
from tests.support.providers.server import Answer, Exchange, ProviderServer
from todoenbalance.kit import clock
from todoenbalance.kit.text_settings import TextSettings
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError

TOKEN = "gateway-token"
PATH = "/messages"


@dataclass(slots=True)
class Taken:
    """A message that goes out, once; ``copies``: how often it was handed over."""

    reference: str
    body: dict[str, Any]
    copies: int = 1


class TextGateway(ProviderServer):
    """Drops repeats by their idempotency key. While ``hold`` is clear, what was taken is not answered."""

    name: ClassVar[str] = "text gateway"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.document = Document.load(ROOT / "docs" / "text-gateway.openapi.json")
        self.key = secrets.token_bytes(32)
        self.messages: dict[str, Taken] = {}
        self.taken, self.hold = threading.Event(), threading.Event()
        self.hold.set()

    def settings(self, **values: Any) -> TextSettings:
        """Those of a deployment that uses this gateway."""
        key = f"whsec_{base64.b64encode(self.key).decode()}"
        given = {"adapter": "gateway", "url": self.url + PATH, "token": TOKEN, "signing_keys": key}
        return TextSettings.model_validate(given | values)

    def check(self, exchange: Exchange) -> CheckedRequest:
        """Against the document."""
        return self.document.check_request(
            exchange.method, exchange.path, exchange.headers, exchange.query, exchange.raw
        )

    def refuse(self, status: int) -> dict[str, str]:
        """As the document says."""
        return {"code": f"because_{status}"}

    def perform(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        """Take the message, or know it again."""
        if exchange.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, self.refuse(401))
        try:
            # The clock of a test is not this thread's: the signature is checked, its age is not.
            signed_at = datetime.fromtimestamp(int(exchange.headers["webhook-timestamp"]), UTC)
            verify(exchange.headers, exchange.raw, [self.key], signed_at)
        except InvalidWebhookSignatureError:
            return Answer(403, self.refuse(403))
        if checked.violations:
            return Answer(400, {"code": "invalid"})
        key = exchange.headers["idempotency-key"]
        if not key == exchange.headers["webhook-id"] == checked.body["id"]:
            return Answer(400, {"code": "ids_differ"})
        if key in self.messages:
            self.messages[key].copies += 1
        else:
            self.messages[key] = Taken(f"ref-{secrets.token_hex(4)}", checked.body)
        self.taken.set()
        self.hold.wait(60)
        return Answer(202, {"reference": self.messages[key].reference})

    def report(self, message_id: str, status: str, *, key: bytes | None = None) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a report, sent to nobody."""
        said = {"id": message_id, "status": status}
        wrong = self.document.check_object("Report", said)
        if wrong:
            self.fail("report", wrong)
        body = json.dumps(said).encode()
        return body, sign(key or self.key, f"report-{secrets.token_hex(4)}", body, clock.now())

    @property
    def texts(self) -> list[str]:
        """The words of what goes out, in order of arrival."""
        return [one.body["text"] for one in self.messages.values()]
