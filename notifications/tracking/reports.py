"""Reading SendGrid's events: ids, kind, time, reason and address are taken; everything else is not looked at."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from notifications.tracking.models import EventKind
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError

MOST_EVENTS = 10_000
"""More than a body of the largest size can be of real ones."""
REASON_LIMIT = 300
_MOST_AHEAD = timedelta(days=1)
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,120}")
_KINDS = {
    "processed": EventKind.PROCESSED,
    "deferred": EventKind.DEFERRED,
    "dropped": EventKind.DROPPED,
    "delivered": EventKind.DELIVERED,
    "bounce": EventKind.BOUNCED,
    "spamreport": EventKind.COMPLAINED,
}
_REASONS = {
    EventKind.DEFERRED: "response",
    EventKind.DROPPED: "reason",
    EventKind.BLOCKED: "reason",
    EventKind.BOUNCED: "reason",
}
"""Which field says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """One event of a mail of ours. ``practice`` is the tenant key that the mail carried.

    ``address`` is whom it is about, if it says so: held against the mail's, never kept.
    """

    event_id: str
    message_id: UUID
    practice: str
    kind: EventKind
    occurred_at: datetime
    reason: str | None
    address: str | None


def read_reports(body: bytes, *, now: datetime) -> tuple[list[Report], int]:
    """The events of a verified body, and how many there were that are none of ours or of no use here.

    Raises :class:`InvalidWebhookSignatureError` for what is no list of events.
    """
    try:
        items = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidWebhookSignatureError from error
    if not isinstance(items, list) or len(items) > MOST_EVENTS:
        raise InvalidWebhookSignatureError
    found = list(_reports(items, now))
    return found, len(items) - len(found)


def _reports(items: list[Any], now: datetime) -> Iterator[Report]:
    for item in items:
        report = _read(item, now) if isinstance(item, dict) else None
        if report is not None:
            yield report


def _read(item: dict[str, Any], now: datetime) -> Report | None:
    event_id, practice, message = item.get("sg_event_id"), item.get("practice"), item.get("message")
    kind, occurred_at = _kind_of(item), _moment(item.get("timestamp"), now)
    if kind is None or occurred_at is None or not isinstance(practice, str) or not isinstance(message, str):
        return None
    if not isinstance(event_id, str) or not _EVENT_ID.fullmatch(event_id):
        return None
    try:
        message_id = UUID(message)
    except ValueError:
        return None
    reason = _clean(item.get(_REASONS[kind])) if kind in _REASONS else None
    address = item.get("email")
    return Report(
        event_id, message_id, practice, kind, occurred_at, reason, address if isinstance(address, str) else None
    )


def _kind_of(item: dict[str, Any]) -> EventKind | None:
    told = item.get("event")
    kind = _KINDS.get(told) if isinstance(told, str) else None
    return EventKind.BLOCKED if kind is EventKind.BOUNCED and item.get("type") == "blocked" else kind


def _moment(told: object, now: datetime) -> datetime | None:
    if not isinstance(told, int) or isinstance(told, bool):
        return None
    if not _EARLIEST.timestamp() <= told <= (now + _MOST_AHEAD).timestamp():
        return None
    return datetime.fromtimestamp(told, UTC)


def _clean(told: object) -> str | None:
    """One bounded line of what can be printed (PostgreSQL takes no NUL, UTF-8 no half characters)."""
    if not isinstance(told, str):
        return None
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in told[: 4 * REASON_LIMIT]).split())
    return line[:REASON_LIMIT] or None
