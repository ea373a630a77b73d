"""Events that PayPal could not deliver to us, from its own list of them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from billing.providers.paypal.client import PayPalClient
from billing.providers.paypal.events import event_of
from billing.providers.port import InvalidSignatureError, VerifiedEvent
from todoenbalance.kit import clock

EVENTS_PATH = "/v1/notifications/webhooks-events"
PAGE_SIZE = 100
MAX_PAGES = 50
KEPT_FOR = timedelta(days=30)
"""PayPal lists events of so long (webhooks-events, "start_time")."""
_SUCCESS = re.compile(r"\b2[0-9]{2}\b")


async def missed_events(client: PayPalClient, since: datetime) -> Sequence[VerifiedEvent]:
    """Events since then whose delivery failed; where PayPal does not tell about deliveries, all that we act on.

    An event that came all the same is in the inbox and is stored once.
    """
    now = clock.now()
    query = {
        "start_time": _stamp(max(since, now - KEPT_FOR + timedelta(minutes=5))),
        "end_time": _stamp(now),
        "page_size": str(PAGE_SIZE),
    }
    found: dict[str, VerifiedEvent] = {}
    for _ in range(MAX_PAGES):
        page = await client.get(f"{EVENTS_PATH}?{urlencode(query)}")
        for one in _dicts(page.get("events")):
            event = _read(one)
            if event is not None and event.is_known and _was_missed(one):
                found.setdefault(event.event_id, event)
        following = _next(page)
        if following is None or following == query:
            break
        query = following
    return sorted(found.values(), key=lambda event: event.occurred_at or now)


def _read(content: Mapping[str, Any]) -> VerifiedEvent | None:
    try:
        return event_of(content)
    except InvalidSignatureError:
        return None


def _was_missed(content: Mapping[str, Any]) -> bool:
    transmissions = _dicts(content.get("transmissions"))
    return not any(_SUCCESS.search(str(one.get("http_status", ""))) for one in transmissions)


def _next(page: Mapping[str, Any]) -> dict[str, str] | None:
    """The query of the next page. Only its words are taken: where we ask is ours to say."""
    href = next((one.get("href") for one in _dicts(page.get("links")) if one.get("rel") == "next"), None)
    return dict(parse_qsl(urlsplit(href).query)) or None if isinstance(href, str) else None


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
