"""Webhooks of an app: registered, told of events, verified on request."""

import json
from datetime import datetime
from functools import partial

from tests.support.providers.deliveries import Delivery
from tests.support.providers.paypal.errors import PayPalError
from tests.support.providers.paypal.world import App, Call, Json, Reply, World, route, visible

MOST_WEBHOOKS = 10
SIMULATED_ID = "WEBHOOK_ID"
"""What simulated events are signed with, literally."""
_KINDS = {"checkout-order": "order", "capture": "capture", "refund": "refund", "dispute": "dispute"}


def emit(world: World, app: App, kind: str, resource_type: str, thing: Json, summary: str = "") -> Json:
    """Something happened: the event is kept and goes to the app's webhooks that want it."""
    event = make_event(world, app, kind, resource_type, thing, summary)
    for webhook in app.webhooks.values():
        if {"*", kind} & {it["name"] for it in webhook["event_types"]}:
            sign = partial(_signed, world, webhook["id"], str(event["id"]))
            world.deliveries.add(Delivery(webhook["url"], encoded(event), sign, event["id"], kind))
    return event


def make_event(world: World, app: App, kind: str, resource_type: str, thing: Json, summary: str = "") -> Json:
    """An event of an app, kept and checked against the contract, sent to nobody."""
    resource = visible(thing)
    event: Json = {
        "id": f"WH-{world.new_id('E')}-{world.new_id('F')}",
        "event_version": "1.0",
        "create_time": world.moment(),
        "resource_type": resource_type,
        "event_type": kind,
        "summary": summary or kind.replace(".", " ").lower(),
        "resource": resource,
        "links": [],
    }
    if resource_type != "dispute":
        event["resource_version"] = "2.0"
    event["links"].append(world.link(f"/v1/notifications/webhooks-events/{event['id']}", "self"))
    if resource_type in _KINDS:
        world.check(_KINDS[resource_type], resource)
    world.check("event", event)
    app.events.append(event)
    return event


def encoded(event: Json) -> bytes:
    """The exact bytes of a webhook."""
    return json.dumps(event, separators=(",", ":")).encode()


def _signed(world: World, webhook_id: str, event_id: str, body: bytes) -> dict[str, str]:
    # A repetition carries the transmission id of the first try.
    transmission = f"t-{event_id.lower()}"[:50]
    return dict(world.signer.headers(body, webhook_id, world.base_url(), transmission_id=transmission))


@route("POST", "/v1/notifications/webhooks")
def create_webhook(world: World, call: Call) -> Reply:
    """At most ten of an app, each address once."""
    url = call.body["url"]
    _check_url(world, call.app, url)
    if len(call.app.webhooks) >= MOST_WEBHOOKS:
        raise _refused("WEBHOOK_NUMBER_LIMIT_EXCEEDED", "The number of webhooks is limited to 10.")
    made: Json = {"id": world.new_id("W"), "url": url, "event_types": _event_types(call.body["event_types"])}
    path = f"/v1/notifications/webhooks/{made['id']}"
    made["links"] = [
        world.link(path, "self"),
        world.link(path, "update", "PATCH"),
        world.link(path, "delete", "DELETE"),
    ]
    call.app.webhooks[made["id"]] = made
    return Reply(201, made)


@route("GET", "/v1/notifications/webhooks")
def list_webhooks(_world: World, call: Call) -> Reply:
    """All of the app."""
    return Reply(200, {"webhooks": list(call.app.webhooks.values())})


@route("GET", "/v1/notifications/webhooks/{webhook_id}")
def retrieve_webhook(_world: World, call: Call) -> Reply:
    """One of the app."""
    return Reply(200, _webhook(call))


@route("PATCH", "/v1/notifications/webhooks/{webhook_id}")
def update_webhook(world: World, call: Call) -> Reply:
    """Another address or other events."""
    webhook = _webhook(call)
    for patch in call.body:
        if patch["op"] != "replace" or patch["path"] not in {"/url", "/event_types"}:
            raise _refused("VALIDATION_ERROR", "Only /url and /event_types can be replaced.")
        if patch["path"] == "/url":
            if patch["value"] != webhook["url"]:
                _check_url(world, call.app, patch["value"])
            webhook["url"] = patch["value"]
        else:
            webhook["event_types"] = _event_types(patch["value"])
    return Reply(200, webhook)


@route("DELETE", "/v1/notifications/webhooks/{webhook_id}")
def delete_webhook(_world: World, call: Call) -> Reply:
    """It hears of nothing more."""
    del call.app.webhooks[_webhook(call)["id"]]
    return Reply(204)


@route("POST", "/v1/notifications/verify-webhook-signature")
def verify(world: World, call: Call) -> Reply:
    """By the bytes of ``webhook_event`` as they stand in the request: another order of names is another event."""
    asked = call.body
    is_ours = asked["webhook_id"] in call.app.webhooks
    is_signed = is_ours and world.signer.is_signed(
        raw_member(call.raw, "webhook_event"),
        asked["webhook_id"],
        asked["transmission_id"],
        asked["transmission_time"],
        asked["transmission_sig"],
    )
    return Reply(200, {"verification_status": "SUCCESS" if is_signed else "FAILURE"})


@route("GET", "/v1/notifications/webhooks-events")
def list_events(_world: World, call: Call) -> Reply:
    """By time and type, the newest first."""
    query = call.query
    found = [it for it in reversed(call.app.events) if query.get("event_type") in {None, it["event_type"]}]
    if "start_time" in query:
        found = [it for it in found if _time(it["create_time"]) >= _time(query["start_time"])]
    if "end_time" in query:
        found = [it for it in found if _time(it["create_time"]) <= _time(query["end_time"])]
    if "transaction_id" in query:
        found = [it for it in found if it["resource"].get("id") == query["transaction_id"]]
    found = found[: query.get("page_size", 10)]
    return Reply(200, {"events": found, "count": len(found), "links": []})


def raw_member(raw: bytes, name: str) -> bytes:
    """The bytes of one member of a JSON object, exactly as they were sent."""
    text = raw.decode()
    decoder, place = json.JSONDecoder(), text.index("{") + 1
    while True:
        key, place = decoder.raw_decode(text, _past(text, place, " \t\r\n,"))
        place = _past(text, place, " \t\r\n:")
        _, end = decoder.raw_decode(text, place)
        if key == name:
            return text[place:end].encode()
        place = end


def _past(text: str, place: int, blank: str) -> int:
    while text[place] in blank:
        place += 1
    return place


def _webhook(call: Call) -> Json:
    found = call.app.webhooks.get(call.path["webhook_id"])
    if found is None:
        raise PayPalError(404, "INVALID_RESOURCE_ID", name="INVALID_RESOURCE_ID", description="Resource id is invalid.")
    return found


def _check_url(world: World, app: App, url: str) -> None:
    if world.https_only and not url.startswith("https://"):
        raise _refused("VALIDATION_ERROR", "Not a valid webhook URL")
    if any(it["url"] == url for it in app.webhooks.values()):
        raise _refused("WEBHOOK_URL_ALREADY_EXISTS", "Webhook URL already exists")


def _refused(name: str, description: str) -> PayPalError:
    return PayPalError(400, name, name=name, description=description)


def _event_types(asked: list[Json]) -> list[Json]:
    return [{"name": it["name"], "description": it.get("description", it["name"])} for it in asked]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
