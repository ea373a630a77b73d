"""What the local Stripe holds: accounts, the objects of each in each mode, keys, events."""

import copy
import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.contract.documents import CheckedRequest, Document
from tests.support.providers.deliveries import Deliveries
from tests.support.providers.stripe.errors import StripeError, invalid, missing, no_access
from tests.support.providers.stripe.shapes import Json, Shapes

PLATFORM: Final = "acct_platform"
APPLICATION: Final = "ca_platform"
HIDDEN: Final = "_"
"""Fields that begin so are ours: nobody is answered them."""
LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose objects, and in which mode."""

    account: str
    livemode: bool

    @property
    def is_platform(self) -> bool:
        """Whether this is the platform itself."""
        return self.account == PLATFORM


@dataclass(slots=True)
class Key:
    """A secret key."""

    account: str
    livemode: bool


@dataclass(slots=True)
class Call:
    """One request, as handlers see it."""

    scope: Scope
    key: Key
    path: dict[str, str]
    query: Json
    body: Json
    request_id: str
    idempotency_key: str | None

    @property
    def is_on_behalf(self) -> bool:
        """Whether the platform calls for a connected account, with ``Stripe-Account``."""
        return self.key.account != self.scope.account


Handler = Callable[["World", Call], Json]
ROUTES: dict[tuple[str, str], Handler] = {}
"""Handlers by method and path template of the contract."""


def route(method: str, template: str) -> Callable[[Handler], Handler]:
    """Registers what carries out an operation."""

    def register(handler: Handler) -> Handler:
        ROUTES[method, template] = handler
        return handler

    return register


@dataclass
class World:
    """The state; every function of the object families works on it, under the server's lock."""

    contract: Document
    base_url: Callable[[], str]
    fail: Callable[[str, tuple[str, ...]], None]
    now: Callable[[], int] = lambda: int(time.time())
    keys: dict[str, Key] = field(default_factory=dict)
    deauthorized: set[str] = field(default_factory=set)
    endpoints: list[Json] = field(default_factory=list)
    """Webhook endpoints: ``url``, ``secret``, ``enabled_events``, ``_connect`` and ``_scope``."""
    deliveries: Deliveries = field(default_factory=Deliveries)
    next_refunds: list[Json] = field(default_factory=list)
    """What becomes of the next refunds: fields of theirs; empty is success."""
    objects: dict[Scope, dict[str, Json]] = field(default_factory=dict)
    shapes: Shapes = field(init=False)

    def __post_init__(self) -> None:
        self.shapes = Shapes(self.contract)
        self._count = itertools.count(1)

    # --- objects

    def new_id(self, prefix: str) -> str:
        """An id in Stripe's form; later ones sort behind."""
        return f"{prefix}_{next(self._count):06d}{secrets.token_hex(9)}"

    def add(self, scope: Scope, kind: str, prefix: str, **fields: Any) -> Json:
        """A new object of this account, with what all of them have."""
        common: Json = {"id": self.new_id(prefix)}
        known = self.contract.component(kind)["properties"]
        if "created" in known:
            common["created"] = self.now()
        if "livemode" in known:
            common["livemode"] = scope.livemode
        made = self.shapes.make(kind, **(common | fields))
        self.store(scope, made)
        return made

    def store(self, scope: Scope, thing: Json) -> None:
        """Puts an object into an account."""
        self.objects.setdefault(scope, {})[thing["id"]] = thing

    def remove(self, scope: Scope, object_id: str) -> None:
        """Takes an object out of an account."""
        del self.objects[scope][object_id]

    def get(self, scope: Scope, kind: str, object_id: str) -> Json:
        """Raises resource_missing, in another account or mode too."""
        found = self.objects.get(scope, {}).get(object_id)
        if found is None or found["object"] != kind:
            raise missing(kind.replace(".", " "), object_id)
        return found

    def find(self, scope: Scope, object_id: str) -> Json | None:
        """Whatever has this id in this account."""
        return self.objects.get(scope, {}).get(object_id)

    def every(self, scope: Scope, kind: str) -> list[Json]:
        """The account's objects of a kind, the newest first as Stripe lists them."""
        return [it for it in reversed(self.objects.get(scope, {}).values()) if it["object"] == kind]

    def whose(self, object_id: str) -> Scope:
        """The account and mode that an object lives in, for control methods. Raises LookupError."""
        for scope, held in self.objects.items():
            if object_id in held:
                return scope
        raise LookupError(f"there is no {object_id}")

    # --- who calls

    def scope_of(self, key_text: str, account: str | None) -> tuple[Key, Scope]:
        """Raises 401 for an unknown key and 403 for an account that the key can't reach."""
        key = self.keys.get(key_text)
        if key is None:
            raise StripeError(401, f"Invalid API Key provided: {key_text[:8]}****")
        if not account or account == key.account:
            return key, Scope(key.account, key.livemode)
        scope = Scope(account, key.livemode)
        connected = self.find(Scope(PLATFORM, key.livemode), account)
        is_ours = connected is not None and connected["object"] == "account" and not connected.get("_own_keys")
        if key.account != PLATFORM or not is_ours or account in self.deauthorized:
            raise no_access(key_text, account)
        return key, scope

    # --- answers

    def present(self, scope: Scope, thing: Json, expand: list[str] | None = None) -> Json:
        """What is answered of an object, with the named fields expanded."""
        shown = visible(thing)
        for path in expand or []:
            self._expand(scope, thing, shown, path.split("."), path)
        return shown

    def page(self, call: Call, kind: str, found: list[Json]) -> Json:
        """A page of a list: ``limit``, ``starting_after``, ``ending_before``, ``created``."""
        query = call.query
        found = [it for it in found if _created_within(it, query.get("created"))]
        if "starting_after" in query:
            found = found[_place(found, query["starting_after"], kind) + 1 :]
        if "ending_before" in query:
            found = found[: _place(found, query["ending_before"], kind)]
        limit = query.get("limit", 10)
        if not 1 <= limit <= LARGEST_PAGE:
            raise invalid("Limit must be between 1 and 100.", param="limit")
        inner = [it.removeprefix("data.") for it in query.get("expand", [])]
        data = [self.present(call.scope, it, inner) for it in found[:limit]]
        url = f"/v1/{kind.replace('.', '/')}s"
        return {"object": "list", "url": url, "has_more": len(found) > limit, "data": data}

    def _expand(self, scope: Scope, thing: Json, shown: Json, path: list[str], whole: str) -> None:
        name, rest = path[0], path[1:]
        if HIDDEN + name in thing:
            shown[name] = visible(thing[HIDDEN + name])
            return
        if not self.shapes.is_expandable(thing["object"], name):
            inner = shown.get(name)
            if not rest or not isinstance(inner, dict | None):
                raise invalid(f"This property cannot be expanded ({whole}).", param="expand")
            return
        target = thing.get(name)
        if isinstance(target, str):
            behind = self.find(scope, target) or self.find(Scope(PLATFORM, scope.livemode), target)
            if behind is None:
                return
            if isinstance(shown[name], str):
                shown[name] = visible(behind)
            if rest:
                self._expand(scope, behind, shown[name], rest, whole)


