"""Checkout sessions: made by us, paid or left by the client on the hosted page."""

from enum import StrEnum
from typing import Final

from tests.support.providers.stripe import intents, setups, subscriptions
from tests.support.providers.stripe.amounts import check_amount
from tests.support.providers.stripe.catalogue import price_of_item
from tests.support.providers.stripe.errors import StripeError, invalid
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.methods import Behaviour, add_method
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import Call, Scope, World, metadata_of, route

SHORTEST_SECONDS: Final = 30 * 60
LONGEST_SECONDS: Final = 24 * 3600
CLOCK_SLACK_SECONDS: Final = 5
_LONGEST_REFERENCE = 200


class Outcome(StrEnum):
    """What the client's card does on the hosted page."""

    APPROVE = "approve"
    DECLINE = "decline"
    AUTHENTICATE = "authenticate"
    """The bank asks the client first; the page of the bank says how that ends."""
    SLOW = "slow"
    """Completed and unpaid: the money comes later, or not."""


@route("POST", "/v1/checkout/sessions")
def create_session(world: World, call: Call) -> Json:
    """In mode payment, setup or subscription; hosted by default."""
    body = call.body
    mode, hosted = body.get("mode", "payment"), body.get("ui_mode", "hosted_page") == "hosted_page"
    _check_addresses(body, hosted=hosted)
    reference = body.get("client_reference_id")
    if reference is not None and len(reference) > _LONGEST_REFERENCE:
        raise invalid("client_reference_id must be at most 200 characters.", param="client_reference_id")
    expires_at = _expiry(world, body)
    items = [] if mode == "setup" else _items(world, call, body, recurring=mode == "subscription")
    total, currency = sum(it["amount_total"] for it in items), (items[0]["currency"] if items else body.get("currency"))
    if mode == "payment":
        check_amount(total, str(currency), param="line_items")
        fee = (body.get("payment_intent_data") or {}).get("application_fee_amount")
        intents.check_fee(call, fee, total)
    _check_mode_data(body, mode)
    if "customer" in body and "customer_email" in body:
        raise invalid("You may only specify one of these parameters: customer, customer_email.")
    if "customer" in body:
        world.get(call.scope, "customer", body["customer"])
    prefix = "cs_live" if call.scope.livemode else "cs_test"
    session = world.add(
        call.scope,
        "checkout.session",
        prefix,
        mode=mode,
        ui_mode=body.get("ui_mode", "hosted_page"),
        status="open",
        payment_status="unpaid" if mode != "setup" else "no_payment_required",
        amount_subtotal=total if items else None,
        amount_total=total if items else None,
        currency=currency,
        expires_at=expires_at,
        success_url=body.get("success_url"),
        cancel_url=body.get("cancel_url"),
        return_url=body.get("return_url"),
        client_reference_id=reference,
        customer=body.get("customer"),
        customer_creation=body.get("customer_creation", "if_required") if mode == "payment" else None,
        customer_email=body.get("customer_email"),
        locale=body.get("locale"),
        metadata=metadata_of(body),
        payment_method_types=["card", "sepa_debit"] if mode == "payment" else ["card"],
        _line_items={"object": "list", "data": items, "has_more": False, "url": "/v1/checkout/sessions/line_items"},
        _on_behalf=call.is_on_behalf,
        _body=body,
    )
    if items:
        session["total_details"] = {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}
    if hosted:
        session["url"] = f"{world.base_url()}/_/checkout/{session['id']}"
    else:
        session["client_secret"] = f"{session['id']}_secret_{world.new_id('s')[2:]}"
    return world.present(call.scope, session, body.get("expand"))


@route("GET", "/v1/checkout/sessions/{session}")
def retrieve_session(world: World, call: Call) -> Json:
    """One session; one whose time is over has expired."""
    session = current(world, call.scope, call.path["session"])
    return world.present(call.scope, session, call.query.get("expand"))


@route("GET", "/v1/checkout/sessions")
def list_sessions(world: World, call: Call) -> Json:
    """Also by status, customer or intent."""
    query = call.query
    found = [current(world, call.scope, it["id"]) for it in world.every(call.scope, "checkout.session")]
    for name in ("status", "customer", "payment_intent", "subscription"):
        if name in query:
            found = [it for it in found if it[name] == query[name]]
    return world.page(call, "checkout.session", found)


