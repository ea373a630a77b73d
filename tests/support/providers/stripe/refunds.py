"""Refunds of charges, whole and in part, with the platform's fee given back in proportion."""

from tests.support.providers.stripe.charges import add_transaction, give_fee_back
from tests.support.providers.stripe.errors import StripeError, invalid
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import PLATFORM, Call, Scope, World, metadata_of, route

PENDING_STATES = frozenset({"pending", "requires_action"})


@route("POST", "/v1/refunds")
def create_refund(world: World, call: Call) -> Json:
    """Of a charge or of an intent's latest one; without an amount all that is left."""
    body = call.body
    charge = _charge(world, call.scope, body)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if not charge["captured"]:
        raise invalid("This charge has not been captured.", code="charge_not_refundable", param="charge")
    if _is_disputed(world, call.scope, charge):
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = body.get("amount", left)
    if amount <= 0:
        raise invalid("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        raise invalid(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            code="amount_too_large",
            param="amount",
        )
    gives_fee_back = _checked_fee(call, charge)
    refund = _add(world, call, charge, amount, gives_fee_back=gives_fee_back)
    return world.present(call.scope, refund, body.get("expand"))


@route("GET", "/v1/refunds/{refund}")
def retrieve_refund(world: World, call: Call) -> Json:
    """One refund."""
    return world.present(call.scope, world.get(call.scope, "refund", call.path["refund"]), call.query.get("expand"))


@route("GET", "/v1/refunds")
def list_refunds(world: World, call: Call) -> Json:
    """Also of one charge or intent."""
    query, found = call.query, world.every(call.scope, "refund")
    for name in ("charge", "payment_intent"):
        if name in query:
            found = [it for it in found if it[name] == query[name]]
    return world.page(call, "refund", found)


def settle(world: World, scope: Scope, refund: Json, *, succeeds: bool, reason: str = "unknown") -> None:
    """A refund comes to its end. One that had succeeded may fail too: the money is the account's again."""
    if succeeds:
        refund |= {"status": "succeeded", "pending_reason": None}
        emit(world, scope, "refund.updated", refund, {"status": "pending"})
        return
    charge = world.get(scope, "charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    refund |= {"status": "failed", "failure_reason": reason, "pending_reason": None}
    back = add_transaction(world, scope, "payment_failure_refund", refund, refund["amount"])
    refund["failure_balance_transaction"] = back["id"]
    emit(world, scope, "refund.failed", refund)
    emit(world, scope, "refund.updated", refund, {"status": "succeeded"})


def refund_from_dashboard(world: World, scope: Scope, charge: Json, amount: int | None) -> Json:
    """Somebody at the practice refunds on Stripe's own site; the fee stays with the platform."""
    key = world.keys[next(iter(world.keys))]
    body: Json = {"charge": charge["id"]} | ({} if amount is None else {"amount": amount})
    return create_refund(world, Call(scope, key, {}, {}, body, world.new_id("req"), None))


def _add(world: World, call: Call, charge: Json, amount: int, *, gives_fee_back: bool) -> Json:
    scope = call.scope
    wanted = world.next_refunds.pop(0) if world.next_refunds else {}
    refund = world.add(
        scope,
        "refund",
        "re",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        metadata=metadata_of(call.body),
        reason=call.body.get("reason"),
        status="pending" if wanted.get("status") in PENDING_STATES else "succeeded",
    )
    refund["destination_details"] = {"type": charge["payment_method_details"]["type"]}
    refund |= {name: value for name, value in wanted.items() if name in {"status", "pending_reason"}}
    refund["balance_transaction"] = add_transaction(world, scope, "refund", refund, -amount)["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    emit(world, scope, "refund.created", refund)
    emit(world, scope, "charge.refunded", charge)
    if gives_fee_back:
        _give_fee_back(world, scope, charge)
    if wanted.get("status") == "failed":
        settle(world, scope, refund, succeeds=False, reason=wanted.get("failure_reason", "unknown"))
    return refund


def _give_fee_back(world: World, scope: Scope, charge: Json) -> None:
    """So much that the fee's part given back is the charge's part given back, over all refunds so far."""
    fee = world.get(Scope(PLATFORM, scope.livemode), "application_fee", charge["application_fee"])
    due = (fee["amount"] * charge["amount_refunded"] + charge["amount_captured"] // 2) // charge["amount_captured"]
    if due > fee["amount_refunded"]:
        give_fee_back(world, fee, due - fee["amount_refunded"])


def _checked_fee(call: Call, charge: Json) -> bool:
    if not call.body.get("refund_application_fee"):
        return False
    if not call.is_on_behalf:
        raise StripeError(403, "Only the application that made the charge may refund its fee.")
    if charge["application_fee"] is None:
        raise invalid(
            f"You cannot refund the application fee of charge {charge['id']}: it has none.",
            param="refund_application_fee",
        )
    return True


def _charge(world: World, scope: Scope, body: Json) -> Json:
    if ("charge" in body) == ("payment_intent" in body):
        raise invalid("One of the following params should be provided: payment_intent or charge.")
    if "charge" in body:
        return world.get(scope, "charge", body["charge"])
    intent = world.get(scope, "payment_intent", body["payment_intent"])
    if intent["status"] not in {"succeeded", "requires_capture"}:
        raise invalid(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
        )
    return world.get(scope, "charge", intent["latest_charge"])


def _is_disputed(world: World, scope: Scope, charge: Json) -> bool:
    """Open or lost; a won dispute and an inquiry leave the charge refundable."""
    states = [it["status"] for it in world.every(scope, "dispute") if it["charge"] == charge["id"]]
    return any(it in {"needs_response", "under_review", "lost"} for it in states)
