"""Signatures of the Standard Webhooks specification, for what goes to the gateway and for what it reports.

HMAC-SHA256 over ``id.timestamp.body``, in three headers. https://www.standardwebhooks.com
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError

ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE = timedelta(minutes=5)
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_LONGEST = 1000


def sign(key: bytes, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The three headers of ``body``."""
    timestamp = str(int(now.timestamp()))
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: f"v1,{_signature(key, message_id, timestamp, body)}",
    }


def verify(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime) -> datetime:
    """When the body was signed by one of ``keys``, which is five minutes ago at most.

    Raises :class:`InvalidWebhookSignatureError`, also where there is no key.
    """
    message_id, timestamp, said = (headers.get(name, "") for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER))
    if not _ID.fullmatch(message_id) or not _SECONDS.fullmatch(timestamp) or len(said) > _LONGEST:
        raise InvalidWebhookSignatureError
    if abs(int(timestamp) - now.timestamp()) > TOLERANCE.total_seconds():
        raise InvalidWebhookSignatureError
    given = [part.removeprefix("v1,").encode() for part in said.split(" ") if part.startswith("v1,")]
    known = [_signature(key, message_id, timestamp, body).encode() for key in keys]
    if not any(hmac.compare_digest(one, other) for one in given for other in known):
        raise InvalidWebhookSignatureError
    return datetime.fromtimestamp(int(timestamp), now.tzinfo)


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
