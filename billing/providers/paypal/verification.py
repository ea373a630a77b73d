"""Whether PayPal signed a webhook, by the raw bytes and without asking PayPal.

Signed are the transmission's id and time, the webhook's id (which is the practice's, so one practice's event is
nobody else's) and a CRC32 of the body. A CRC32 is no digest: whoever holds one genuine delivery can write another body
with the same. So an event is a hint and nothing more, the object is read from PayPal before any money moves here, and
the inbox refuses a transmission that it knows with other bytes.
"""

import base64
import binascii
import json
import re
import time
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from billing.accounts.service import AccountAccess
from billing.providers.paypal.certificates import CertificateStore, SigningKey, Trust, UntrustedCertificateError
from billing.providers.paypal.client import PayPalClient
from billing.providers.paypal.snapshots import read_time
from billing.providers.port import InvalidSignatureError, OutcomeUnknownError
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.settings import PaymentMode, Settings

_log = get_logger("billing.paypal")

ALGORITHM = "SHA256withRSA"
SIMULATED_ID = "WEBHOOK_ID"
"""What PayPal's simulator signs for, literally. Anybody can have it sign what they like."""

MAX_AGE = timedelta(days=3, hours=2)
"""PayPal tries to deliver an event for three days."""
MAX_AHEAD = timedelta(minutes=5)
ASKED_A_MINUTE = 30
"""How often a process asks PayPal itself about a signature."""
VERIFY_PATH = "/v1/notifications/verify-webhook-signature"

_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_MAX_SIGNATURE = 1024


@dataclass(frozen=True, slots=True)
class Transmission:
    """What the headers of a webhook say. ``at_text``: the time as it was signed."""

    id: str
    at: datetime
    at_text: str
    signature: bytes
    certificate_url: str

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "Transmission":
        """Raises :class:`InvalidSignatureError` for headers that PayPal does not send, and times out of bounds."""
        transmission_id = headers.get("paypal-transmission-id", "")
        at_text = headers.get("paypal-transmission-time", "")
        if headers.get("paypal-auth-algo") != ALGORITHM:
            raise InvalidSignatureError("wrong_algorithm")
        at = read_time(at_text)
        if not _ID.fullmatch(transmission_id) or at is None or len(at_text) > 64 or "|" in at_text:
            raise InvalidSignatureError("malformed_headers")
        age = clock.now() - at
        if age > MAX_AGE:
            raise InvalidSignatureError("signed_too_long_ago")
        if age < -MAX_AHEAD:
            raise InvalidSignatureError("signed_in_the_future")
        signature = _decoded(headers.get("paypal-transmission-sig", ""))
        return cls(transmission_id, at, at_text, signature, headers.get("paypal-cert-url", ""))

    def signed_text(self, webhook_id: str, body: bytes) -> bytes:
        """What PayPal signs for the webhook of that id."""
        return f"{self.id}|{self.at_text}|{webhook_id}|{zlib.crc32(body)}".encode()


def _decoded(text: str) -> bytes:
    try:
        signature = base64.b64decode(text, validate=True) if len(text) <= _MAX_SIGNATURE else b""
    except (binascii.Error, ValueError):
        signature = b""
    if not signature:
        raise InvalidSignatureError("malformed_headers")
    return signature


async def verify(settings: Settings, access: AccountAccess, headers: Mapping[str, str], body: bytes) -> None:
    """Make sure that PayPal signed ``body`` for the account's webhook. ``headers`` with lower-case names.

    The network is asked only for a certificate that this process has not met, and, where the deployment allows it,
    for PayPal's own word when the certificate can't be judged here. Raises :class:`InvalidSignatureError`, and
    :class:`OutcomeUnknownError` when it can't be told at present.
    """
    webhook_ids = _webhook_ids(settings, access)
    transmission = Transmission.read(headers)
    try:
        key = await certificates_for(settings, access.mode).get(transmission.certificate_url)
    except (UntrustedCertificateError, OutcomeUnknownError):
        # Asking costs a call in the practice's name for whatever anybody sends, so it is rationed.
        if not settings.providers.paypal.asks_about_signatures or not _questions.take():
            raise
        await _ask_paypal(settings, access, transmission, body)
        return
    if not any(_is_signed(key, transmission, webhook_id, body) for webhook_id in webhook_ids):
        raise InvalidSignatureError("wrong_signature")


def _webhook_ids(settings: Settings, access: AccountAccess) -> tuple[str, ...]:
    """Ids that an event may be signed for: ours, and the simulator's for accounts in test mode, never in production."""
    webhook_id = access.webhook_ref
    if not webhook_id or webhook_id == SIMULATED_ID:
        raise InvalidSignatureError("webhook_not_registered")
    is_simulated_good = access.mode == PaymentMode.TEST and not settings.is_production
    return (webhook_id, SIMULATED_ID) if is_simulated_good else (webhook_id,)


def _is_signed(key: SigningKey, transmission: Transmission, webhook_id: str, body: bytes) -> bool:
    signed = transmission.signed_text(webhook_id, body)
    try:
        key.key.verify(transmission.signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


class _Questions:
    """How many signatures this process may put before PayPal: so many in any minute."""

    def __init__(self, limit: int) -> None:
        self._asked_at: deque[float] = deque(maxlen=limit)

    def take(self) -> bool:
        now = time.monotonic()
        if len(self._asked_at) == self._asked_at.maxlen and now - self._asked_at[0] < 60:
            _log.warning("paypal_asked_too_often_about_signatures")
            return False
        self._asked_at.append(now)
        return True

    def forget(self) -> None:
        self._asked_at.clear()


_questions = _Questions(ASKED_A_MINUTE)


async def _ask_paypal(settings: Settings, access: AccountAccess, transmission: Transmission, body: bytes) -> None:
    """PayPal's own word. The body goes out byte by byte: in another order of names it is another event."""
    try:
        text, is_object = body.decode(), isinstance(json.loads(body), dict)
    except (ValueError, RecursionError) as error:
        raise InvalidSignatureError("malformed_body") from error
    if not is_object:
        raise InvalidSignatureError("malformed_body")
    asked = {
        "auth_algo": ALGORITHM,
        "cert_url": transmission.certificate_url,
        "transmission_id": transmission.id,
        "transmission_sig": base64.b64encode(transmission.signature).decode(),
        "transmission_time": transmission.at_text,
        "webhook_id": access.webhook_ref,
    }
    spliced = f'{json.dumps(asked)[:-1]}, "webhook_event": {text}}}'
    answer = await PayPalClient.of(settings, access).post_raw(VERIFY_PATH, spliced)
    if answer.get("verification_status") != "SUCCESS":
        raise InvalidSignatureError("wrong_signature")


@lru_cache(maxsize=8)
def _store(mode: PaymentMode, base: str | None) -> CertificateStore:
    return CertificateStore(Trust.stand_in(base) if base else Trust.public(mode))


def certificates_for(settings: Settings, mode: str) -> CertificateStore:
    """The certificates that this process knows for accounts of a mode."""
    return _store(PaymentMode(mode), settings.providers.paypal.api_base)


def forget_certificates() -> None:
    """Know no certificate any more, and ask again about everything (tests)."""
    _store.cache_clear()
    _questions.forget()
