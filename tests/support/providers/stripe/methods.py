"""Customers, their payment methods, and the cards that behave as a test wants."""

from dataclasses import dataclass
from typing import Final

from tests.support.providers.stripe.errors import invalid
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import Call, Scope, World, merge_metadata, metadata_of, route


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a payment method answers."""

    decline_code: str | None = None
    needs_authentication: bool = False
    """The bank asks: on the session by 3-D Secure, off it by a decline ``authentication_required``."""
    is_slow: bool = False
    """The money comes days later, or not."""
    last4: str = "4242"
    brand: str = "visa"


WORKS: Final = Behaviour()
TEST_METHODS: Final[dict[str, Behaviour]] = {
    "pm_card_visa": WORKS,
    "pm_card_mastercard": Behaviour(last4="4444", brand="mastercard"),
    "pm_card_authenticationRequired": Behaviour(needs_authentication=True, last4="3184"),
    "pm_card_authenticationRequiredOnSetup": Behaviour(needs_authentication=True, last4="3155"),
    "pm_card_chargeDeclined": Behaviour("generic_decline", last4="0002"),
    "pm_card_visa_chargeDeclined": Behaviour("generic_decline", last4="0002"),
    "pm_card_chargeDeclinedInsufficientFunds": Behaviour("insufficient_funds", last4="9995"),
    "pm_card_chargeCustomerFail": Behaviour("generic_decline", last4="0341"),
    "pm_sepaDebit": Behaviour(is_slow=True, last4="3000"),
}
"""Stripe's own names for cards in test mode."""


def add_method(
    world: World, scope: Scope, behaviour: Behaviour = WORKS, *, email: str | None = None, name: str | None = None
) -> Json:
    """A payment method that behaves so."""
    kind = "sepa_debit" if behaviour.is_slow else "card"
    made = world.add(scope, "payment_method", "pm", type=kind, metadata={}, _behaviour=behaviour)
    for other in [it for it, value in made.items() if value is None and it not in {"customer", "allow_redisplay"}]:
        del made[other]
    made["billing_details"] |= {"email": email, "name": name}
    if kind == "card":
        made["card"] = {
            "brand": behaviour.brand,
            "display_brand": behaviour.brand,
            "country": "ES",
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": f"fp{behaviour.last4}",
            "funding": "credit",
            "last4": behaviour.last4,
        }
    else:
        made["sepa_debit"] = {"country": "ES", "last4": behaviour.last4, "fingerprint": "fp-sepa"}
    return made


def method_for(world: World, scope: Scope, method_id: str) -> Json:
    """The method of that id; one of Stripe's test names makes a new one in test mode."""
    if method_id in TEST_METHODS and not scope.livemode:
        return add_method(world, scope, TEST_METHODS[method_id])
    return world.get(scope, "payment_method", method_id)


def behaviour_of(method: Json) -> Behaviour:
    """How it answers."""
    behaviour: Behaviour = method["_behaviour"]
    return behaviour


def attach(world: World, scope: Scope, method: Json, customer_id: str) -> None:
    """The method is the customer's from now on."""
    world.get(scope, "customer", customer_id)
    if method["customer"] == customer_id:
        return
    if method["customer"] is not None or method.get("_used"):
        raise invalid("This PaymentMethod was previously used and may not be attached to a customer.")
    method["customer"] = customer_id
    emit(world, scope, "payment_method.attached", method)


@route("POST", "/v1/customers")
def create_customer(world: World, call: Call) -> Json:
    """A customer of this account."""
    body = call.body
    kept = {it: body[it] for it in ("email", "name", "phone", "description", "preferred_locales") if it in body}
    made = world.add(call.scope, "customer", "cus", metadata=metadata_of(body), **kept)
    made |= {"balance": 0, "delinquent": False, "preferred_locales": body.get("preferred_locales", [])}
    made["invoice_settings"] = {"default_payment_method": None, "custom_fields": None, "footer": None}
    if "payment_method" in body:
        attach(world, call.scope, method_for(world, call.scope, body["payment_method"]), made["id"])
    _settle_default(world, call, made)
    emit(world, call.scope, "customer.created", made)
    return world.present(call.scope, made, body.get("expand"))


