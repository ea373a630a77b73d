"""A local SendGrid: mail taken and kept, suppressions, event webhooks signed with a real key."""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar
from urllib.parse import unquote

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.contract.documents import CheckedRequest, Document
from tests.contract.places import sendgrid_documents
from tests.support.providers import sendgrid_domains
from tests.support.providers.deliveries import Deliveries, Delivery
from tests.support.providers.server import Answer, Exchange, ProviderServer

Json = dict[str, Any]
SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"
SETTINGS = "/v3/user/webhooks/event/settings"
MOST_WEBHOOKS = 2
EVENT_SWITCHES = (
    "group_resubscribe", "delivered", "group_unsubscribe", "spam_report", "bounce", "deferred", "unsubscribe",
    "processed", "open", "click", "dropped",
)  # fmt: skip
SANDBOX_STATUS = 200
"""What a mail in sandbox mode is answered with; the document knows only 202."""
_SWITCH_OF = {"spamreport": "spam_report"}
"""Events whose switch has another name."""


@dataclass(slots=True)
class Account:
    """What an API key opens."""

    key: str
    senders: set[str] = field(default_factory=set)
    """Addresses it may send from; empty is any."""
    sent: list[Json] = field(default_factory=list)
    """Mails that were taken, as they were asked for, with ``_id`` beside."""
    bounces: dict[str, str] = field(default_factory=dict)
    """Reason by address."""
    spam_reports: set[str] = field(default_factory=set)
    blocks: set[str] = field(default_factory=set)
    """Turned away for now: SendGrid lists such addresses and goes on sending to them."""
    invalid_emails: set[str] = field(default_factory=set)
    unsubscribed: set[str] = field(default_factory=set)
    webhooks: dict[str, Json] = field(default_factory=dict)
    domains: sendgrid_domains.Domains = field(default_factory=sendgrid_domains.Domains)
    signing: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def public_key(self) -> str:
        """Base64 of the DER form, without PEM's lines, as SendGrid shows it."""
        der = self.signing.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(der).decode()


