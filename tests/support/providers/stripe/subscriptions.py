"""Subscriptions of the platform's plans, their invoices, and the customer portal."""

import calendar
from datetime import UTC, datetime

from tests.support.providers.stripe import intents
from tests.support.providers.stripe.catalogue import price_of_item
from tests.support.providers.stripe.errors import StripeError, invalid
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.methods import WORKS, add_method, attach, method_for
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import Call, Scope, World, merge_metadata, metadata_of, route

ENDED = frozenset({"canceled", "incomplete_expired"})


def begin(
    world: World,
    scope: Scope,
    customer_id: str,
    items: list[Json],
    method: Json | None,
    body: Json,
    *,
    in_checkout: bool = False,
) -> Json:
    """A subscription with its first invoice, which is paid if the method lets it be."""
    price, now = items[0]["price"], world.now()
    trial_days = body.get("trial_period_days") or 0
    start = now
    end = now + trial_days * 86_400 if trial_days else after(start, price["recurring"])
    made = world.add(
        scope,
        "subscription",
        "sub",
        customer=customer_id,
        currency=price["currency"],
        billing_cycle_anchor=now,
        start_date=now,
        metadata=metadata_of(body),
        description=body.get("description"),
        collection_method=body.get("collection_method", "charge_automatically"),
        status="trialing" if trial_days else "incomplete",
        trial_start=now if trial_days else None,
        trial_end=end if trial_days else None,
    )
    made["items"] = {"object": "list", "has_more": False, "url": f"/v1/subscription_items?subscription={made['id']}"}
    made["items"]["data"] = [_item(world, scope, made, it, start, end) for it in items]
    if method is not None:
        attach(world, scope, method, customer_id)
        made["default_payment_method"] = method["id"]
    elif body.get("default_payment_method"):
        made["default_payment_method"] = body["default_payment_method"]
    emit(world, scope, "customer.subscription.created", made)
    invoice = add_invoice(world, scope, made, 0 if trial_days else _amount(made), "subscription_create")
    collect(world, scope, made, invoice)
    if made["status"] == "incomplete" and in_checkout:
        raise StripeError(402, "Your card was declined.", kind="card_error", code="card_declined")
    return made


def add_invoice(world: World, scope: Scope, subscription: Json, amount: int, reason: str) -> Json:
    """The invoice of a period, open until it is paid."""
    item = subscription["items"]["data"][0]
    number = sum(1 for _ in world.every(scope, "invoice")) + 1
    invoice = world.add(
        scope,
        "invoice",
        "in",
        amount_due=amount,
        amount_remaining=amount,
        subtotal=amount,
        total=amount,
        billing_reason=reason,
        currency=subscription["currency"],
        customer=subscription["customer"],
        metadata={},
        number=f"LOCAL-{number:04d}",
        period_start=item["current_period_start"],
        period_end=item["current_period_end"],
        status="open",
    )
    invoice["lines"]["url"] = f"/v1/invoices/{invoice['id']}/lines"
    invoice["hosted_invoice_url"] = f"{world.base_url()}/_/invoice/{invoice['id']}"
    invoice["parent"] = {
        "type": "subscription_details",
        "quote_details": None,
        "subscription_details": {
            "subscription": subscription["id"],
            "metadata": dict(subscription["metadata"]),
        },
    }
    subscription["latest_invoice"] = invoice["id"]
    emit(world, scope, "invoice.created", invoice)
    emit(world, scope, "invoice.finalized", invoice)
    return invoice


def collect(world: World, scope: Scope, subscription: Json, invoice: Json, method: Json | None = None) -> bool:
    """Tries to take the money for an invoice. What follows for the subscription is done here too."""
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    if invoice["amount_due"] == 0 or _charge(world, scope, subscription, invoice, method):
        invoice |= {"status": "paid", "amount_paid": invoice["amount_due"], "amount_remaining": 0}
        invoice["status_transitions"]["paid_at"] = world.now()
        emit(world, scope, "invoice.paid", invoice)
        emit(world, scope, "invoice.payment_succeeded", invoice)
        if subscription["status"] not in {"trialing", *ENDED}:
            set_status(world, scope, subscription, "active")
        return True
    emit(world, scope, "invoice.payment_failed", invoice)
    if subscription["status"] == "active":
        set_status(world, scope, subscription, "past_due")
    return False


def set_status(world: World, scope: Scope, subscription: Json, status: str) -> None:
    """Changes the status, and says so, if it is another one."""
    before = subscription["status"]
    if before != status:
        subscription["status"] = status
        emit(world, scope, "customer.subscription.updated", subscription, {"status": before})


