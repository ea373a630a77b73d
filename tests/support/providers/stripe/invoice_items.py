"""Invoice items: amounts that wait for a subscription's next invoice."""

from tests.support.providers.stripe.errors import invalid
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.subscriptions import ENDED
from tests.support.providers.stripe.world import Call, World, metadata_of, route


@route("POST", "/v1/invoiceitems")
def create_invoice_item(world: World, call: Call) -> Json:
    """In the currency of the subscription that it is for, or refused."""
    body = call.body
    if not body.get("customer"):
        raise invalid("You must provide customer.", code="parameter_missing", param="customer")
    customer = world.get(call.scope, "customer", body["customer"])
    if "subscription" in body:
        subscription = world.get(call.scope, "subscription", body["subscription"])
        if subscription["status"] in ENDED:
            raise invalid("You cannot add an invoice item to a canceled subscription.")
        if subscription["currency"] != body["currency"]:
            raise invalid("The currency of the invoice item must match that of the subscription.", param="currency")
    made = world.add(
        call.scope,
        "invoiceitem",
        "ii",
        amount=body["amount"],
        currency=body["currency"],
        customer=customer["id"],
        date=world.now(),
        description=body.get("description"),
        metadata=metadata_of(body),
        quantity=1,
        quantity_decimal="1",
        period={"start": world.now(), "end": world.now()},
        _waits_for=body.get("subscription"),
    )
    return world.present(call.scope, made)
