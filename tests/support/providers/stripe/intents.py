"""Payment intents: created, confirmed by the client or by us, captured, cancelled."""

from typing import Final

from tests.support.providers.stripe.amounts import check_amount
from tests.support.providers.stripe.charges import Settlement, add_charge, book
from tests.support.providers.stripe.errors import StripeError, declined, invalid
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.methods import attach, behaviour_of, method_for
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import (
    APPLICATION,
    Call,
    Scope,
    World,
    merge_metadata,
    metadata_of,
    route,
)

CANCELLABLE: Final = frozenset(
    {"requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing"}
)
CONFIRMABLE: Final = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
_TAKEN_OVER = (
    "description", "receipt_email", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix",
    "transfer_group",
)  # fmt: skip


def check_fee(call: Call, fee: int | None, amount: int) -> None:
    """An application fee is the platform's, of a charge it makes on a connected account."""
    if fee is None:
        return
    if not call.is_on_behalf:
        raise invalid(
            "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using "
            "an OAuth key or Stripe-Account header) or destination payment.",
            param="application_fee_amount",
        )
    if not 0 < fee <= amount:
        raise invalid("The application_fee_amount must be positive and no more than the amount.", param="amount")


def add_intent(world: World, call_scope: Scope, *, amount: int, currency: str, on_behalf: bool, body: Json) -> Json:
    """An intent that waits for a payment method."""
    check_amount(amount, currency)
    made = world.add(
        call_scope,
        "payment_intent",
        "pi",
        amount=amount,
        currency=currency.lower(),
        metadata=metadata_of(body),
        application=APPLICATION if on_behalf else None,
        application_fee_amount=body.get("application_fee_amount"),
        capture_method=body.get("capture_method", "automatic_async"),
        payment_method_types=["card"],
        status="requires_payment_method",
        **{name: body[name] for name in _TAKEN_OVER if name in body},
    )
    made["client_secret"] = f"{made['id']}_secret_{world.new_id('s')[2:]}"
    if "automatic_payment_methods" in body:
        made["automatic_payment_methods"] = dict(body["automatic_payment_methods"])
        made["payment_method_types"] = ["card", "sepa_debit"]
    if body.get("customer"):
        made["customer"] = world.get(call_scope, "customer", body["customer"])["id"]
    emit(world, call_scope, "payment_intent.created", made)
    return made


def confirm(world: World, scope: Scope, intent: Json, method: Json, *, off_session: bool = False) -> None:
    """One try to pay. Raises card_error when the bank declines, with the intent in it."""
    if intent["status"] not in CONFIRMABLE:
        raise unexpected_state(intent, "confirm")
    behaviour = behaviour_of(method)
    if method["customer"] not in {None, intent["customer"]}:
        raise invalid("The PaymentMethod belongs to another customer.", param="payment_method")
    intent["payment_method"] = method["id"]
    if behaviour.needs_authentication and off_session:
        fail(world, scope, intent, method, "authentication_required", code="authentication_required")
        raise _error(world, scope, intent)
    if behaviour.needs_authentication:
        intent |= {"status": "requires_action", "next_action": _challenge(world, intent)}
        emit(world, scope, "payment_intent.requires_action", intent)
    elif behaviour.decline_code is not None:
        fail(world, scope, intent, method, behaviour.decline_code)
        raise _error(world, scope, intent)
    elif behaviour.is_slow:
        intent |= {"status": "processing", "processing": {"type": method["type"]} if method["type"] == "card" else None}
        add_charge(world, scope, intent, method, Settlement.PENDING)
        emit(world, scope, "payment_intent.processing", intent)
    else:
        succeed(world, scope, intent, method)


def succeed(world: World, scope: Scope, intent: Json, method: Json) -> None:
    """The bank says yes: the money is here, or held if the intent is captured by hand."""
    intent |= {"payment_method": method["id"], "next_action": None, "last_payment_error": None}
    if intent["customer"] and intent["setup_future_usage"]:
        attach(world, scope, method, intent["customer"])
    elif method["customer"] is None:
        method["_used"] = True
    if intent["capture_method"] == "manual":
        add_charge(world, scope, intent, method, Settlement.AUTHORIZED)
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        emit(world, scope, "payment_intent.amount_capturable_updated", intent)
        return
    add_charge(world, scope, intent, method, Settlement.SUCCEEDED)
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    emit(world, scope, "payment_intent.succeeded", intent)


