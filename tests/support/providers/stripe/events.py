"""Events: made when something happens, kept for reading, signed and sent to the endpoints that want them."""

import copy
import json
import time
from collections.abc import Mapping
from functools import partial

import stripe

from tests.support.providers.deliveries import Delivery
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import PLATFORM, Call, Scope, World, metadata_of, route, visible


def emit(world: World, scope: Scope, kind: str, thing: Json, previous: Json | None = None) -> Json:
    """Something happened to an object: the event is kept and goes to who wants it."""
    event = make_event(world, scope, kind, thing, previous)
    wanted = [it for it in world.endpoints if wants(world, it, scope, kind)]
    event["pending_webhooks"] = len(wanted)
    for endpoint in wanted:
        # A Connect endpoint is told whose event it is; an account's own endpoint hears of itself only.
        body = encoded(event, with_account=endpoint["_connect"])
        sign = partial(signature, secret=endpoint["secret"])
        world.deliveries.add(Delivery(endpoint["url"], body, sign, event["id"], kind))
    return event


def make_event(world: World, scope: Scope, kind: str, thing: Json, previous: Json | None = None) -> Json:
    """An event of an account, kept and checked against the contract, sent to nobody."""
    snapshot = visible(thing)
    data: Json = {"object": snapshot}
    if previous is not None:
        data["previous_attributes"] = copy.deepcopy(previous)
    event = world.add(
        scope,
        "event",
        "evt",
        type=kind,
        data=data,
        api_version=stripe.api_version,
        pending_webhooks=0,
        request={"id": None, "idempotency_key": None},
    )
    del event["account"], event["context"]
    if not scope.is_platform:
        event["_account"] = scope.account
    wrong = world.contract.check_object("event", visible(event))
    if world.contract.has_component(snapshot["object"]):
        wrong += world.contract.check_object(snapshot["object"], snapshot)
    if wrong:
        world.fail(f"event {kind}", wrong)
    return event


def encoded(event: Json, *, with_account: bool) -> bytes:
    """The exact bytes of a webhook."""
    shown = visible(event)
    if with_account and "_account" in event:
        shown["account"] = event["_account"]
    return json.dumps(shown, indent=2).encode()


def signature(body: bytes, secret: str, timestamp: int | None = None) -> Mapping[str, str]:
    """The headers of a webhook, as Stripe sends them."""
    moment = int(time.time()) if timestamp is None else timestamp
    value = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=moment)
    return {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": value,
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }


def wants(world: World, endpoint: Json, scope: Scope, kind: str) -> bool:
    """Whether an endpoint hears of this."""
    if endpoint["status"] != "enabled" or not {"*", kind} & set(endpoint["enabled_events"]):
        return False
    owner: Scope = endpoint["_scope"]
    if owner.livemode != scope.livemode:
        return False
    if endpoint["_connect"]:
        return owner.is_platform and not scope.is_platform and scope.account not in own_accounts(world)
    return owner == scope


def add_endpoint(
    world: World,
    scope: Scope,
    url: str,
    *,
    connect: bool,
    events: list[str],
    secret: str | None = None,
    **fields: object,
) -> Json:
    """An endpoint that gets events from now on."""
    made = world.add(scope, "webhook_endpoint", "we", url=url, enabled_events=events, status="enabled", **fields)
    made |= {
        "secret": secret or f"whsec_{world.new_id('s')}",
        "api_version": stripe.api_version,
        "_connect": connect,
        "_scope": scope,
    }
    world.endpoints.append(made)
    return made


def own_accounts(world: World) -> set[str]:
    """Accounts with keys of their own: they are none of the platform's."""
    return {it.account for it in world.keys.values() if it.account != PLATFORM}


@route("POST", "/v1/webhook_endpoints")
def create_endpoint(world: World, call: Call) -> Json:
    """The secret is shown this once."""
    body = call.body
    made = add_endpoint(
        world,
        call.scope,
        body["url"],
        connect=bool(body.get("connect", False)),
        events=body["enabled_events"],
        description=body.get("description"),
        metadata=metadata_of(body),
    )
    return visible(made) | {"secret": made["secret"]}


@route("GET", "/v1/webhook_endpoints")
def list_endpoints(world: World, call: Call) -> Json:
    """Without secrets."""
    page = world.page(call, "webhook_endpoint", world.every(call.scope, "webhook_endpoint"))
    for it in page["data"]:
        it["secret"] = None
    return page


@route("GET", "/v1/webhook_endpoints/{webhook_endpoint}")
def retrieve_endpoint(world: World, call: Call) -> Json:
    """Without its secret."""
    return visible(world.get(call.scope, "webhook_endpoint", call.path["webhook_endpoint"])) | {"secret": None}


@route("POST", "/v1/webhook_endpoints/{webhook_endpoint}")
def update_endpoint(world: World, call: Call) -> Json:
    """The address, the events, or on and off."""
    found = world.get(call.scope, "webhook_endpoint", call.path["webhook_endpoint"])
    for name in ("url", "enabled_events", "description"):
        if name in call.body:
            found[name] = call.body[name]
    if "disabled" in call.body:
        found["status"] = "disabled" if call.body["disabled"] else "enabled"
    return visible(found) | {"secret": None}


@route("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}")
def delete_endpoint(world: World, call: Call) -> Json:
    """It hears of nothing more."""
    found = world.get(call.scope, "webhook_endpoint", call.path["webhook_endpoint"])
    world.endpoints.remove(found)
    del world.objects[call.scope][found["id"]]
    return {"id": found["id"], "object": "webhook_endpoint", "deleted": True}


@route("GET", "/v1/events/{id}")
def retrieve_event(world: World, call: Call) -> Json:
    """One event, with what its delivery has come to."""
    return _shown(world, world.get(call.scope, "event", call.path["id"]))


@route("GET", "/v1/events")
def list_events(world: World, call: Call) -> Json:
    """Also by type, and by whether all endpoints have it."""
    query = call.query
    kinds = set(query.get("types", [])) | ({query["type"]} if "type" in query else set())
    found = [it for it in world.every(call.scope, "event") if not kinds or it["type"] in kinds]
    if "delivery_success" in query:
        found = [it for it in found if (world.deliveries.undelivered(it["id"]) == 0) is query["delivery_success"]]
    page = world.page(call, "event", found)
    page["data"] = [_shown(world, world.get(call.scope, "event", it["id"])) for it in page["data"]]
    return page


def _shown(world: World, event: Json) -> Json:
    shown: Json = visible(event)
    if "_account" in event:
        shown["account"] = event["_account"]
    return shown | {"pending_webhooks": world.deliveries.undelivered(event["id"])}