@route("POST", "/v1/checkout/sessions/{session}/expire")
def expire_session(world: World, call: Call) -> Json:
    """Nobody can pay it any more."""
    session = current(world, call.scope, call.path["session"])
    if session["status"] != "open":
        raise invalid(f'Only Checkout Sessions with a status in ["open"] can be expired; this is {session["status"]}.')
    expire(world, call.scope, session)
    return world.present(call.scope, session, call.body.get("expand"))


def current(world: World, scope: Scope, session_id: str) -> Json:
    """The session as it stands at this moment."""
    session = world.get(scope, "checkout.session", session_id)
    if session["status"] == "open" and session["expires_at"] <= world.now():
        expire(world, scope, session)
    return session


def expire(world: World, scope: Scope, session: Json) -> None:
    """Ends an open session, and its intent with it."""
    session |= {"status": "expired", "url": None}
    if session["payment_intent"]:
        intent = world.get(scope, "payment_intent", session["payment_intent"])
        if intent["status"] in intents.CANCELLABLE:
            intents.cancel(world, scope, intent, "expired")
    emit(world, scope, "checkout.session.expired", session)


def submit(
    world: World, scope: Scope, session: Json, outcome: Outcome, *, decline_code: str = "generic_decline", email: str
) -> None:
    """The client presses pay. Raises card_error for a decline, which leaves the session open, and once it is over."""
    if session["status"] != "open":
        raise invalid("This Checkout Session is no longer open.", code="resource_missing")
    behaviour = {
        Outcome.APPROVE: Behaviour(),
        Outcome.DECLINE: Behaviour(decline_code, last4="0002"),
        Outcome.AUTHENTICATE: Behaviour(needs_authentication=True, last4="3184"),
        Outcome.SLOW: Behaviour(is_slow=True, last4="3000"),
    }[outcome]
    method = add_method(world, scope, behaviour, email=email, name="Clara Cliente")
    _settle_customer(world, scope, session, email)
    if session["mode"] == "setup":
        _submit_setup(world, scope, session, method)
    elif session["mode"] == "subscription":
        _submit_subscription(world, scope, session, method)
    else:
        intent = _intent(world, scope, session)
        intents.confirm(world, scope, intent, method)
        if intent["status"] != "requires_action":
            complete(world, scope, session, is_paid=intent["status"] != "processing")


def complete(world: World, scope: Scope, session: Json, *, is_paid: bool) -> None:
    """The client is through; ``is_paid`` False for a slow method."""
    paid = "no_payment_required" if session["mode"] == "setup" else "paid" if is_paid else "unpaid"
    session |= {"status": "complete", "payment_status": paid, "url": None}
    emit(world, scope, "checkout.session.completed", session)


def settle_slow(world: World, scope: Scope, session: Json, *, succeeds: bool) -> None:
    """The slow money of a completed session has come, or never will."""
    intent = world.get(scope, "payment_intent", session["payment_intent"])
    intents.settle_slow(world, scope, intent, succeeds=succeeds)
    if succeeds:
        session["payment_status"] = "paid"
    kind = "succeeded" if succeeds else "failed"
    emit(world, scope, f"checkout.session.async_payment_{kind}", session)


def authenticated(world: World, scope: Scope, session: Json, *, passes: bool) -> None:
    """What the bank made of the client, after :attr:`Outcome.AUTHENTICATE`."""
    if session["mode"] == "setup":
        setup = world.get(scope, "setup_intent", session["setup_intent"])
        setups.authenticate(world, scope, setup, passes=passes)
    else:
        intent = world.get(scope, "payment_intent", session["payment_intent"])
        authenticate_intent(world, scope, intent, passes=passes)
    if passes:
        complete(world, scope, session, is_paid=True)


def authenticate_intent(world: World, scope: Scope, intent: Json, *, passes: bool) -> None:
    """The client passes the bank's question, or doesn't."""
    if intent["status"] != "requires_action":
        raise LookupError(f"{intent['id']} is {intent['status']}: nobody asks anything")
    method = world.get(scope, "payment_method", intent["payment_method"])
    if passes:
        intents.succeed(world, scope, intent, method)
    else:
        code = "payment_intent_authentication_failure"
        intents.fail(world, scope, intent, method, "authentication_not_handled", code=code)


def _intent(world: World, scope: Scope, session: Json) -> Json:
    """Made at the first try, as Checkout does; metadata is the intent's own, not the session's."""
    if session["payment_intent"]:
        return world.get(scope, "payment_intent", session["payment_intent"])
    data = dict(session["_body"].get("payment_intent_data") or {})
    if session["customer"]:
        data["customer"] = session["customer"]
    intent = intents.add_intent(
        world,
        scope,
        amount=session["amount_total"],
        currency=session["currency"],
        on_behalf=session["_on_behalf"],
        body=data,
    )
    intent["_session"] = session["id"]
    session["payment_intent"] = intent["id"]
    return intent