@route("GET", "/v1/customers/{customer}")
def retrieve_customer(world: World, call: Call) -> Json:
    """One customer."""
    found = world.get(call.scope, "customer", call.path["customer"])
    return world.present(call.scope, found, call.query.get("expand"))


@route("POST", "/v1/customers/{customer}")
def update_customer(world: World, call: Call) -> Json:
    """Name, address, the method that is used where none is named."""
    found = world.get(call.scope, "customer", call.path["customer"])
    for name in ("email", "name", "phone", "description", "preferred_locales"):
        if name in call.body:
            found[name] = call.body[name] or None
    merge_metadata(found, call.body)
    _settle_default(world, call, found)
    emit(world, call.scope, "customer.updated", found, {})
    return world.present(call.scope, found, call.body.get("expand"))


@route("DELETE", "/v1/customers/{customer}")
def delete_customer(world: World, call: Call) -> Json:
    """The customer is gone, and nobody can be charged by their methods any more."""
    found = world.get(call.scope, "customer", call.path["customer"])
    for method in world.every(call.scope, "payment_method"):
        if method["customer"] == found["id"]:
            method |= {"customer": None, "_used": True}
    emit(world, call.scope, "customer.deleted", found)
    world.remove(call.scope, found["id"])
    return {"id": found["id"], "object": "customer", "deleted": True}


@route("GET", "/v1/customers")
def list_customers(world: World, call: Call) -> Json:
    """Also by e-mail address."""
    found = world.every(call.scope, "customer")
    if "email" in call.query:
        found = [it for it in found if it["email"] == call.query["email"]]
    return world.page(call, "customer", found)


@route("GET", "/v1/customers/{customer}/payment_methods")
def list_customer_methods(world: World, call: Call) -> Json:
    """The methods of one customer."""
    world.get(call.scope, "customer", call.path["customer"])
    return _methods(world, call, call.path["customer"])


@route("GET", "/v1/payment_methods")
def list_methods(world: World, call: Call) -> Json:
    """The methods of one customer."""
    return _methods(world, call, call.query.get("customer"))


@route("GET", "/v1/payment_methods/{payment_method}")
def retrieve_method(world: World, call: Call) -> Json:
    """One method."""
    found = world.get(call.scope, "payment_method", call.path["payment_method"])
    return world.present(call.scope, found, call.query.get("expand"))


@route("POST", "/v1/payment_methods/{payment_method}/attach")
def attach_method(world: World, call: Call) -> Json:
    """Makes a method the customer's."""
    found = method_for(world, call.scope, call.path["payment_method"])
    attach(world, call.scope, found, call.body["customer"])
    return world.present(call.scope, found)


@route("POST", "/v1/payment_methods/{payment_method}/detach")
def detach_method(world: World, call: Call) -> Json:
    """The method is nobody's and can't be used again."""
    found = world.get(call.scope, "payment_method", call.path["payment_method"])
    if found["customer"] is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    found |= {"customer": None, "_used": True}
    emit(world, call.scope, "payment_method.detached", found)
    return world.present(call.scope, found)


def _methods(world: World, call: Call, customer: str | None) -> Json:
    found = [it for it in world.every(call.scope, "payment_method") if customer and it["customer"] == customer]
    if "type" in call.query:
        found = [it for it in found if it["type"] == call.query["type"]]
    return world.page(call, "payment_method", found)


def _settle_default(world: World, call: Call, customer: Json) -> None:
    settings = call.body.get("invoice_settings") or {}
    if "default_payment_method" in settings:
        method = world.get(call.scope, "payment_method", settings["default_payment_method"])
        if method["customer"] != customer["id"]:
            raise invalid("The customer does not have a payment method with that ID.", code="resource_missing")
        customer["invoice_settings"]["default_payment_method"] = method["id"]
