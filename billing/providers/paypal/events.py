"""PayPal's webhooks as the port tells them: which we act on, and what each is about."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from billing.providers.paypal.snapshots import read_time, read_uuid
from billing.providers.port import EventSubject, InvalidSignatureError, VerifiedEvent

ORDER_EVENTS = ("CHECKOUT.ORDER.APPROVED", "CHECKOUT.PAYMENT-APPROVAL.REVERSED")
CAPTURE_EVENTS = (
    "PAYMENT.CAPTURE.PENDING",
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.DENIED",
    "PAYMENT.CAPTURE.DECLINED",
    "PAYMENT.CAPTURE.REFUNDED",
    "PAYMENT.CAPTURE.REVERSED",
)
DISPUTE_EVENTS = ("CUSTOMER.DISPUTE.CREATED", "CUSTOMER.DISPUTE.UPDATED", "CUSTOMER.DISPUTE.RESOLVED")
EVENT_TYPES = (*ORDER_EVENTS, *CAPTURE_EVENTS, *DISPUTE_EVENTS)
"""What we ask PayPal to tell us, and all that we act on."""

_OF_MONEY_BACK = frozenset({"PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED"})
_KNOWN = frozenset(EVENT_TYPES)
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_UP = re.compile(r"/v2/(?:checkout/orders|payments/captures)/([A-Za-z0-9-]{1,64})$")


def read_event(body: bytes) -> VerifiedEvent:
    """The event in a verified body. Raises :class:`InvalidSignatureError` for what is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidSignatureError("malformed_body") from error
    return event_of(content)


def event_of(content: Any) -> VerifiedEvent:
    """An event as PayPal sends or lists it; one of another kind, or about nothing we can find, is not a known one."""
    event_id = content.get("id") if isinstance(content, Mapping) else None
    event_type = content.get("event_type") if isinstance(content, Mapping) else None
    if not isinstance(event_id, str) or not isinstance(event_type, str):
        raise InvalidSignatureError("malformed_body")
    if not 0 < len(event_id) <= 255 or not 0 < len(event_type) <= 100:
        raise InvalidSignatureError("malformed_body")
    object_ref = _object_ref(event_type, content.get("resource")) if event_type in _KNOWN else None
    return VerifiedEvent(
        event_id=event_id,
        event_type=event_type,
        is_known=object_ref is not None,
        object_ref=object_ref,
        body=content,
        subject=EventSubject.PAYMENT if object_ref is not None else EventSubject.NOTHING,
        occurred_at=read_time(content.get("create_time")),
        attempt_id=_attempt_id(event_type, content.get("resource")) if object_ref is not None else None,
    )


def _object_ref(event_type: str, resource: Any) -> str | None:
    """The order or the capture that an event is about."""
    if not isinstance(resource, Mapping):
        return None
    candidates = _of_dispute(resource) if event_type in DISPUTE_EVENTS else _of_payment(event_type, resource)
    return next((one for one in candidates if isinstance(one, str) and _ID.fullmatch(one)), None)


def _attempt_id(event_type: str, resource: Any) -> UUID | None:
    """Our own id in an order or a capture. A refund's is that of the refund, so it is left out."""
    if event_type in ORDER_EVENTS:
        return next((read_uuid(unit.get("custom_id")) for unit in _dicts(_dict(resource).get("purchase_units"))), None)
    return read_uuid(_dict(resource).get("custom_id")) if event_type not in _OF_MONEY_BACK else None


def _of_payment(event_type: str, resource: Mapping[str, Any]) -> Iterator[Any]:
    if event_type in ORDER_EVENTS:
        yield resource.get("order_id")  # of a lapsed approval
        yield resource.get("id")
        return
    related = _dict(_dict(resource.get("supplementary_data")).get("related_ids"))
    yield related.get("order_id")
    # A capture's is its order; that of a refund or a reversal is its capture.
    for link in _dicts(resource.get("links")):
        href = link.get("href")
        if link.get("rel") == "up" and isinstance(href, str) and (match := _UP.search(href)):
            yield match[1]
    yield related.get("capture_id")
    if event_type not in _OF_MONEY_BACK:
        yield resource.get("id")


def _of_dispute(resource: Mapping[str, Any]) -> Iterator[Any]:
    for transaction in _dicts(resource.get("disputed_transactions")):
        yield transaction.get("seller_transaction_id")


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