def fail(
    world: World, scope: Scope, intent: Json, method: Json, decline_code: str, *, code: str = "card_declined"
) -> None:
    """The bank says no: a failed charge, and the intent waits for another method."""
    charge = add_charge(world, scope, intent, method, Settlement.FAILED, decline_code)
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": {
            "type": "card_error",
            "code": code,
            "decline_code": decline_code,
            "charge": charge["id"],
            "message": "Your card was declined.",
            "payment_method": world.present(scope, method),
        },
    }
    emit(world, scope, "payment_intent.payment_failed", intent)


def settle_slow(world: World, scope: Scope, intent: Json, *, succeeds: bool) -> None:
    """A slow method comes to its end."""
    if intent["status"] != "processing":
        raise LookupError(f"{intent['id']} is {intent['status']}, not processing")
    charge = world.get(scope, "charge", intent["latest_charge"])
    intent["processing"] = None
    if succeeds:
        book(world, scope, charge, charge["amount"])
        emit(world, scope, "charge.succeeded", charge)
        intent |= {"status": "succeeded", "amount_received": intent["amount"]}
        emit(world, scope, "payment_intent.succeeded", intent)
        return
    charge |= {"status": "failed", "failure_code": "insufficient_funds", "failure_message": "The account was empty."}
    emit(world, scope, "charge.failed", charge)
    intent |= {
        "status": "requires_payment_method",
        "last_payment_error": {"type": "invalid_request_error", "code": "payment_intent_payment_attempt_failed"},
    }
    emit(world, scope, "payment_intent.payment_failed", intent)


def unexpected_state(intent: Json, verb: str) -> StripeError:
    """The intent's status allows no such thing."""
    return StripeError(
        400,
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent,
    )


def _error(world: World, scope: Scope, intent: Json) -> StripeError:
    last = intent["last_payment_error"]
    shown = world.present(scope, intent)
    method = last["payment_method"]
    return declined(
        last["decline_code"], code=last["code"], charge=last["charge"], payment_intent=shown, payment_method=method
    )


