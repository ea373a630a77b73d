"""What PayPal answers when it does not do what was asked, in the words of the port."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from billing.providers.port import (
    DeclinedError,
    NotAuthorisedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ProviderError,
    ProviderMisconfiguredError,
    RateLimitedError,
)
from todoenbalance.kit.logs import get_logger

_log = get_logger("billing.paypal")

USUAL_DELAY_SECONDS = 30.0
LONGEST_DELAY_SECONDS = 3600.0
MAX_CODE = 60
"""As much of an issue's name as our columns hold."""

IN_PROGRESS = frozenset({"previous_request_in_progress", "order_completion_in_progress"})
"""Somebody (most likely we ourselves, twice) is at it this moment."""

_NOT_AUTHORISED = frozenset({"invalid_account_status", "payee_account_locked_or_closed", "payee_account_invalid"})
"""The practice's account itself takes no money."""

_OUR_FAULT = frozenset(
    {
        "amount_mismatch",
        "cannot_be_negative",
        "cannot_be_zero_or_negative",
        "decimal_precision",
        "decimals_not_supported",
        "incompatible_parameter_value",
        "item_total_mismatch",
        "malformed_request_json",
        "missing_required_parameter",
        "platform_fees_not_supported",
        "unsupported_intent",
    }
)
"""Issues that no customer can have caused: someone must look."""


@dataclass
class RefusedError(Exception):
    """A clear no of PayPal's. ``code``: the first issue in lower case, else the error's name, else the status.

    ``debug_id``: PayPal's name for the exchange, by which its support finds it.
    """

    status: int
    code: str
    debug_id: str | None = None
    delay_seconds: float = USUAL_DELAY_SECONDS

    @classmethod
    def read(cls, status: int, content: str, headers: Mapping[str, str]) -> Self:
        """From an answer. Only names are taken of it: descriptions may quote what we sent."""
        try:
            body = json.loads(content)
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        named = _first_issue(body) or body.get("name") or body.get("error")
        debug_id = headers.get("PayPal-Debug-Id") or body.get("debug_id")
        return cls(status, _code(named) or f"http_{status}", _debug_id(debug_id), _delay(headers))

    def log(self) -> None:
        """One line that support can use."""
        _log.warning("paypal_refused", status=self.status, code=self.code, debug_id=self.debug_id)

    def to_error(self) -> ProviderError:
        """As the port calls it."""
        if self.status == 404:
            return ObjectNotFoundError(self.code)
        if self.status == 429:
            return RateLimitedError("rate_limited", self.delay_seconds)
        if self.status in (408, 409, 425) or self.code in IN_PROGRESS:
            return OutcomeUnknownError(self.code)
        if self.status == 403 or self.code in _NOT_AUTHORISED:
            return NotAuthorisedError(self.code)
        if self.status != 422 or self.code in _OUR_FAULT:
            return ProviderMisconfiguredError(self.code)
        return DeclinedError(self.code)


def _first_issue(body: Mapping[str, Any]) -> Any:
    details = body.get("details")
    first = details[0] if isinstance(details, list) and details else None
    return first.get("issue") if isinstance(first, dict) else None


def _code(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")[:MAX_CODE] or None


def _debug_id(value: Any) -> str | None:
    return value[:60] if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9-]+", value) else None


def _delay(headers: Mapping[str, str]) -> float:
    """``Retry-After`` in seconds; the other form of it (a date) PayPal does not send."""
    value = headers.get("Retry-After", "")
    return min(float(value), LONGEST_DELAY_SECONDS) if value.isascii() and value.isdigit() else USUAL_DELAY_SECONDS