def visible(thing: Json) -> Json:
    """A copy without what is ours."""
    shown: Json = _visible(thing)
    return shown


def _visible(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {name: _visible(value) for name, value in thing.items() if not name.startswith(HIDDEN)}
    if isinstance(thing, list):
        return [_visible(it) for it in thing]
    return copy.copy(thing)


def call_of(world: World, checked: CheckedRequest, headers: dict[str, str]) -> Call:
    """The request as handlers see it, with the key and the account found."""
    key, scope = world.scope_of(bearer(headers), headers.get("stripe-account"))
    body = checked.body if isinstance(checked.body, dict) else {}
    request_id = world.new_id("req")
    return Call(scope, key, dict(checked.path), checked.query, body, request_id, headers.get("idempotency-key"))


def bearer(headers: dict[str, str]) -> str:
    """The secret key of a request; empty for none."""
    return headers.get("authorization", "").removeprefix("Bearer ").strip()


def metadata_of(body: Json) -> Json:
    """Metadata as it was sent, never null."""
    sent = body.get("metadata")
    return dict(sent) if isinstance(sent, dict) else {}


def merge_metadata(thing: Json, body: Json) -> None:
    """An update adds names; an empty text takes one away, or all of them."""
    if "metadata" not in body:
        return
    if not isinstance(body["metadata"], dict):
        thing["metadata"] = {}
        return
    for name, value in body["metadata"].items():
        if value == "":
            thing["metadata"].pop(name, None)
        else:
            thing["metadata"][name] = value


def _place(found: list[Json], object_id: str, kind: str) -> int:
    for index, it in enumerate(found):
        if it["id"] == object_id:
            return index
    raise missing(kind, object_id)


def _created_within(thing: Json, wanted: Any) -> bool:
    if wanted is None:
        return True
    created: int = thing["created"]
    if isinstance(wanted, int):
        return created == wanted
    tests: Iterator[bool] = iter(
        (
            created > wanted.get("gt", created - 1),
            created >= wanted.get("gte", created),
            created < wanted.get("lt", created + 1),
            created <= wanted.get("lte", created),
        )
    )
    return all(tests)
