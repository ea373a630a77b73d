"""Disputes about a capture, as far as the practice's application may read them.

Reading them is a permission of its own (in the app's settings at PayPal: "Customer disputes"). Without it they are
None: not known, which is not the same as none.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from billing.providers.paypal.amounts import from_amount
from billing.providers.paypal.client import PayPalClient
from billing.providers.paypal.snapshots import read_time
from billing.providers.port import DisputeSeen, DisputeState, NotAuthorisedError, ProviderMisconfiguredError
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger

_log = get_logger("billing.paypal")

DISPUTES_PATH = "/v1/customer/disputes"
_PAGE = 50
_FORBIDDEN = frozenset({"not_authorized", "permission_denied", "http_403"})

_WON = frozenset({"RESOLVED_SELLER_FAVOUR", "CANCELED_BY_BUYER", "DENIED", "NONE"})
"""Outcomes that leave the money with the practice, or bring it back."""


async def disputes_of(client: PayPalClient, capture_ref: str) -> Sequence[DisputeSeen] | None:
    """All disputes about a capture; None where the application may not read them."""
    query = urlencode({"disputed_transaction_id": capture_ref, "page_size": _PAGE})
    try:
        listed = (await client.get(f"{DISPUTES_PATH}?{query}")).get("items")
        ids = [one.get("dispute_id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        return [_seen(await client.get(f"{DISPUTES_PATH}/{one}")) for one in ids if isinstance(one, str)]
    except NotAuthorisedError as error:
        if error.code not in _FORBIDDEN:
            raise
        _log.warning("paypal_disputes_not_readable", code=error.code)
        return None


def _seen(dispute: Mapping[str, Any]) -> DisputeSeen:
    amount = from_amount(dispute.get("dispute_amount"))
    opened_at = read_time(dispute.get("create_time"))
    if not dispute.get("dispute_id"):
        raise ProviderMisconfiguredError("unreadable_dispute")
    stage = str(dispute.get("dispute_life_cycle_stage", ""))
    state = _state(dispute)
    return DisputeSeen(
        provider_ref=str(dispute["dispute_id"]),
        amount_minor=amount.amount,
        currency=amount.currency,
        state=state,
        reason=str(dispute.get("reason", "OTHER")).lower(),
        provider_status=f"{dispute.get('status')}/{stage}" if stage else str(dispute.get("status")),
        opened_at=opened_at or clock.now(),
        evidence_due_by=read_time(dispute.get("seller_response_due_date")),
        # In the first stage client and practice only talk; PayPal holds the money from the second on.
        is_withdrawn=stage != "INQUIRY",
    )


def _state(dispute: Mapping[str, Any]) -> DisputeState:
    status = dispute.get("status")
    if status == "RESOLVED":
        outcome = dispute.get("dispute_outcome")
        code = outcome.get("outcome_code") if isinstance(outcome, Mapping) else None
        return DisputeState.WON if code in _WON else DisputeState.LOST
    if status in ("OPEN", "WAITING_FOR_SELLER_RESPONSE"):
        return DisputeState.NEEDS_RESPONSE
    return DisputeState.UNDER_REVIEW