def _challenge(world: World, intent: Json) -> Json:
    url = f"{world.base_url()}/_/authenticate/{intent['id']}"
    return {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": intent.get("_return_url")}}


@route("POST", "/v1/payment_intents")
def create_intent(world: World, call: Call) -> Json:
    """With ``confirm`` the first try is made at once."""
    body = call.body
    check_fee(call, body.get("application_fee_amount"), body["amount"])
    if body.get("off_session") and not body.get("confirm"):
        raise invalid("off_session can only be used with confirm=true.", param="off_session")
    intent = add_intent(
        world,
        call.scope,
        amount=body["amount"],
        currency=body["currency"],
        on_behalf=call.is_on_behalf,
        body=body,
    )
    if "payment_method" in body:
        intent["payment_method"] = method_for(world, call.scope, body["payment_method"])["id"]
        intent["status"] = "requires_confirmation"
    if body.get("confirm"):
        _confirm_call(world, call, intent)
    return world.present(call.scope, intent, body.get("expand"))


@route("GET", "/v1/payment_intents/{intent}")
def retrieve_intent(world: World, call: Call) -> Json:
    """One intent."""
    found = world.get(call.scope, "payment_intent", call.path["intent"])
    return world.present(call.scope, found, call.query.get("expand"))


@route("GET", "/v1/payment_intents")
def list_intents(world: World, call: Call) -> Json:
    """Also of one customer."""
    found = world.every(call.scope, "payment_intent")
    if "customer" in call.query:
        found = [it for it in found if it["customer"] == call.query["customer"]]
    return world.page(call, "payment_intent", found)


@route("POST", "/v1/payment_intents/{intent}")
def update_intent(world: World, call: Call) -> Json:
    """Until it is confirmed; metadata always."""
    intent, body = world.get(call.scope, "payment_intent", call.path["intent"]), call.body
    if set(body) - {"metadata", "description", "expand"} and intent["status"] not in CONFIRMABLE:
        raise unexpected_state(intent, "update")
    if "amount" in body or "application_fee_amount" in body:
        amount: int = body["amount"] if "amount" in body else intent["amount"]
        check_amount(amount, str(body.get("currency", intent["currency"])))
        check_fee(call, body.get("application_fee_amount") or None, amount)
        intent["amount"] = amount
        intent["application_fee_amount"] = body.get("application_fee_amount", intent["application_fee_amount"]) or None
    for name in ("description", "receipt_email", "setup_future_usage", "currency"):
        if name in body:
            intent[name] = body[name] or None
    if "customer" in body:
        intent["customer"] = world.get(call.scope, "customer", body["customer"])["id"]
    if "payment_method" in body:
        method = method_for(world, call.scope, body["payment_method"])
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    merge_metadata(intent, body)
    return world.present(call.scope, intent, body.get("expand"))


@route("POST", "/v1/payment_intents/{intent}/confirm")
def confirm_intent(world: World, call: Call) -> Json:
    """One try with the named method, or with the one the intent has."""
    intent = world.get(call.scope, "payment_intent", call.path["intent"])
    _confirm_call(world, call, intent)
    return world.present(call.scope, intent, call.body.get("expand"))


@route("POST", "/v1/payment_intents/{intent}/capture")
def capture_intent(world: World, call: Call) -> Json:
    """Takes what is held, or less; the rest goes back to the card."""
    intent = world.get(call.scope, "payment_intent", call.path["intent"])
    if intent["status"] != "requires_capture":
        raise unexpected_state(intent, "capture")
    capturable: int = intent["amount_capturable"]
    amount: int = call.body.get("amount_to_capture", capturable)
    if not 0 < amount <= intent["amount_capturable"]:
        raise invalid("The amount to capture exceeds what is capturable.", code="amount_too_large")
    charge = world.get(call.scope, "charge", intent["latest_charge"])
    if "application_fee_amount" in call.body:
        check_fee(call, call.body["application_fee_amount"], amount)
        charge["application_fee_amount"] = intent["application_fee_amount"] = call.body["application_fee_amount"]
    book(world, call.scope, charge, amount)
    charge["amount_refunded"] = charge["amount"] - amount
    emit(world, call.scope, "charge.captured", charge)
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    emit(world, call.scope, "payment_intent.succeeded", intent)
    return world.present(call.scope, intent, call.body.get("expand"))


@route("POST", "/v1/payment_intents/{intent}/cancel")
def cancel_intent(world: World, call: Call) -> Json:
    """Nothing more can be paid with it; what was held goes back."""
    intent = world.get(call.scope, "payment_intent", call.path["intent"])
    if intent["status"] not in CANCELLABLE or intent.get("_session"):
        raise unexpected_state(intent, "cancel")
    cancel(world, call.scope, intent, call.body.get("cancellation_reason"))
    return world.present(call.scope, intent, call.body.get("expand"))


def cancel(world: World, scope: Scope, intent: Json, reason: str | None) -> None:
    """Ends an intent without money."""
    intent |= {
        "status": "canceled",
        "canceled_at": world.now(),
        "cancellation_reason": reason,
        "amount_capturable": 0,
        "next_action": None,
    }
    emit(world, scope, "payment_intent.canceled", intent)


def _confirm_call(world: World, call: Call, intent: Json) -> None:
    method_id = call.body.get("payment_method") or intent["payment_method"]
    if not method_id:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    if "setup_future_usage" in call.body:
        intent["setup_future_usage"] = call.body["setup_future_usage"] or None
    intent["_return_url"] = call.body.get("return_url")
    method = method_for(world, call.scope, method_id)
    confirm(world, call.scope, intent, method, off_session=bool(call.body.get("off_session")))
