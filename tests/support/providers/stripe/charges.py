"""Charges, what is booked for them, and the platform's fee on them."""

from enum import StrEnum

from tests.support.providers.stripe.errors import invalid, missing
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import APPLICATION, PLATFORM, Call, Scope, World, merge_metadata, route

SETTLES_AFTER_SECONDS = 7 * 86_400


class Settlement(StrEnum):
    """How a charge ends."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    """A slow method: the money is on its way."""
    FAILED = "failed"
    AUTHORIZED = "authorized"
    """Held on the card until it is captured."""


def stripe_fee(amount: int) -> int:
    """What Stripe keeps: 1.5 % and 25 of the smallest unit, as for European cards."""
    return min(amount, (amount * 15 + 500) // 1000 + 25)


def add_charge(
    world: World,
    scope: Scope,
    intent: Json,
    method: Json,
    settlement: Settlement,
    decline_code: str = "generic_decline",
) -> Json:
    """A charge of an intent; a successful one is booked and the platform's fee is taken."""
    failed = settlement is Settlement.FAILED
    charge = world.add(
        scope,
        "charge",
        "ch" if method["type"] == "card" else "py",
        amount=intent["amount"],
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        metadata=dict(intent["metadata"]),
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details=method_details(method),
        application=intent["application"],
        application_fee_amount=intent["application_fee_amount"],
        receipt_email=intent["receipt_email"],
        status="failed" if failed else "pending" if settlement is Settlement.PENDING else "succeeded",
        paid=settlement in {Settlement.SUCCEEDED, Settlement.AUTHORIZED},
        failure_code="card_declined" if failed else None,
        failure_message="Your card was declined." if failed else None,
        outcome=_outcome(settlement, decline_code),
    )
    charge["billing_details"] = dict(method["billing_details"])
    intent["latest_charge"] = charge["id"]
    if settlement is Settlement.SUCCEEDED:
        book(world, scope, charge, charge["amount"])
        emit(world, scope, "charge.succeeded", charge)
    else:
        kind = {"failed": "charge.failed", "pending": "charge.pending"}.get(charge["status"], "charge.succeeded")
        emit(world, scope, kind, charge)
    return charge


def book(world: World, scope: Scope, charge: Json, amount: int) -> None:
    """The money is the account's: balance transaction, and the platform's fee if one was agreed."""
    fee = min(charge["application_fee_amount"] or 0, amount)
    if fee:
        platform = Scope(PLATFORM, scope.livemode)
        made = world.add(
            platform,
            "application_fee",
            "fee",
            account=scope.account,
            amount=fee,
            application=APPLICATION,
            charge=charge["id"],
            currency=charge["currency"],
            originating_transaction=charge["id"],
        )
        made["refunds"]["url"] = f"/v1/application_fees/{made['id']}/refunds"
        made["balance_transaction"] = add_transaction(world, platform, "application_fee", made, fee)["id"]
        charge["application_fee"] = made["id"]
    details = [{"amount": stripe_fee(amount), "application": None, "type": "stripe_fee", "description": "Stripe fee"}]
    if fee:
        details.append(
            {"amount": fee, "application": APPLICATION, "type": "application_fee", "description": "Application fee"}
        )
    for it in details:
        it["currency"] = charge["currency"]
    charge |= {"captured": True, "amount_captured": amount, "paid": True, "status": "succeeded"}
    charge["balance_transaction"] = add_transaction(world, scope, "charge", charge, amount, details)["id"]
    if fee:
        emit(world, Scope(PLATFORM, scope.livemode), "application_fee.created", made)


def add_transaction(
    world: World, scope: Scope, kind: str, source: Json, amount: int, fee_details: list[Json] | None = None
) -> Json:
    """A line of the account's balance; ``amount`` is signed."""
    fee = sum(it["amount"] for it in fee_details or [])
    return world.add(
        scope,
        "balance_transaction",
        "txn",
        amount=amount,
        currency=source["currency"],
        available_on=world.now() + SETTLES_AFTER_SECONDS,
        balance_type="payments",
        fee=fee,
        fee_details=fee_details or [],
        net=amount - fee,
        reporting_category=kind,
        source=source["id"],
        status="pending",
        type=kind,
    )


def method_details(method: Json) -> Json:
    """What a charge says about how it was paid."""
    if method["type"] != "card":
        return {"type": method["type"], method["type"]: {"last4": "3000", "country": "ES"}}
    card = method["card"]
    kept = {name: card[name] for name in ("brand", "last4", "exp_month", "exp_year", "country", "funding")}
    return {"type": "card", "card": kept | {"network": card["brand"], "fingerprint": card["fingerprint"]}}


def _outcome(settlement: Settlement, decline_code: str) -> Json:
    if settlement is Settlement.FAILED:
        return {
            "type": "issuer_declined",
            "network_status": "declined_by_network",
            "reason": decline_code,
            "seller_message": "The bank did not return any further details with this decline.",
        }
    return {"type": "authorized", "network_status": "approved_by_network", "seller_message": "Payment complete."}


