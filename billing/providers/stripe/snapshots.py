"""What Stripe's objects say, in the port's words: pure functions over plain dictionaries."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from billing.providers.port import (
    CardOnFile,
    CardReading,
    CardSeen,
    DisputeSeen,
    DisputeState,
    ProviderMisconfiguredError,
    ProviderState,
    RefundSeen,
    RefundState,
    Snapshot,
)
from billing.providers.stripe.amounts import from_stripe
from billing.providers.stripe.events import attempt_in
from todoenbalance.kit.money import Money

REFUND: Final = "refund"
"""The name of our refund's id in the metadata of Stripe's."""
CARD: Final = "card"
"""The name of our card's id there."""
OFF_SESSION: Final = "off_session"
"""The mark of an intent that charges a kept card, in its metadata."""

REFUSED: Final = "abandoned"
"""Why we cancel an intent whose card was refused: of the reasons that Stripe knows, what comes nearest."""

Object = Mapping[str, Any]

_INTENT_STATES: Final = {
    "succeeded": ProviderState.CAPTURED,
    "processing": ProviderState.PROCESSING,
    "requires_capture": ProviderState.PROCESSING,
    "canceled": ProviderState.CANCELLED,
}
_REFUND_STATES: Final = {
    "succeeded": RefundState.SUCCEEDED,
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}
_DISPUTE_STATES: Final = {
    "needs_response": DisputeState.NEEDS_RESPONSE,
    "warning_needs_response": DisputeState.NEEDS_RESPONSE,
    "under_review": DisputeState.UNDER_REVIEW,
    "warning_under_review": DisputeState.UNDER_REVIEW,
    "won": DisputeState.WON,
    "warning_closed": DisputeState.WON,
    "prevented": DisputeState.WON,
    "lost": DisputeState.LOST,
}


def charge_in(order: Object) -> Object | None:
    """The charge that holds the money of a session or an intent, where it was asked for and there is one."""
    intent = order if order["object"] == "payment_intent" else order.get("payment_intent")
    charge = intent.get("latest_charge") if isinstance(intent, Mapping) else None
    return charge if isinstance(charge, Mapping) and charge.get("captured") and charge.get("paid") else None


def snapshot_of(
    order: Object, refunds: Sequence[Object] | None, disputes: Sequence[Object] | None, fee: Object | None
) -> Snapshot:
    """A session or an intent (with its latest charge) as one order. ``fee``: the platform's, where it was asked for."""
    intent = order if order["object"] == "payment_intent" else order.get("payment_intent")
    intent = intent if isinstance(intent, Mapping) else None
    is_session = order["object"] == "checkout.session"
    currency = str(order["currency"]).upper()
    state = _session_state(order, intent) if is_session else _intent_state(order)
    charge = charge_in(order) if state is ProviderState.CAPTURED else None
    details: Object = (charge or {}).get("payment_method_details") or {}
    kind = details.get("type")
    total = order["amount_total"] if is_session else order["amount"]
    return Snapshot(
        provider_ref=order["id"],
        state=state,
        attempt_id=attempt_in(order),
        amount=Money(from_stripe(total, currency), currency),
        captured_minor=from_stripe(charge["amount_captured"], currency) if charge else 0,
        refunded_minor=from_stripe(charge["amount_refunded"], currency) if charge else 0,
        provider_status=_status(order, intent),
        failure_code=failure_of(intent) if state is not ProviderState.CAPTURED else None,
        charge_ref=charge["id"] if charge else None,
        is_live=bool(order["livemode"]),
        fee_minor=from_stripe(charge.get("application_fee_amount") or 0, currency) if charge else None,
        fee_returned_minor=from_stripe(fee["amount_refunded"], currency) if fee is not None else None,
        provider_fee_minor=_provider_fee(charge),
        method_kind=str(kind)[:40] if kind else None,
        last_four=(details.get(kind) or {}).get("last4") if kind else None,
        refunds=None if refunds is None else [refund_seen(one) for one in refunds],
        disputes=None if disputes is None else [dispute_seen(one) for one in disputes],
        saved_card=_card_saved_with(intent, charge),
    )


def charges_kept_card(order: Object) -> bool:
    """Whether an order is one of ours that charges a kept card while the customer is away."""
    return order["object"] == "payment_intent" and (order.get("metadata") or {}).get(OFF_SESSION) == "yes"


def _card_saved_with(intent: Object | None, charge: Object | None) -> CardSeen | None:
    """The card of a payment that kept it. Only cards are kept: a bank account has rules of its own (mandates)."""
    if intent is None or charge is None or intent.get("setup_future_usage") != "off_session":
        return None
    card = ((charge.get("payment_method_details") or {}).get("card")) or None
    return _card_seen(intent.get("customer"), charge.get("payment_method"), card)


