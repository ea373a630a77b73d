"""Setup intents: a card kept for later, with the bank's blessing."""

from tests.support.providers.stripe.errors import StripeError, declined, invalid
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.methods import attach, behaviour_of, method_for
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import APPLICATION, Call, Scope, World, metadata_of, route


def add_setup(world: World, scope: Scope, body: Json, *, on_behalf: bool) -> Json:
    """One that waits for a payment method."""
    made = world.add(
        scope,
        "setup_intent",
        "seti",
        application=APPLICATION if on_behalf else None,
        customer=body.get("customer"),
        description=body.get("description"),
        metadata=metadata_of(body),
        payment_method_types=["card"],
        status="requires_payment_method",
        usage=body.get("usage", "off_session"),
    )
    made["client_secret"] = f"{made['id']}_secret_{world.new_id('s')[2:]}"
    if "automatic_payment_methods" in body:
        made["automatic_payment_methods"] = dict(body["automatic_payment_methods"])
    emit(world, scope, "setup_intent.created", made)
    return made


def confirm(world: World, scope: Scope, setup: Json, method: Json) -> None:
    """The bank is asked. Raises card_error when it declines."""
    if setup["status"] in {"succeeded", "canceled"}:
        raise invalid(
            f"You cannot confirm this SetupIntent because it has a status of {setup['status']}.",
            code="setup_intent_unexpected_state",
        )
    behaviour = behaviour_of(method)
    setup["payment_method"] = method["id"]
    if behaviour.decline_code is not None:
        _fail(world, scope, setup, method, behaviour.decline_code, "card_declined")
        raise declined(behaviour.decline_code, setup_intent=world.present(scope, setup))
    if behaviour.needs_authentication:
        url = f"{world.base_url()}/_/authenticate/{setup['id']}"
        action = {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": setup.get("_return_url")}}
        setup |= {"status": "requires_action", "next_action": action}
        emit(world, scope, "setup_intent.requires_action", setup)
        return
    _succeed(world, scope, setup, method)


def authenticate(world: World, scope: Scope, setup: Json, *, passes: bool) -> None:
    """The client passes the bank's question, or doesn't."""
    if setup["status"] != "requires_action":
        raise LookupError(f"{setup['id']} is {setup['status']}: nobody asks anything")
    method = world.get(scope, "payment_method", setup["payment_method"])
    if passes:
        _succeed(world, scope, setup, method)
    else:
        _fail(world, scope, setup, method, "authentication_not_handled", "setup_intent_authentication_failure")


def _succeed(world: World, scope: Scope, setup: Json, method: Json) -> None:
    setup |= {"status": "succeeded", "next_action": None, "last_setup_error": None}
    if setup["customer"]:
        attach(world, scope, method, setup["customer"])
    emit(world, scope, "setup_intent.succeeded", setup)


def _fail(world: World, scope: Scope, setup: Json, method: Json, decline_code: str, code: str) -> None:
    setup |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_setup_error": {
            "type": "card_error",
            "code": code,
            "decline_code": decline_code,
            "message": "Your card was declined.",
            "payment_method": world.present(scope, method),
        },
    }
    emit(world, scope, "setup_intent.setup_failed", setup)


@route("POST", "/v1/setup_intents")
def create_setup(world: World, call: Call) -> Json:
    """With ``confirm`` the bank is asked at once."""
    body = call.body
    if "customer" in body:
        world.get(call.scope, "customer", body["customer"])
    setup = add_setup(world, call.scope, body, on_behalf=call.is_on_behalf)
    if "payment_method" in body:
        method = method_for(world, call.scope, body["payment_method"])
        setup |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if body.get("confirm"):
        _confirm_call(world, call, setup)
    return world.present(call.scope, setup, body.get("expand"))


@route("GET", "/v1/setup_intents/{intent}")
def retrieve_setup(world: World, call: Call) -> Json:
    """One setup intent."""
    found = world.get(call.scope, "setup_intent", call.path["intent"])
    return world.present(call.scope, found, call.query.get("expand"))


@route("GET", "/v1/setup_intents")
def list_setups(world: World, call: Call) -> Json:
    """Also of one customer."""
    found = world.every(call.scope, "setup_intent")
    if "customer" in call.query:
        found = [it for it in found if it["customer"] == call.query["customer"]]
    return world.page(call, "setup_intent", found)


@route("POST", "/v1/setup_intents/{intent}/confirm")
def confirm_setup(world: World, call: Call) -> Json:
    """The bank is asked about the named method."""
    setup = world.get(call.scope, "setup_intent", call.path["intent"])
    _confirm_call(world, call, setup)
    return world.present(call.scope, setup, call.body.get("expand"))


@route("POST", "/v1/setup_intents/{intent}/cancel")
def cancel_setup(world: World, call: Call) -> Json:
    """Nothing more comes of it."""
    setup = world.get(call.scope, "setup_intent", call.path["intent"])
    if setup["status"] in {"succeeded", "canceled"}:
        raise StripeError(400, "This SetupIntent is over.", code="setup_intent_unexpected_state")
    setup |= {"status": "canceled", "cancellation_reason": call.body.get("cancellation_reason"), "next_action": None}
    emit(world, call.scope, "setup_intent.canceled", setup)
    return world.present(call.scope, setup, call.body.get("expand"))


def _confirm_call(world: World, call: Call, setup: Json) -> None:
    method_id = call.body.get("payment_method") or setup["payment_method"]
    if not method_id:
        raise invalid("You cannot confirm this SetupIntent because it's missing a payment method.")
    setup["_return_url"] = call.body.get("return_url")
    confirm(world, call.scope, setup, method_for(world, call.scope, method_id))
