"""Orders: created by us, approved by the client on PayPal's page, captured by us."""

import copy
from decimal import Decimal

from tests.support.providers.paypal.amounts import LARGEST, fee, parsed, written
from tests.support.providers.paypal.errors import PayPalError, refused
from tests.support.providers.paypal.webhooks import emit
from tests.support.providers.paypal.world import App, Call, Json, Reply, World, route, visible

PAYER = {
    "email_address": "clara@example.com",
    "payer_id": "QYR5Z8XDVJNXQ",
    "name": {"given_name": "Clara", "surname": "Cliente"},
    "address": {"country_code": "ES"},
}
MOST_ATTEMPTS = 5
_ORDER_ISSUES = frozenset({"ORDER_NOT_APPROVED", "ORDER_COMPLETION_IN_PROGRESS", "PAYER_ACTION_REQUIRED"})
"""Refusals before the payment is tried."""


@route("POST", "/v2/checkout/orders")
def create_order(world: World, call: Call) -> Reply:
    """With ``payment_source.paypal`` the payer is sent to the ``payer-action`` link, without to ``approve``."""
    body = call.body
    source = (body.get("payment_source") or {}).get("paypal")
    if source is not None and call.request_id is None:
        raise PayPalError(400, "PAYPAL_REQUEST_ID_REQUIRED", field="PayPal-Request-Id")
    if body["intent"] != "CAPTURE":
        raise refused("UNSUPPORTED_INTENT", field="/intent")
    units = [_unit(it) for it in body["purchase_units"]]
    if len({it["reference_id"] for it in units}) < len(units):
        raise refused("DUPLICATE_REFERENCE_ID")
    if len({it["amount"]["currency_code"] for it in units}) > 1:
        raise refused("MULTI_CURRENCY_ORDER")
    order_id = world.new_id("O")
    approval = world.link(f"/checkoutnow?token={order_id}", "payer-action" if source else "approve")
    context = source.get("experience_context", {}) if source else body.get("application_context", {})
    order: Json = {
        "id": order_id,
        "intent": body["intent"],
        "status": "PAYER_ACTION_REQUIRED" if source else "CREATED",
        "purchase_units": units,
        "create_time": world.moment(),
        "links": [world.link(f"/v2/checkout/orders/{order_id}", "self"), approval],
        "_kind": "order",
        "_context": context,
        "_approval": approval,
        "_attempts": 0,
    }
    if source:
        order["payment_source"] = {"paypal": {}}
    call.app.things[order_id] = order
    return Reply(201, _shown(order, call))


@route("GET", "/v2/checkout/orders/{id}")
def retrieve_order(world: World, call: Call) -> Reply:
    """The order with its captures and refunds."""
    return Reply(200, visible(world.get(call.app, "order", call.path["id"])))


@route("POST", "/v2/checkout/orders/{id}/capture")
def capture_order(world: World, call: Call) -> Reply:
    """Takes the money of an approved order, once."""
    order = world.get(call.app, "order", call.path["id"])
    if order["status"] == "COMPLETED":
        raise refused("ORDER_ALREADY_CAPTURED")
    if order["status"] != "APPROVED":
        raise refused("ORDER_NOT_APPROVED")
    invoices = {it["invoice_id"] for it in order["purchase_units"] if "invoice_id" in it}
    if invoices & call.app.paid_invoice_ids:
        raise refused("DUPLICATE_INVOICE_ID")
    wanted = call.app.next_captures.pop(0) if call.app.next_captures else {"status": "COMPLETED"}
    if "issue" in wanted:
        raise _declined(world, order, wanted["issue"])
    for unit in order["purchase_units"]:
        unit["payments"] = {"captures": [_capture(world, call.app, order, unit, wanted)]}
    order |= {"status": "COMPLETED", "update_time": world.moment()}
    order["links"] = [world.link(f"/v2/checkout/orders/{order['id']}", "self")]
    if wanted["status"] != "DECLINED":
        call.app.paid_invoice_ids |= invoices
    return Reply(201, _shown(order, call))


def approve(world: World, app: App, order: Json) -> str:
    """The client says yes on PayPal's page; where it goes then. No money has moved."""
    if order["status"] not in {"CREATED", "PAYER_ACTION_REQUIRED"}:
        raise LookupError(f"{order['id']} is {order['status']}")
    order |= {"status": "APPROVED", "payer": copy.deepcopy(PAYER), "update_time": world.moment()}
    payer = {"email_address": PAYER["email_address"], "account_id": PAYER["payer_id"], "name": PAYER["name"]}
    order["payment_source"] = {"paypal": payer | {"account_status": "VERIFIED", "address": PAYER["address"]}}
    order["links"] = [
        world.link(f"/v2/checkout/orders/{order['id']}", "self"),
        world.link(f"/v2/checkout/orders/{order['id']}/capture", "capture", "POST"),
    ]
    emit(world, app, "CHECKOUT.ORDER.APPROVED", "checkout-order", order, "An order has been approved by buyer")
    return f"{_back(world, order, 'return_url', order['id'])}&PayerID={PAYER['payer_id']}"


