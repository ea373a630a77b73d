"""Webhooks of Stripe's: the signature over the raw bytes, and what an event is about."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from billing.providers.port import EventSubject, InvalidSignatureError, VerifiedEvent
from todoenbalance.kit import clock

SIGNATURE_HEADER: Final = "stripe-signature"
TOLERANCE: Final = timedelta(minutes=5)
"""How far the time that was signed may be from ours, into the past (Stripe's own default) and into the future (which
the SDK would take, however far)."""

ATTEMPT: Final = "attempt"
PRACTICE: Final = "practice"
REFUND: Final = "refund"
"""Names in the metadata of what we make at Stripe. Ids of ours only, never anything about a person."""

PAYMENT_TYPES: Final = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
        "payment_intent.succeeded",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "charge.succeeded",
        "charge.failed",
        "charge.updated",
        "charge.refunded",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "refund.created",
        "refund.updated",
        "refund.failed",
    }
)
ACCOUNT_TYPES: Final = frozenset({"account.updated", "capability.updated"})
DISCONNECTED: Final = "account.application.deauthorized"
PLATFORM_TYPES: Final = frozenset({"application_fee.created", "application_fee.refunded"})
"""Of the platform's own account; what they tell is read with the payment itself."""
PLATFORM_FAMILIES: Final = ("customer.subscription.", "invoice.")
"""Of the platform's own account: what practices pay it."""
KNOWN_TYPES: Final = PAYMENT_TYPES | ACCOUNT_TYPES
"""What an endpoint on a practice's own account is to be told of."""


def read_event(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now: datetime | None = None
) -> VerifiedEvent:
    """The event in a body that was signed with one of ``secrets`` within the last minutes.

    Several secrets while one is being replaced; several signatures while Stripe does the same. ``headers`` with
    lower-case names. No network. Raises :class:`InvalidSignatureError` for anything else: a wrong or old signature,
    bytes that are no text, an event of the newer kind that carries no object.
    """
    signed_at = _check_signature(headers.get(SIGNATURE_HEADER, ""), body, secrets)
    if abs((now or clock.now()) - signed_at) > TOLERANCE:
        raise InvalidSignatureError("signed_too_long_ago")
    try:
        content = json.loads(body.decode())
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise InvalidSignatureError("malformed_body") from None
    return event_of(content)


def event_of(content: Any) -> VerifiedEvent:
    """What an event is about. Raises :class:`InvalidSignatureError` for what is none."""
    try:
        event_id, event_type = content["id"], content["type"]
        thing, is_live = content["data"]["object"], content["livemode"]
        occurred_at = datetime.fromtimestamp(content["created"], UTC)
        account = content.get("account")
    except (KeyError, TypeError, ValueError, OverflowError, OSError, AttributeError):
        raise InvalidSignatureError("malformed_body") from None
    texts_fit = (
        isinstance(event_id, str)
        and 0 < len(event_id) <= 255
        and isinstance(event_type, str)
        and 0 < len(event_type) <= 100
        and (account is None or (isinstance(account, str) and 0 < len(account) <= 255))
    )
    if not texts_fit or not isinstance(thing, dict) or not isinstance(is_live, bool):
        raise InvalidSignatureError("malformed_body")
    subject = _subject(event_type, is_platform=account is None)
    if subject is EventSubject.PAYMENT and not _may_be_ours(event_type, thing):
        subject = EventSubject.NOTHING
    return VerifiedEvent(
        event_id=event_id,
        event_type=event_type,
        is_known=subject is not EventSubject.NOTHING,
        object_ref=_object_ref(subject, event_type, thing),
        body=content,
        subject=subject,
        account_ref=account,
        is_live=is_live,
        occurred_at=occurred_at,
        attempt_id=attempt_in(thing),
    )


def _check_signature(header: str, body: bytes, secrets: Sequence[str]) -> datetime:
    """When it was signed, if it was. Only scheme ``v1`` counts."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    stamp = next((value for name, _, value in parts if name == "t"), "")
    given = [value for name, _, value in parts if name == "v1"]
    if not stamp.isdecimal() or not stamp.isascii() or len(stamp) > 12 or not given:
        raise InvalidSignatureError("no_signature")
    expected = [
        hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
        for secret in secrets
        if secret
    ]
    # Each is compared, so that the time it takes tells nothing.
    matches = [hmac.compare_digest(right, one.encode()) for right in expected for one in given]
    if not any(matches):
        raise InvalidSignatureError("wrong_signature")
    try:
        return datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidSignatureError("no_signature") from None


def _subject(event_type: str, *, is_platform: bool) -> EventSubject:
    if event_type in PAYMENT_TYPES:
        return EventSubject.PAYMENT
    if event_type in ACCOUNT_TYPES:
        return EventSubject.ACCOUNT
    if event_type == DISCONNECTED:
        return EventSubject.DISCONNECTED
    if event_type in PLATFORM_TYPES or (is_platform and event_type.startswith(PLATFORM_FAMILIES)):
        return EventSubject.PLATFORM
    return EventSubject.NOTHING


def _may_be_ours(event_type: str, thing: Mapping[str, Any]) -> bool:
    """Whether a payment that an event tells of can be one of ours: a practice's account may sell other things, too.

    What we make carries our attempt's id, and Stripe copies it from the intent to the charge. Refunds and disputes
    that began at Stripe name their charge only.
    """
    return event_type.startswith(("refund.", "charge.dispute.")) or attempt_in(thing) is not None


def _object_ref(subject: EventSubject, event_type: str, thing: Mapping[str, Any]) -> str | None:
    """The session or intent that an event is about; the charge, where it is about a charge, a refund or a dispute."""
    is_about_charge = subject is EventSubject.PAYMENT and event_type.startswith(("charge.", "refund."))
    found = thing.get("id")
    if is_about_charge and "charge" in thing:
        # It may be null; then the intent, which is the order itself where a form was paid.
        found = thing["charge"] or thing.get("payment_intent")
    return found[:255] if isinstance(found, str) else None


def attempt_in(thing: Mapping[str, Any]) -> UUID | None:
    """Our attempt's id as an object of Stripe's echoes it in its metadata, None if it has none of ours."""
    try:
        return UUID(thing["metadata"][ATTEMPT])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def secrets_of(setting: str) -> list[str]:
    """The secrets in a setting: several, by commas, while one is being replaced."""
    return [one.strip() for one in setting.split(",") if one.strip()]
