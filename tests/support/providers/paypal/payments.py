"""Captures and their refunds, disputes about them."""

from datetime import timedelta
from decimal import Decimal

from tests.support.providers.paypal.amounts import parsed, written
from tests.support.providers.paypal.errors import PayPalError, refused
from tests.support.providers.paypal.orders import book
from tests.support.providers.paypal.webhooks import emit
from tests.support.providers.paypal.world import App, Call, Json, Reply, World, route, visible

REFUNDABLE = frozenset({"COMPLETED", "PARTIALLY_REFUNDED"})
OPEN_DISPUTES = frozenset({"OPEN", "WAITING_FOR_SELLER_RESPONSE", "WAITING_FOR_BUYER_RESPONSE", "UNDER_REVIEW"})


@route("GET", "/v2/payments/captures/{capture_id}")
def retrieve_capture(world: World, call: Call) -> Reply:
    """One capture."""
    return Reply(200, visible(world.get(call.app, "capture", call.path["capture_id"])))


@route("GET", "/v2/payments/refunds/{refund_id}")
def retrieve_refund(world: World, call: Call) -> Reply:
    """One refund."""
    return Reply(200, visible(world.get(call.app, "refund", call.path["refund_id"])))


@route("POST", "/v2/payments/captures/{capture_id}/refund")
def refund_capture(world: World, call: Call) -> Reply:
    """All that is left without an amount, or part of it."""
    capture = world.get(call.app, "capture", call.path["capture_id"])
    body = call.body or {}
    wanted = call.app.next_refunds.pop(0) if call.app.next_refunds else {"status": "COMPLETED"}
    if "issue" in wanted:
        raise PayPalError(422, wanted["issue"])
    refund = refund_of(world, call.app, capture, body, status=wanted["status"])
    shown = visible(refund)
    if not call.wants_representation:
        shown = {name: shown[name] for name in ("id", "status", "status_details", "links") if name in shown}
    return Reply(201, shown)


def refund_of(world: World, app: App, capture: Json, body: Json, *, status: str = "COMPLETED") -> Json:
    """Gives money of a capture back. Raises PayPal's refusals."""
    currency = capture["amount"]["currency_code"]
    left = Decimal(capture["amount"]["value"]) - capture["_refunded"]
    amount = parsed(body["amount"], whole_issue="DECIMALS_NOT_SUPPORTED") if "amount" in body else left
    _check_refundable(app, capture)
    if body.get("amount", {}).get("currency_code", currency) != currency:
        raise refused("REFUND_CAPTURE_CURRENCY_MISMATCH")
    if left == 0:
        raise refused("CAPTURE_FULLY_REFUNDED")
    if amount > left:
        raise refused("REFUND_AMOUNT_EXCEEDED")
    refund_id = world.new_id("R")
    made: Json = {
        "id": refund_id,
        "status": status,
        "amount": written(amount, currency),
        "create_time": world.moment(),
        "update_time": world.moment(),
        "links": [
            world.link(f"/v2/payments/refunds/{refund_id}", "self"),
            world.link(f"/v2/payments/captures/{capture['id']}", "up"),
        ],
        "_kind": "refund",
        "_capture": capture["id"],
    }
    made |= {name: body[name] for name in ("invoice_id", "note_to_payer", "custom_id") if name in body}
    if "custom_id" in capture:
        made.setdefault("custom_id", capture["custom_id"].replace(":", "-"))
    if status == "PENDING":
        made["status_details"] = {"reason": "ECHECK"}
    app.things[refund_id] = made
    capture["_refunded"] += amount
    _settle_capture(world, app, capture)
    made["seller_payable_breakdown"] = {
        "gross_amount": written(amount, currency),
        "paypal_fee": written(Decimal(0), currency),
        "net_amount": written(amount, currency),
        "total_refunded_amount": written(capture["_refunded"], currency),
    }
    _payments(app, capture).setdefault("refunds", []).append(made)
    if status == "COMPLETED":
        emit(world, app, "PAYMENT.CAPTURE.REFUNDED", "refund", made)
    return made


def settle_refund(world: World, app: App, refund: Json, *, succeeds: bool) -> None:
    """A pending refund comes to its end; one that fails leaves the money with the merchant."""
    refund |= {"status": "COMPLETED" if succeeds else "FAILED", "update_time": world.moment()}
    refund.pop("status_details", None)
    capture = app.things[refund["_capture"]]
    if succeeds:
        emit(world, app, "PAYMENT.CAPTURE.REFUNDED", "refund", refund)
    else:
        capture["_refunded"] -= Decimal(refund["amount"]["value"])
        _settle_capture(world, app, capture)
        emit(world, app, "PAYMENT.REFUND.FAILED", "refund", refund)


