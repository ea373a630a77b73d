"""SendGrid's signature of its events: ECDSA (P-256, SHA-256) over the timestamp and the raw body."""

import base64
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"
MOST_AHEAD = timedelta(minutes=10)
MOST_BEHIND = timedelta(hours=25)
"""SendGrid retries for a day, and does not say that a retry is signed anew; a replay is known by its events' ids."""
_LONGEST_SIGNATURE = 200
_SECONDS = re.compile(r"[0-9]{1,12}")
_log = get_logger("notifications.tracking")


def verify_signature(headers: Mapping[str, str], body: bytes, keys: str, *, now: datetime) -> None:
    """That one of ``keys`` (base64 DER, by commas) signed exactly these bytes, and not too long ago.

    Raises :class:`InvalidWebhookSignatureError`, also where there is no key.
    """
    timestamp, encoded = headers.get(TIMESTAMP_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
    if not _SECONDS.fullmatch(timestamp) or not 0 < len(encoded) <= _LONGEST_SIGNATURE:
        raise InvalidWebhookSignatureError
    ahead = int(timestamp) - now.timestamp()
    if not -MOST_BEHIND.total_seconds() <= ahead <= MOST_AHEAD.total_seconds():
        raise InvalidWebhookSignatureError
    try:
        signature = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise InvalidWebhookSignatureError from error
    signed = timestamp.encode("ascii") + body
    if not any(_signed(key, signature, signed) for key in _read_keys(keys)):
        raise InvalidWebhookSignatureError


def _signed(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _read_keys(keys: str) -> list[ec.EllipticCurvePublicKey]:
    """The keys that can be used; one that can't be is logged, and vouches for nothing."""
    found: list[ec.EllipticCurvePublicKey] = []
    for text in filter(None, (part.strip() for part in keys.split(","))):
        try:
            key = load_der_public_key(base64.b64decode(text, validate=True))
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            found.append(key)
        else:
            _log.error("sendgrid_webhook_key_unusable")
    return found
