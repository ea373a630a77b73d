"""Products and prices, standing or made with a line item."""

from tests.support.providers.stripe.amounts import check_currency, check_precision
from tests.support.providers.stripe.errors import invalid
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import Call, Scope, World, merge_metadata, metadata_of, route


def add_product(world: World, scope: Scope, body: Json) -> Json:
    """A product of the account."""
    names = ("description", "images", "unit_label", "url", "statement_descriptor")
    kept = {name: body[name] for name in names if name in body}
    made = world.add(scope, "product", "prod", name=body["name"], active=body.get("active", True), **kept)
    made |= {"metadata": metadata_of(body), "type": "service", "updated": world.now()}
    return made


def add_price(world: World, scope: Scope, body: Json, *, active: bool = True) -> Json:
    """A price of a product, by the unit."""
    check_currency(body["currency"])
    amount = body.get("unit_amount")
    if amount is None and "unit_amount_decimal" in body:
        amount = int(float(body["unit_amount_decimal"]))
    if amount is None or amount < 0:
        raise invalid("A price needs unit_amount, a non-negative integer.", param="unit_amount")
    check_precision(amount, body["currency"], param="unit_amount")
    if "product_data" in body:
        product = add_product(world, scope, body["product_data"])
    elif "product" in body:
        product = world.get(scope, "product", body["product"])
    else:
        raise invalid("A price needs product or product_data.", code="parameter_missing", param="product")
    recurring = body.get("recurring")
    made = world.add(
        scope,
        "price",
        "price",
        active=active,
        currency=body["currency"].lower(),
        product=product["id"],
        type="recurring" if recurring else "one_time",
        unit_amount=amount,
        unit_amount_decimal=str(amount),
        lookup_key=body.get("lookup_key"),
        nickname=body.get("nickname"),
        metadata=metadata_of(body),
        tax_behavior=body.get("tax_behavior", "unspecified"),
    )
    if recurring:
        made["recurring"] = {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": None,
            "trial_period_days": recurring.get("trial_period_days"),
            "usage_type": recurring.get("usage_type", "licensed"),
        }
    return made


def price_of_item(world: World, scope: Scope, item: Json) -> Json:
    """The price a line item names, or the one it brings."""
    if ("price" in item) == ("price_data" in item):
        raise invalid("A line item has either price or price_data.", param="line_items")
    if "price" in item:
        price = world.get(scope, "price", item["price"])
        if not price["active"]:
            raise invalid("The price specified is inactive.", param="line_items")
        return price
    return add_price(world, scope, item["price_data"], active=False)


@route("POST", "/v1/products")
def create_product(world: World, call: Call) -> Json:
    """A product."""
    return world.present(call.scope, add_product(world, call.scope, call.body), call.body.get("expand"))


@route("GET", "/v1/products/{id}")
def retrieve_product(world: World, call: Call) -> Json:
    """One product."""
    return world.present(call.scope, world.get(call.scope, "product", call.path["id"]), call.query.get("expand"))


@route("POST", "/v1/products/{id}")
def update_product(world: World, call: Call) -> Json:
    """Its name, or whether it is sold."""
    found = world.get(call.scope, "product", call.path["id"])
    for name in ("name", "active", "description", "url"):
        if name in call.body:
            found[name] = call.body[name]
    merge_metadata(found, call.body)
    return world.present(call.scope, found)


@route("GET", "/v1/products")
def list_products(world: World, call: Call) -> Json:
    """Also only those that are sold."""
    found = world.every(call.scope, "product")
    if "active" in call.query:
        found = [it for it in found if it["active"] is call.query["active"]]
    return world.page(call, "product", found)


@route("POST", "/v1/prices")
def create_price(world: World, call: Call) -> Json:
    """A price; it is never changed afterwards."""
    return world.present(call.scope, add_price(world, call.scope, call.body), call.body.get("expand"))


@route("GET", "/v1/prices/{price}")
def retrieve_price(world: World, call: Call) -> Json:
    """One price."""
    return world.present(call.scope, world.get(call.scope, "price", call.path["price"]), call.query.get("expand"))


@route("GET", "/v1/prices")
def list_prices(world: World, call: Call) -> Json:
    """Also by product, currency or our own lookup keys."""
    query, found = call.query, world.every(call.scope, "price")
    for name in ("product", "currency", "active"):
        if name in query:
            found = [it for it in found if it[name] == query[name]]
    if "lookup_keys" in query:
        found = [it for it in found if it["lookup_key"] in query["lookup_keys"]]
    return world.page(call, "price", found)