def next_period(world: World, scope: Scope, subscription: Json, *, pays: bool) -> Json:
    """The period ends and the next is invoiced; ``pays`` False is a card that no longer works."""
    if subscription["cancel_at_period_end"]:
        end(world, scope, subscription)
        return subscription
    for item in subscription["items"]["data"]:
        start = item["current_period_end"]
        item |= {"current_period_start": start, "current_period_end": after(start, item["price"]["recurring"])}
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    amount = _amount(subscription) + _waiting(world, scope, subscription)
    invoice = add_invoice(world, scope, subscription, amount, "subscription_cycle")
    if pays:
        collect(world, scope, subscription, invoice)
    else:
        invoice |= {"attempted": True, "attempt_count": 1}
        emit(world, scope, "invoice.payment_failed", invoice)
        set_status(world, scope, subscription, "past_due")
    return invoice


def _waiting(world: World, scope: Scope, subscription: Json) -> int:
    """The invoice items that waited for this subscription's next invoice, billed by asking."""
    found = [it for it in world.every(scope, "invoiceitem") if it.get("_waits_for") == subscription["id"]]
    for item in found:
        del item["_waits_for"]
    return sum(int(it["amount"]) for it in found)


def end(world: World, scope: Scope, subscription: Json, reason: str = "cancellation_requested") -> None:
    """Nothing more is taken for it."""
    subscription |= {"status": "canceled", "canceled_at": world.now(), "ended_at": world.now()}
    subscription["cancellation_details"] = {"comment": None, "feedback": None, "reason": reason}
    emit(world, scope, "customer.subscription.deleted", subscription)


def after(start: int, recurring: Json) -> int:
    """One period later; the end of a short month where the day doesn't exist."""
    moment, count = datetime.fromtimestamp(start, UTC), int(recurring["interval_count"])
    if recurring["interval"] in {"day", "week"}:
        return start + 86_400 * count * (7 if recurring["interval"] == "week" else 1)
    months = count * (12 if recurring["interval"] == "year" else 1)
    index = moment.month - 1 + months
    year, month = moment.year + index // 12, index % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return int(moment.replace(year=year, month=month, day=day).timestamp())


def subscription_of(world: World, scope: Scope, invoice: Json) -> Json:
    """What an invoice is for."""
    return world.get(scope, "subscription", invoice["parent"]["subscription_details"]["subscription"])


def _charge(world: World, scope: Scope, subscription: Json, invoice: Json, method: Json | None) -> bool:
    if method is None:
        method = _default_method(world, scope, subscription)
    if method is None:
        return False
    body = {"customer": subscription["customer"], "description": f"Invoice {invoice['number']}"}
    intent = intents.add_intent(
        world, scope, amount=invoice["amount_due"], currency=invoice["currency"], on_behalf=False, body=body
    )
    invoice["_intent"] = intent["id"]
    try:
        intents.confirm(world, scope, intent, method, off_session=True)
    except StripeError:
        return False
    return bool(intent["status"] == "succeeded")


def _default_method(world: World, scope: Scope, subscription: Json) -> Json | None:
    customer = world.get(scope, "customer", subscription["customer"])
    method_id = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    return world.find(scope, method_id) if method_id else None


def _amount(subscription: Json) -> int:
    amounts: list[int] = [it["price"]["unit_amount"] * it["quantity"] for it in subscription["items"]["data"]]
    return sum(amounts)


def _item(world: World, scope: Scope, subscription: Json, item: Json, start: int, end: int) -> Json:
    return world.add(
        scope,
        "subscription_item",
        "si",
        price=item["price"],
        plan={"id": item["price"]["id"], "object": "plan"},
        quantity=item.get("quantity", 1),
        subscription=subscription["id"],
        current_period_start=start,
        current_period_end=end,
        metadata=metadata_of(item),
    )


@route("POST", "/v1/subscriptions")
def create_subscription(world: World, call: Call) -> Json:
    """For a customer with a method that works, or incomplete."""
    body = call.body
    if not body.get("customer") or not body.get("items"):
        raise invalid("customer and items are required.", code="parameter_missing", param="customer")
    customer = world.get(call.scope, "customer", body["customer"])
    items = [{"price": price_of_item(world, call.scope, it), "quantity": it.get("quantity", 1)} for it in body["items"]]
    method = method_for(world, call.scope, body["default_payment_method"]) if "default_payment_method" in body else None
    made = begin(world, call.scope, customer["id"], items, method, body)
    return world.present(call.scope, made, body.get("expand"))


@route("GET", "/v1/subscriptions/{subscription_exposed_id}")
def retrieve_subscription(world: World, call: Call) -> Json:
    """One subscription."""
    found = world.get(call.scope, "subscription", call.path["subscription_exposed_id"])
    return world.present(call.scope, found, call.query.get("expand"))


@route("GET", "/v1/subscriptions")
def list_subscriptions(world: World, call: Call) -> Json:
    """Those that have not ended, unless a status says otherwise."""
    query, found = call.query, world.every(call.scope, "subscription")
    status = query.get("status")
    if status is None:
        found = [it for it in found if it["status"] not in ENDED]
    elif status not in {"all", "ended"}:
        found = [it for it in found if it["status"] == status]
    if "customer" in query:
        found = [it for it in found if it["customer"] == query["customer"]]
    return world.page(call, "subscription", found)