def _card_seen(customer: object, method: object, card: Object | None) -> CardSeen | None:
    if not isinstance(customer, str) or not isinstance(method, str) or card is None:
        return None
    return CardSeen(
        CardOnFile(customer, method),
        brand=str(card.get("brand") or "card")[:20],
        last_four=str(card.get("last4") or "")[:4],
        expires_month=int(card["exp_month"]),
        expires_year=int(card["exp_year"]),
    )


def card_reading_of(session: Object) -> CardReading:
    """What became of a session in which a card is to be given; with its setup intent and the method in it."""
    setup = session.get("setup_intent")
    setup = setup if isinstance(setup, Mapping) else {}
    method = setup.get("payment_method")
    seen = None
    if session["status"] == "complete" and setup.get("status") == "succeeded" and isinstance(method, Mapping):
        seen = _card_seen(session.get("customer"), method.get("id"), method.get("card"))
    is_over = session["status"] == "expired" or (session["status"] == "complete" and seen is None)
    return CardReading(_uuid((session.get("metadata") or {}).get(CARD)), seen, is_over)


def _session_state(session: Object, intent: Object | None) -> ProviderState:
    """A session is paid when its ``payment_status`` says so; ``complete`` alone may be a slow method on its way."""
    if session["status"] == "expired":
        return ProviderState.EXPIRED
    if session["status"] == "open" or intent is None:
        return ProviderState.AWAITING_CUSTOMER
    if session["payment_status"] == "paid":
        return ProviderState.CAPTURED
    failed = intent["status"] in ("requires_payment_method", "canceled")
    return ProviderState.DECLINED if failed else ProviderState.PROCESSING


def _intent_state(intent: Object) -> ProviderState:
    """A failed try leaves an intent waiting for another one: it is not the end, but where nobody is there to try."""
    state = _INTENT_STATES.get(str(intent["status"]), ProviderState.AWAITING_CUSTOMER)
    was_refused = state is ProviderState.CANCELLED and intent.get("cancellation_reason") == REFUSED
    return ProviderState.DECLINED if was_refused and charges_kept_card(intent) else state


def _status(order: Object, intent: Object | None) -> str:
    if order["object"] == "payment_intent":
        return str(order["status"])[:60]
    paid = f"{order['status']}/{order['payment_status']}"
    return f"{paid}/{intent['status']}"[:60] if intent is not None else paid[:60]


def failure_of(intent: Object | None) -> str | None:
    """Why the last try of an intent failed, in Stripe's word for it."""
    error = (intent or {}).get("last_payment_error") or {}
    found = error.get("decline_code") or error.get("code")
    return str(found)[:60] if found else None


def _provider_fee(charge: Object | None) -> int | None:
    """What Stripe itself kept, in the charge's currency.

    None where it settles in another one, says nothing yet, or kept a part of what is the smallest unit to us.
    """
    booked = (charge or {}).get("balance_transaction")
    if charge is None or not isinstance(booked, Mapping) or booked["currency"] != charge["currency"]:
        return None
    kept = [one["amount"] for one in booked.get("fee_details") or [] if one["type"] != "application_fee"]
    try:
        return from_stripe(sum(kept), str(charge["currency"]).upper())
    except ProviderMisconfiguredError:
        return None


def refund_seen(refund: Object) -> RefundSeen:
    """One refund as Stripe lists it."""
    currency = str(refund["currency"]).upper()
    return RefundSeen(
        provider_ref=refund["id"],
        amount_minor=from_stripe(refund["amount"], currency),
        state=refund_state(refund),
        refund_id=_uuid((refund.get("metadata") or {}).get(REFUND)),
        provider_status=str(refund["status"]),
    )


def refund_state(refund: Object) -> RefundState:
    """How far it is."""
    return _REFUND_STATES.get(str(refund["status"]), RefundState.PENDING)


def dispute_seen(dispute: Object) -> DisputeSeen:
    """One dispute. An inquiry (``warning_…``) has taken nothing of the practice's balance."""
    status, currency = str(dispute["status"]), str(dispute["currency"]).upper()
    due = (dispute.get("evidence_details") or {}).get("due_by")
    return DisputeSeen(
        provider_ref=dispute["id"],
        amount_minor=from_stripe(dispute["amount"], currency),
        currency=currency,
        state=_DISPUTE_STATES.get(status, DisputeState.UNDER_REVIEW),
        reason=str(dispute["reason"]),
        provider_status=status,
        opened_at=datetime.fromtimestamp(dispute["created"], UTC),
        evidence_due_by=datetime.fromtimestamp(due, UTC) if due else None,
        is_withdrawn=not status.startswith("warning_"),
    )


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
