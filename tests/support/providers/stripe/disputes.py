"""Disputes: opened by the client's bank, answered by us, closed by the bank."""

from tests.support.providers.stripe.charges import add_transaction
from tests.support.providers.stripe.errors import invalid
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import Call, Scope, World, merge_metadata, route

DISPUTE_FEE = 2000
ANSWER_WITHIN_SECONDS = 14 * 86_400


def open_dispute(
    world: World, scope: Scope, charge: Json, *, amount: int | None, reason: str, due_by: int | None, inquiry: bool
) -> Json:
    """The bank takes the money back for now, unless it only inquires."""
    dispute = world.add(
        scope,
        "dispute",
        "du",
        amount=charge["amount_captured"] - charge["amount_refunded"] if amount is None else amount,
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        is_charge_refundable=inquiry,
        reason=reason,
        status="warning_needs_response" if inquiry else "needs_response",
    )
    dispute["evidence_details"]["due_by"] = world.now() + ANSWER_WITHIN_SECONDS if due_by is None else due_by
    charge["disputed"] = True
    emit(world, scope, "charge.dispute.created", dispute)
    if not inquiry:
        fee = [
            {
                "amount": DISPUTE_FEE,
                "application": None,
                "currency": charge["currency"],
                "description": "Dispute fee",
                "type": "stripe_fee",
            }
        ]
        taken = add_transaction(world, scope, "adjustment", dispute, -dispute["amount"], fee)
        dispute["balance_transactions"].append(taken)
        emit(world, scope, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def update_state(world: World, scope: Scope, dispute: Json, status: str) -> None:
    """The bank's answer short of an end, e.g. ``under_review``."""
    before, dispute["status"] = dispute["status"], status
    emit(world, scope, "charge.dispute.updated", dispute, {"status": before})


def close(world: World, scope: Scope, dispute: Json, *, won: bool) -> None:
    """The bank decides. An inquiry that is won is just closed."""
    inquiry = dispute["status"].startswith("warning")
    dispute["status"] = ("warning_closed" if inquiry else "won") if won else "lost"
    if won and not inquiry:
        charge = world.get(scope, "charge", dispute["charge"])
        charge["disputed"] = True
        dispute["balance_transactions"].append(add_transaction(world, scope, "adjustment", dispute, dispute["amount"]))
    emit(world, scope, "charge.dispute.closed", dispute)
    if won and not inquiry:
        emit(world, scope, "charge.dispute.funds_reinstated", dispute)


@route("GET", "/v1/disputes/{dispute}")
def retrieve_dispute(world: World, call: Call) -> Json:
    """One dispute."""
    return world.present(call.scope, world.get(call.scope, "dispute", call.path["dispute"]), call.query.get("expand"))


@route("GET", "/v1/disputes")
def list_disputes(world: World, call: Call) -> Json:
    """Also of one charge or intent."""
    query, found = call.query, world.every(call.scope, "dispute")
    for name in ("charge", "payment_intent"):
        if name in query:
            found = [it for it in found if it[name] == query[name]]
    return world.page(call, "dispute", found)


@route("POST", "/v1/disputes/{dispute}")
def update_dispute(world: World, call: Call) -> Json:
    """Evidence; with ``submit`` it goes to the bank, once."""
    dispute, body = world.get(call.scope, "dispute", call.path["dispute"]), call.body
    if dispute["status"] not in {"needs_response", "warning_needs_response"}:
        raise invalid("This dispute is closed or already answered.")
    if isinstance(body.get("evidence"), dict):
        dispute["evidence"] |= body["evidence"]
        dispute["evidence_details"]["has_evidence"] = True
    merge_metadata(dispute, body)
    if body.get("submit", "evidence" in body):
        dispute["evidence_details"]["submission_count"] += 1
        review = "warning_under_review" if dispute["status"].startswith("warning") else "under_review"
        update_state(world, call.scope, dispute, review)
    return world.present(call.scope, dispute, body.get("expand"))