class SendGridServer(ProviderServer):
    """SendGrid on a port of this machine. Any key that begins ``SG.`` has an account of its own."""

    name: ClassVar[str] = "SendGrid"

    def __init__(self, port: int = 0, documents: tuple[Document, ...] | None = None) -> None:
        """``documents``: the contract to hold everything against, where it isn't the one of the setting."""
        super().__init__(port)
        self.documents = documents or sendgrid_documents()
        self.accounts: dict[str, Account] = {}
        self.withdrawn: set[str] = set()
        self.zone: sendgrid_domains.Zone = {}
        """The DNS that it sees when it validates domains."""
        self.deliveries = Deliveries()
        self.lock = threading.RLock()

    def stop(self) -> None:
        """Stops listening, and sending."""
        super().stop()
        self.deliveries.stop()

    def check(self, exchange: Exchange) -> CheckedRequest:
        """Against the document that has the operation."""
        found = next((it for it in self.documents if it.find(exchange.method, exchange.path)), self.documents[0])
        return found.check_request(exchange.method, exchange.path, exchange.headers, exchange.query, exchange.raw)

    def refuse(self, status: int) -> Json:
        """An error in SendGrid's shape."""
        said = {401: "The provided authorization grant is invalid, expired, or revoked", 429: "too many requests"}
        return _errors(said.get(status, "internal server error"))

    def perform(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        """Carries out what the key may."""
        key = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        if not key.startswith("SG.") or key in self.withdrawn:
            return Answer(401, self.refuse(401))
        if checked.operation is None:
            return Answer(404, _errors("not found"))
        if checked.violations:
            return Answer(400, {"errors": [{"message": it, "field": None, "help": None} for it in checked.violations]})
        answer = self._handler(checked)(self.account(key), checked)
        # The answer of the document's own for an error says less than SendGrid does.
        is_sandbox = answer.status == SANDBOX_STATUS and answer.body is None
        if answer.status < 400 and not is_sandbox:
            wrong = checked.operation.document.check_answer(checked.operation, answer.status, answer.body)
            if wrong:
                self.fail(f"answer to {exchange.method} {exchange.path}", wrong)
        return answer

    # --- what tests make happen

    def account(self, key: str = "SG.test") -> Account:
        """What belongs to a key."""
        with self.lock:
            return self.accounts.setdefault(key, Account(key))

    def withdraw(self, key: str) -> None:
        """The key is refused from now on."""
        with self.lock:
            self.withdrawn.add(key)

    def bounce(self, key: str, email: str, reason: str = "550 5.1.1 no such mailbox") -> None:
        """Mail to this address comes back from now on; the next one is dropped."""
        with self.lock:
            self.account(key).bounces[email] = reason

    def report(self, key: str, index: int, event: str, **fields: object) -> None:
        """Something became of the mail that was taken as number ``index``; webhooks hear of it."""
        with self.lock:
            self._tell(self.account(key), [self.event_of(key, index, event, **fields)])

    def event_of(self, key: str, index: int, event: str, **fields: object) -> Json:
        """What SendGrid says about a mail, for its first addressee, with the mail's custom arguments."""
        account = self.account(key)
        mail = account.sent[index]
        personal = mail["personalizations"][0]
        arguments = {**(mail.get("custom_args") or {}), **(personal.get("custom_args") or {})}
        made: Json = {
            **arguments,
            "email": personal["to"][0]["email"],
            "event": event,
            "timestamp": int(time.time()),
            "sg_event_id": secrets.token_urlsafe(16),
            "sg_message_id": f"{mail['_id']}.recvd-local-1",
        }
        return made | dict(fields)

    def webhook(self, key: str, events: list[Json], *, timestamp: int | None = None) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of a batch of events, sent to nobody."""
        document = next(it for it in self.documents if it.has_component("Event"))
        for event in events:
            wrong = document.check_object("Event", event)
            if wrong:
                self.fail("event", wrong)
        body = json.dumps(events, separators=(",", ":")).encode() + b"\r\n"
        return body, _signature(self.account(key), timestamp, body)

    # --- operations

    def _handler(self, checked: CheckedRequest) -> Callable[[Account, CheckedRequest], Answer]:
        assert checked.operation is not None
        if checked.operation.key in sendgrid_domains.HANDLED:
            return lambda account, asked: account.domains.handle(asked, self.zone)
        handlers: dict[tuple[str, str], Callable[[Account, CheckedRequest], Answer]] = {
            ("POST", "/v3/mail/send"): self._send,
            ("POST", SETTINGS): self._create_settings,
            ("GET", f"{SETTINGS}/all"): self._list_settings,
            ("GET", f"{SETTINGS}/{{id}}"): self._read_settings,
            ("PATCH", f"{SETTINGS}/{{id}}"): self._change_settings,
            ("DELETE", f"{SETTINGS}/{{id}}"): self._delete_settings,
            ("GET", f"{SETTINGS}/signed/{{id}}"): self._read_key,
            ("PATCH", f"{SETTINGS}/signed/{{id}}"): self._change_key,
            ("GET", "/v3/suppression/bounces/{email}"): self._read_bounce,
            ("DELETE", "/v3/suppression/bounces/{email}"): self._delete_bounce,
            ("GET", "/v3/asm/suppressions/global/{email}"): self._read_unsubscribed,
            ("GET", "/v3/suppression/spam_reports/{email}"): self._read_spam,
            ("DELETE", "/v3/suppression/spam_reports/{email}"): partial(self._delete_listed, "spam_reports"),
            ("DELETE", "/v3/suppression/blocks/{email}"): partial(self._delete_listed, "blocks"),
            ("DELETE", "/v3/suppression/invalid_emails/{email}"): partial(self._delete_listed, "invalid_emails"),
        }
        return handlers[checked.operation.key]

    def _send(self, account: Account, checked: CheckedRequest) -> Answer:
        mail: Json = dict(checked.body)
        refusal = _refusal(mail)
        if refusal is not None:
            return Answer(400, _errors(*refusal))
        if account.senders and mail["from"]["email"] not in account.senders:
            message = "The from address does not match a verified Sender Identity."
            return Answer(403, _errors(message, "from"))
        if (mail.get("mail_settings") or {}).get("sandbox_mode", {}).get("enable"):
            return Answer(SANDBOX_STATUS)
        mail["_id"] = secrets.token_urlsafe(16)
        account.sent.append(mail)
        number = len(account.sent) - 1
        to = mail["personalizations"][0]["to"][0]["email"]
        dropped = _dropped(account, to)
        if dropped is not None:
            self._tell(account, [self.event_of(account.key, number, "dropped", reason=dropped)])
        else:
            self._tell(account, [self.event_of(account.key, number, "processed")])
        return Answer(202, None, {"X-Message-Id": mail["_id"]})

    def _create_settings(self, account: Account, checked: CheckedRequest) -> Answer:
        if len(account.webhooks) >= MOST_WEBHOOKS:
            return Answer(400, _errors("maximum number of webhooks reached"))
        made = {**dict.fromkeys(EVENT_SWITCHES, False), "enabled": False, "friendly_name": None, **checked.body}
        made.pop("oauth_client_secret", None)
        made["id"] = secrets.token_hex(12)
        account.webhooks[made["id"]] = made
        return Answer(201, made)

    def _list_settings(self, account: Account, _checked: CheckedRequest) -> Answer:
        return Answer(200, {"max_allowed": MOST_WEBHOOKS, "webhooks": list(account.webhooks.values())})

    def _read_settings(self, account: Account, checked: CheckedRequest) -> Answer:
        found = account.webhooks.get(checked.path["id"])
        return Answer(200, found) if found else _no_webhook()

    def _change_settings(self, account: Account, checked: CheckedRequest) -> Answer:
        found = account.webhooks.get(checked.path["id"])
        if found is None:
            return _no_webhook()
        found |= {name: value for name, value in checked.body.items() if name != "oauth_client_secret"}
        return Answer(200, {name: value for name, value in found.items() if name != "public_key"})

    def _delete_settings(self, account: Account, checked: CheckedRequest) -> Answer:
        return Answer(204) if account.webhooks.pop(checked.path["id"], None) else _no_webhook()

    def _read_key(self, account: Account, checked: CheckedRequest) -> Answer:
        found = account.webhooks.get(checked.path["id"])
        return Answer(200, {"id": found["id"], "public_key": found.get("public_key", "")}) if found else _no_webhook()

    def _change_key(self, account: Account, checked: CheckedRequest) -> Answer:
        found = account.webhooks.get(checked.path["id"])
        if found is None:
            return _no_webhook()
        if checked.body["enabled"]:
            found["public_key"] = account.public_key
        else:
            found.pop("public_key", None)
        return Answer(200, {"id": found["id"], "public_key": found.get("public_key", "")})

    def _read_bounce(self, account: Account, checked: CheckedRequest) -> Answer:
        email = unquote(checked.path["email"])
        reason = account.bounces.get(email)
        found = [{"created": int(time.time()), "email": email, "reason": reason, "status": "5.1.1"}] if reason else []
        return Answer(200, found)

    def _delete_bounce(self, account: Account, checked: CheckedRequest) -> Answer:
        account.bounces.pop(unquote(checked.path["email"]), None)
        return Answer(204)

    def _delete_listed(self, name: str, account: Account, checked: CheckedRequest) -> Answer:
        listed: set[str] = getattr(account, name)
        listed.discard(unquote(checked.path["email"]))
        return Answer(204)

    def _read_unsubscribed(self, account: Account, checked: CheckedRequest) -> Answer:
        email = unquote(checked.path["email"])
        if email not in account.unsubscribed:
            return Answer(404, _errors("resource not found"))
        return Answer(200, {"recipient_email": email})

    def _read_spam(self, account: Account, checked: CheckedRequest) -> Answer:
        email = unquote(checked.path["email"])
        report = {"created": int(time.time()), "email": email, "ip": "127.0.0.1"}
        return Answer(200, [report] if email in account.spam_reports else [])

    def _tell(self, account: Account, events: list[Json]) -> None:
        for webhook in account.webhooks.values():
            wanted = [it for it in events if webhook.get(_SWITCH_OF.get(str(it["event"]), str(it["event"])))]
            if not webhook["enabled"] or not wanted:
                continue
            body, _ = self.webhook(account.key, wanted)
            sign = partial(_signature, account, None) if "public_key" in webhook else _unsigned
            first = wanted[0]
            self.deliveries.add(Delivery(webhook["url"], body, sign, first["sg_event_id"], first["event"]))


def _signature(account: Account, timestamp: int | None, body: bytes) -> Mapping[str, str]:
    moment = str(int(time.time()) if timestamp is None else timestamp)
    made = account.signing.sign(moment.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "Content-Type": "application/json",
        SIGNATURE_HEADER: base64.b64encode(made).decode(),
        TIMESTAMP_HEADER: moment,
    }


def _unsigned(_body: bytes) -> Mapping[str, str]:
    return {"Content-Type": "application/json"}


def _refusal(mail: Json) -> tuple[str, str] | None:
    """What SendGrid refuses beyond its document."""
    people = mail["personalizations"]
    if not people:
        return "The personalizations field is required and must have at least one personalization.", "personalizations"
    for index, it in enumerate(people):
        named = [who["email"].lower() for kind in ("to", "cc", "bcc") for who in it.get(kind, [])]
        if not it["to"]:
            return "The to array is required for all personalization objects.", f"personalizations.{index}.to"
        if len(set(named)) < len(named):
            message = "Each email address in the personalization block should be unique between to, cc, and bcc."
            return message, f"personalizations.{index}"
    if "subject" not in mail and not all("subject" in it for it in people):
        return "The subject is required.", "subject"
    kinds = [it["type"] for it in mail.get("content", [])]
    if not kinds and "template_id" not in mail:
        return "Unless a valid template_id is provided, the content parameter is required.", "content"
    if "text/plain" in kinds and kinds[0] != "text/plain":
        return "If present, text/plain must be first, followed by text/html.", "content"
    return None


def _dropped(account: Account, email: str) -> str | None:
    if email in account.bounces:
        return "Bounced Address"
    if email in account.invalid_emails:
        return "Invalid"
    if email in account.spam_reports:
        return "Spam Reporting Address"
    return "Unsubscribed Address" if email in account.unsubscribed else None


def _no_webhook() -> Answer:
    return Answer(404, _errors("resource not found"))


def _errors(message: str, name: str | None = None) -> Json:
    return {"errors": [{"message": message, "field": name, "help": None}]}