def settle_capture(world: World, app: App, capture: Json, *, succeeds: bool) -> None:
    """Pending money arrives, or is denied."""
    if capture["status"] != "PENDING":
        raise LookupError(f"{capture['id']} is {capture['status']}, not pending")
    capture.pop("status_details", None)
    capture |= {"status": "COMPLETED" if succeeds else "DECLINED", "update_time": world.moment()}
    if succeeds:
        book(world, capture)
    emit(world, app, f"PAYMENT.CAPTURE.{'COMPLETED' if succeeds else 'DENIED'}", "capture", capture)


def reverse(world: World, app: App, capture: Json) -> None:
    """PayPal or the bank takes the money back from the merchant."""
    capture |= {"status": "REFUNDED", "status_details": {"reason": "CHARGEBACK"}, "update_time": world.moment()}
    capture["_charged_back"] = True
    emit(world, app, "PAYMENT.CAPTURE.REVERSED", "refund", _reversal(world, capture))


def open_dispute(world: World, app: App, capture: Json, *, amount: Decimal | None, reason: str, due_days: int) -> Json:
    """The client disputes a payment; the merchant has until ``seller_response_due_date``."""
    currency = capture["amount"]["currency_code"]
    value = Decimal(capture["amount"]["value"]) - capture["_refunded"] if amount is None else amount
    due = (world.now() + timedelta(days=due_days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    transaction = {"seller_transaction_id": capture["id"]}
    dispute_id = world.new_id("PP-D-")
    made: Json = {
        "dispute_id": dispute_id,
        "create_time": world.moment(),
        "update_time": world.moment(),
        "disputed_transactions": [transaction],
        "reason": reason,
        "status": "WAITING_FOR_SELLER_RESPONSE",
        "dispute_amount": written(value, currency),
        "dispute_life_cycle_stage": "CHARGEBACK",
        "dispute_channel": "INTERNAL",
        "seller_response_due_date": due,
        "_kind": "dispute",
        "_capture": capture["id"],
    }
    app.things[dispute_id] = made
    emit(world, app, "CUSTOMER.DISPUTE.CREATED", "dispute", made)
    return made


def update_dispute(world: World, app: App, dispute: Json, status: str) -> None:
    """PayPal looks into it, for instance."""
    dispute |= {"status": status, "update_time": world.moment()}
    emit(world, app, "CUSTOMER.DISPUTE.UPDATED", "dispute", dispute)


def close_dispute(world: World, app: App, dispute: Json, *, won: bool) -> None:
    """PayPal decides; lost money goes back to the client."""
    code = "RESOLVED_SELLER_FAVOUR" if won else "RESOLVED_BUYER_FAVOUR"
    dispute |= {"status": "RESOLVED", "dispute_outcome": {"outcome_code": code}, "update_time": world.moment()}
    if not won:
        dispute["dispute_outcome"]["amount_refunded"] = dispute["dispute_amount"]
        reverse(world, app, app.things[dispute["_capture"]])
    emit(world, app, "CUSTOMER.DISPUTE.RESOLVED", "dispute", dispute)


def _check_refundable(app: App, capture: Json) -> None:
    if capture.get("_charged_back"):
        raise refused("REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK")
    disputes = [it for it in app.things.values() if it["_kind"] == "dispute" and it["_capture"] == capture["id"]]
    if any(it["status"] in OPEN_DISPUTES for it in disputes):
        raise refused("TRANSACTION_DISPUTED")
    if capture["status"] == "PENDING":
        raise refused("PENDING_CAPTURE")
    if capture["status"] == "REFUNDED":
        raise refused("CAPTURE_FULLY_REFUNDED")
    if capture["status"] not in REFUNDABLE:
        raise refused("REFUND_NOT_ALLOWED")


def _settle_capture(world: World, app: App, capture: Json) -> None:
    whole = Decimal(capture["amount"]["value"])
    given = capture["_refunded"]
    status = "COMPLETED" if given == 0 else "REFUNDED" if given == whole else "PARTIALLY_REFUNDED"
    capture |= {"status": status, "update_time": world.moment()}


def _payments(app: App, capture: Json) -> Json:
    for unit in app.things[capture["_order"]]["purchase_units"]:
        payments: Json = unit.get("payments", {})
        if any(it["id"] == capture["id"] for it in payments.get("captures", [])):
            return payments
    raise LookupError(capture["id"])


def _reversal(world: World, capture: Json) -> Json:
    return {
        "id": world.new_id("V"),
        "status": "COMPLETED",
        "amount": capture["amount"],
        "create_time": world.moment(),
        "update_time": world.moment(),
        "links": [world.link(f"/v2/payments/captures/{capture['id']}", "up")],
    }