def leave(world: World, order: Json) -> str:
    """The client goes back without approving; the order stays as it is."""
    return _back(world, order, "cancel_url", order["id"])


def lapse(world: World, app: App, order: Json) -> None:
    """Nobody captured in time: the approval is gone."""
    order |= {"status": "VOIDED", "update_time": world.moment()}
    resource = {"order_id": order["id"], "purchase_units": order["purchase_units"]}
    emit(world, app, "CHECKOUT.PAYMENT-APPROVAL.REVERSED", "checkout-approval", resource)


def book(world: World, capture: Json) -> None:
    """What the merchant gets of a capture, once the money is there."""
    currency, value = capture["amount"]["currency_code"], Decimal(capture["amount"]["value"])
    kept = fee(value, currency)
    capture["seller_receivable_breakdown"] = {
        "gross_amount": written(value, currency),
        "paypal_fee": written(kept, currency),
        "net_amount": written(value - kept, currency),
    }


def _capture(world: World, app: App, order: Json, unit: Json, wanted: Json) -> Json:
    capture_id, status = world.new_id("C"), wanted["status"]
    made: Json = {
        "id": capture_id,
        "status": status,
        "amount": {name: unit["amount"][name] for name in ("currency_code", "value")},
        "final_capture": True,
        "seller_protection": {
            "status": "ELIGIBLE",
            "dispute_categories": ["ITEM_NOT_RECEIVED", "UNAUTHORIZED_TRANSACTION"],
        },
        "create_time": world.moment(),
        "update_time": world.moment(),
        "links": [
            world.link(f"/v2/payments/captures/{capture_id}", "self"),
            world.link(f"/v2/payments/captures/{capture_id}/refund", "refund", "POST"),
            world.link(f"/v2/checkout/orders/{order['id']}", "up"),
        ],
        "_kind": "capture",
        "_order": order["id"],
        "_refunded": Decimal(0),
    }
    made |= {name: unit[name] for name in ("custom_id", "invoice_id") if name in unit}
    if status == "PENDING":
        made["status_details"] = {"reason": wanted.get("reason", "ECHECK")}
    if status == "COMPLETED":
        book(world, made)
    app.things[capture_id] = made
    kind = {"COMPLETED": "COMPLETED", "PENDING": "PENDING", "DECLINED": "DECLINED"}[status]
    emit(world, app, f"PAYMENT.CAPTURE.{kind}", "capture", made)
    return made


def _declined(world: World, order: Json, issue: str) -> PayPalError:
    """A refusal of the payment itself; an instrument that was declined can be replaced by approving again."""
    order["_attempts"] += 1
    if issue != "INSTRUMENT_DECLINED":
        return PayPalError(422, issue, is_final=issue not in _ORDER_ISSUES)
    if order["_attempts"] >= MOST_ATTEMPTS:
        return PayPalError(422, "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED", is_final=True)
    order["status"] = "PAYER_ACTION_REQUIRED"
    order["links"] = [world.link(f"/v2/checkout/orders/{order['id']}", "self"), order["_approval"]]
    again = world.link(f"/checkoutnow?token={order['id']}", "redirect")
    return PayPalError(422, issue, links=[again], is_final=True)


def _unit(asked: Json) -> Json:
    unit: Json = copy.deepcopy(asked)
    unit.setdefault("reference_id", "default")
    amount = unit["amount"]
    total = parsed(amount)
    if total > LARGEST:
        raise refused("MAX_VALUE_EXCEEDED")
    if "items" in unit and "item_total" not in amount.get("breakdown", {}):
        raise refused("ITEM_TOTAL_REQUIRED")
    if "breakdown" in amount:
        _check_breakdown(unit, total)
    return unit


def _check_breakdown(unit: Json, total: Decimal) -> None:
    parts = {name: Decimal(it["value"]) for name, it in unit["amount"]["breakdown"].items()}
    taken_off = parts.pop("shipping_discount", Decimal(0)) + parts.pop("discount", Decimal(0))
    if sum(parts.values()) - taken_off != total:
        raise refused("AMOUNT_MISMATCH")
    if "items" in unit:
        items = sum(Decimal(it["unit_amount"]["value"]) * int(it["quantity"]) for it in unit["items"])
        if items != parts["item_total"]:
            raise refused("ITEM_TOTAL_MISMATCH")


def _shown(order: Json, call: Call) -> Json:
    shown: Json = visible(order)
    if call.wants_representation:
        return shown
    kept = ["id", "status", "links", "payment_source"]
    if order["status"] == "COMPLETED":
        kept += ["payer", "purchase_units"]
        shown["purchase_units"] = [
            {name: it[name] for name in ("reference_id", "payments") if name in it} for it in shown["purchase_units"]
        ]
    return {name: shown[name] for name in kept if name in shown}


def _back(world: World, order: Json, name: str, token: str) -> str:
    url = order["_context"].get(name, world.base_url())
    return f"{url}{'&' if '?' in url else '?'}token={token}"
