"""Disputes as the merchant's app may read them; how they open and end is among the payments."""

from tests.support.providers.paypal.errors import PayPalError, not_there
from tests.support.providers.paypal.world import Call, Json, Reply, World, route, visible

_IN_LIST = (
    "dispute_id", "create_time", "update_time", "reason", "status", "dispute_amount", "dispute_life_cycle_stage",
    "dispute_channel", "seller_response_due_date",
)  # fmt: skip
DEFAULT_PAGE = 10


@route("GET", "/v1/customer/disputes")
def list_disputes(_world: World, call: Call) -> Reply:
    """The newest first, also those about one capture. Without any there is no ``items``."""
    _check_right(call)
    found = [it for it in reversed(call.app.things.values()) if it["_kind"] == "dispute"]
    if "disputed_transaction_id" in call.query:
        found = [it for it in found if it["_capture"] == call.query["disputed_transaction_id"]]
    shown = [_short(it) for it in found[: call.query.get("page_size", DEFAULT_PAGE)]]
    return Reply(200, {"items": shown} if shown else {})


@route("GET", "/v1/customer/disputes/{id}")
def retrieve_dispute(_world: World, call: Call) -> Reply:
    """One dispute."""
    _check_right(call)
    found = call.app.things.get(call.path["id"])
    if found is None or found["_kind"] != "dispute":
        raise not_there()
    return Reply(200, visible(found))


def _check_right(call: Call) -> None:
    """Reading disputes is switched on for each app at PayPal."""
    if not call.app.reads_disputes:
        raise PayPalError(403)


def _short(dispute: Json) -> Json:
    return {name: dispute[name] for name in _IN_LIST if name in dispute}