@route("GET", "/v1/charges/{charge}")
def retrieve_charge(world: World, call: Call) -> Json:
    """One charge of the account."""
    return world.present(call.scope, world.get(call.scope, "charge", call.path["charge"]), call.query.get("expand"))


@route("GET", "/v1/charges")
def list_charges(world: World, call: Call) -> Json:
    """Also of one customer or one intent."""
    query, found = call.query, world.every(call.scope, "charge")
    for name in ("customer", "payment_intent"):
        if name in query:
            found = [it for it in found if it[name] == query[name]]
    return world.page(call, "charge", found)


@route("GET", "/v1/balance_transactions/{id}")
def retrieve_transaction(world: World, call: Call) -> Json:
    """One line of the balance."""
    found = world.get(call.scope, "balance_transaction", call.path["id"])
    return world.present(call.scope, found, call.query.get("expand"))


@route("GET", "/v1/balance_transactions")
def list_transactions(world: World, call: Call) -> Json:
    """Also by type or by source."""
    query, found = call.query, world.every(call.scope, "balance_transaction")
    for name in ("type", "source", "currency"):
        if name in query:
            found = [it for it in found if it[name] == query[name]]
    return world.page(call, "balance_transaction", found)


@route("GET", "/v1/balance")
def retrieve_balance(world: World, call: Call) -> Json:
    """What the account has, by currency."""
    sums: dict[str, int] = {}
    for it in world.every(call.scope, "balance_transaction"):
        sums[it["currency"]] = sums.get(it["currency"], 0) + it["net"]
    pending = [{"amount": amount, "currency": currency} for currency, amount in sums.items()]
    return world.shapes.make("balance", livemode=call.scope.livemode, pending=pending)


@route("GET", "/v1/payouts")
def list_payouts(world: World, call: Call) -> Json:
    """Payouts to the bank; the local Stripe makes none by itself."""
    return world.page(call, "payout", world.every(call.scope, "payout"))


@route("GET", "/v1/payouts/{payout}")
def retrieve_payout(world: World, call: Call) -> Json:
    """One payout."""
    return world.present(call.scope, world.get(call.scope, "payout", call.path["payout"]))


@route("GET", "/v1/application_fees/{id}")
def retrieve_fee(world: World, call: Call) -> Json:
    """The platform's: a connected account has none."""
    found = world.get(call.scope, "application_fee", call.path["id"])
    return world.present(call.scope, found, call.query.get("expand"))


@route("GET", "/v1/application_fees")
def list_fees(world: World, call: Call) -> Json:
    """Also of one charge."""
    found = world.every(call.scope, "application_fee")
    if "charge" in call.query:
        found = [it for it in found if it["charge"] == call.query["charge"]]
    return world.page(call, "application_fee", found)


@route("POST", "/v1/application_fees/{id}/refunds")
def refund_fee(world: World, call: Call) -> Json:
    """Gives the fee, or part of it, back to the account it was taken from."""
    fee = world.get(call.scope, "application_fee", call.path["id"])
    amount = call.body.get("amount", fee["amount"] - fee["amount_refunded"])
    made = give_fee_back(world, fee, amount)
    merge_metadata(made, call.body)
    return world.present(call.scope, made)


@route("GET", "/v1/application_fees/{id}/refunds")
def list_fee_refunds(world: World, call: Call) -> Json:
    """What was given back of one fee."""
    fee = world.get(call.scope, "application_fee", call.path["id"])
    return world.page(call, "fee_refund", list(fee["refunds"]["data"]))


@route("GET", "/v1/application_fees/{fee}/refunds/{id}")
def retrieve_fee_refund(world: World, call: Call) -> Json:
    """One of them."""
    fee = world.get(call.scope, "application_fee", call.path["fee"])
    for it in fee["refunds"]["data"]:
        if it["id"] == call.path["id"]:
            return world.present(call.scope, it)
    raise missing("fee_refund", call.path["id"])


def give_fee_back(world: World, fee: Json, amount: int) -> Json:
    """A refund of an application fee. Raises invalid_request_error beyond what is left of it."""
    left = fee["amount"] - fee["amount_refunded"]
    if not 0 < amount <= left:
        raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount on fee ({left})", param="amount")
    platform = world.whose(fee["id"])
    made = world.add(platform, "fee_refund", "fr", amount=amount, currency=fee["currency"], fee=fee["id"], metadata={})
    made["balance_transaction"] = add_transaction(world, platform, "application_fee_refund", made, -amount)["id"]
    fee["amount_refunded"] += amount
    fee["refunded"] = fee["amount_refunded"] == fee["amount"]
    fee["refunds"]["data"].insert(0, made)
    emit(world, platform, "application_fee.refunded", fee)
    return made