def _submit_setup(world: World, scope: Scope, session: Json, method: Json) -> None:
    data = session["_body"].get("setup_intent_data") or {}
    setup = setups.add_setup(world, scope, data | {"customer": session["customer"]}, on_behalf=session["_on_behalf"])
    session["setup_intent"] = setup["id"]
    setup["_session"] = session["id"]
    setups.confirm(world, scope, setup, method)
    if setup["status"] == "succeeded":
        complete(world, scope, session, is_paid=True)


def _submit_subscription(world: World, scope: Scope, session: Json, method: Json) -> None:
    data = session["_body"].get("subscription_data") or {}
    made = subscriptions.begin(
        world, scope, session["customer"], session["_line_items"]["data"], method, data, in_checkout=True
    )
    session |= {"subscription": made["id"], "invoice": made["latest_invoice"]}
    complete(world, scope, session, is_paid=True)


def _settle_customer(world: World, scope: Scope, session: Json, email: str) -> None:
    email = session["customer_email"] or email
    saves = bool((session["_body"].get("payment_intent_data") or {}).get("setup_future_usage"))
    always = session["customer_creation"] == "always" or session["mode"] in {"setup", "subscription"} or saves
    if session["customer"] is None and always:
        customer = world.add(scope, "customer", "cus", email=email, name="Clara Cliente", metadata={})
        customer["invoice_settings"] = {"default_payment_method": None, "custom_fields": None, "footer": None}
        session["customer"] = customer["id"]
        emit(world, scope, "customer.created", customer)
    session["customer_details"] = {
        "email": email,
        "name": "Clara Cliente",
        "phone": None,
        "address": None,
        "tax_exempt": "none",
        "tax_ids": [],
        "business_name": None,
        "individual_name": None,
    }


def _check_addresses(body: Json, *, hosted: bool) -> None:
    if hosted and not body.get("success_url"):
        raise invalid(
            "You must provide success_url for hosted sessions.", code="parameter_missing", param="success_url"
        )
    if not hosted and "success_url" in body:
        raise invalid("success_url can't be used with this ui_mode; use return_url.", param="success_url")
    for name in ("success_url", "cancel_url", "return_url"):
        if name in body and not str(body[name]).startswith(("https://", "http://")):
            raise invalid("Not a valid URL", code="url_invalid", param=name)


def _expiry(world: World, body: Json) -> int:
    now = world.now()
    expires_at: int = body.get("expires_at", now + LONGEST_SECONDS)
    if not now + SHORTEST_SECONDS - CLOCK_SLACK_SECONDS <= expires_at <= now + LONGEST_SECONDS + CLOCK_SLACK_SECONDS:
        raise invalid(
            "The `expires_at` timestamp must be at least 30 minutes and less than 24 hours from Checkout Session "
            "creation.",
            param="expires_at",
        )
    return expires_at


def _check_mode_data(body: Json, mode: str) -> None:
    for name, its_mode in (
        ("payment_intent_data", "payment"),
        ("setup_intent_data", "setup"),
        ("subscription_data", "subscription"),
    ):
        if name in body and mode != its_mode:
            raise invalid(f"You can not pass `{name}` in `{mode}` mode.", param=name)


def _items(world: World, call: Call, body: Json, *, recurring: bool) -> list[Json]:
    if not body.get("line_items"):
        raise invalid("You must specify line_items.", code="parameter_missing", param="line_items")
    made = []
    for it in body["line_items"]:
        price = price_of_item(world, call.scope, it)
        if recurring and price["recurring"] is None:
            raise invalid("You must provide at least one recurring price in `subscription` mode.", param="line_items")
        if not recurring and price["recurring"] is not None:
            raise invalid("You specified `payment` mode but passed a recurring price.", param="line_items")
        quantity = it.get("quantity", 1)
        amount = price["unit_amount"] * quantity
        product = world.get(call.scope, "product", price["product"])
        item = world.add(
            call.scope,
            "item",
            "li",
            amount_subtotal=amount,
            amount_total=amount,
            currency=price["currency"],
            description=product["name"],
            price=price,
            quantity=quantity,
        )
        made.append(item)
    if len({it["currency"] for it in made}) > 1:
        raise StripeError(400, "All line items must have the same currency.", param="line_items")
    return made