@route("POST", "/v1/subscriptions/{subscription_exposed_id}")
def update_subscription(world: World, call: Call) -> Json:
    """Another price from the next period on, another method, or an end to it."""
    found, body = world.get(call.scope, "subscription", call.path["subscription_exposed_id"]), call.body
    if found["status"] in ENDED:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    before = {}
    if "cancel_at_period_end" in body:
        before["cancel_at_period_end"] = found["cancel_at_period_end"]
        found["cancel_at_period_end"] = body["cancel_at_period_end"]
        ends = found["items"]["data"][0]["current_period_end"]
        found["cancel_at"] = ends if body["cancel_at_period_end"] else None
        found["canceled_at"] = world.now() if body["cancel_at_period_end"] else None
    for change in body.get("items", []):
        _change_item(world, call.scope, found, change)
        before["items"] = {}
    if "default_payment_method" in body:
        method = method_for(world, call.scope, body["default_payment_method"])
        found["default_payment_method"] = method["id"]
    merge_metadata(found, body)
    emit(world, call.scope, "customer.subscription.updated", found, before)
    return world.present(call.scope, found, body.get("expand"))


@route("DELETE", "/v1/subscriptions/{subscription_exposed_id}")
def cancel_subscription(world: World, call: Call) -> Json:
    """At once."""
    found = world.get(call.scope, "subscription", call.path["subscription_exposed_id"])
    if found["status"] in ENDED:
        raise StripeError(404, "No such subscription.", code="resource_missing", param="id")
    end(world, call.scope, found)
    return world.present(call.scope, found, call.query.get("expand"))


@route("GET", "/v1/invoices/{invoice}")
def retrieve_invoice(world: World, call: Call) -> Json:
    """One invoice."""
    return world.present(call.scope, world.get(call.scope, "invoice", call.path["invoice"]), call.query.get("expand"))


@route("GET", "/v1/invoices")
def list_invoices(world: World, call: Call) -> Json:
    """Also of one customer, subscription or status."""
    query, found = call.query, world.every(call.scope, "invoice")
    for name in ("customer", "status"):
        if name in query:
            found = [it for it in found if it[name] == query[name]]
    if "subscription" in query:
        wanted = query["subscription"]
        found = [it for it in found if it["parent"]["subscription_details"]["subscription"] == wanted]
    return world.page(call, "invoice", found)


@route("POST", "/v1/invoices/{invoice}/pay")
def pay_invoice(world: World, call: Call) -> Json:
    """Tries again at once. Raises card_error."""
    invoice = world.get(call.scope, "invoice", call.path["invoice"])
    if invoice["status"] != "open":
        raise invalid("Invoice is already paid" if invoice["status"] == "paid" else "This invoice can't be paid.")
    method = method_for(world, call.scope, call.body["payment_method"]) if "payment_method" in call.body else None
    if not collect(world, call.scope, subscription_of(world, call.scope, invoice), invoice, method):
        raise StripeError(402, "Your card was declined.", kind="card_error", code="card_declined")
    return world.present(call.scope, invoice, call.body.get("expand"))


@route("POST", "/v1/billing_portal/sessions")
def create_portal_session(world: World, call: Call) -> Json:
    """A page where the customer changes the card or ends the subscription."""
    body = call.body
    if not body.get("customer"):
        raise invalid("You must provide customer.", code="parameter_missing", param="customer")
    customer = world.get(call.scope, "customer", body["customer"])
    made = world.add(
        call.scope,
        "billing_portal.session",
        "bps",
        configuration="bpc_local",
        customer=customer["id"],
        locale=body.get("locale"),
        return_url=body.get("return_url"),
    )
    made["url"] = f"{world.base_url()}/_/portal/{made['id']}"
    return world.present(call.scope, made)


def give_new_card(world: World, scope: Scope, customer: Json) -> None:
    """In the portal: a card that works; what is open is paid with it."""
    method = add_method(world, scope, WORKS)
    attach(world, scope, method, customer["id"])
    customer["invoice_settings"]["default_payment_method"] = method["id"]
    emit(world, scope, "customer.updated", customer, {})
    for subscription in world.every(scope, "subscription"):
        if subscription["customer"] == customer["id"] and subscription["status"] not in ENDED:
            subscription["default_payment_method"] = method["id"]
            invoice = world.find(scope, subscription["latest_invoice"])
            if invoice is not None and invoice["status"] == "open":
                collect(world, scope, subscription, invoice, method)


def _change_item(world: World, scope: Scope, subscription: Json, change: Json) -> None:
    items = subscription["items"]["data"]
    found = next((it for it in items if it["id"] == change.get("id")), None)
    if found is None:
        raise invalid("No such subscription item.", code="resource_missing", param="items[0][id]")
    if "price" in change or "price_data" in change:
        found["price"] = price_of_item(world, scope, {it: change[it] for it in ("price", "price_data") if it in change})
        found["plan"] = {"id": found["price"]["id"], "object": "plan"}
    found["quantity"] = change.get("quantity", found["quantity"])
