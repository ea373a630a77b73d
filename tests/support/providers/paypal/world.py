"""What the local PayPal holds: merchants' apps, their orders, captures, refunds, webhooks and events."""

import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.support.providers.deliveries import Deliveries
from tests.support.providers.paypal.errors import not_there
from tests.support.providers.paypal.signing import Signer

Json = dict[str, Any]
HIDDEN: Final = "_"
"""Fields that begin so are ours: nobody is answered them."""
TOKEN_SECONDS: Final = 32_400


@dataclass(slots=True)
class App:
    """A REST app of a merchant: what a practice's credentials open."""

    client_id: str
    secret: str
    things: dict[str, Json] = field(default_factory=dict)
    """Orders, captures, refunds and disputes by id."""
    webhooks: dict[str, Json] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    paid_invoice_ids: set[str] = field(default_factory=set)
    is_refused: bool = False
    """Every call is answered 401, tokens too: the merchant has withdrawn the app."""
    reads_disputes: bool = True
    """Whether the app was given the right to read disputes; without it 403."""
    next_captures: list[Json] = field(default_factory=list)
    next_refunds: list[Json] = field(default_factory=list)


@dataclass(slots=True)
class Call:
    """One request, as handlers see it."""

    app: App
    path: dict[str, str]
    query: Json
    body: Any
    raw: bytes
    wants_representation: bool
    request_id: str | None


@dataclass(slots=True)
class Reply:
    """What a handler answers."""

    status: int
    body: Any = None


Handler = Callable[["World", Call], Reply]
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

    base_url: Callable[[], str]
    check: Callable[[str, Json], None]
    """Holds an object of that kind against the contract; raises when it is off."""
    signer: Signer = field(default_factory=Signer)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    apps: dict[str, App] = field(default_factory=dict)
    tokens: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """Client id and end of each bearer token."""
    token_seconds: int = TOKEN_SECONDS
    https_only: bool = False
    """Whether webhooks are only made for https, as at PayPal."""
    deliveries: Deliveries = field(default_factory=Deliveries)

    def __post_init__(self) -> None:
        self._count = itertools.count(1)

    def new_id(self, prefix: str = "") -> str:
        """Seventeen capitals and digits, as PayPal's ids are; later ones sort behind within a prefix."""
        return f"{prefix}{next(self._count):06d}{secrets.token_hex(9).upper()}"[:17]

    def moment(self) -> str:
        """Now, as PayPal writes it."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def app(self, client_id: str) -> App:
        """The app, made when it is first named. Its secret is then ``secret of`` and the client id."""
        if client_id not in self.apps:
            self.apps[client_id] = App(client_id, f"secret-of-{client_id}")
        return self.apps[client_id]

    def get(self, app: App, kind: str, thing_id: str) -> Json:
        """Raises RESOURCE_NOT_FOUND, for another merchant's too."""
        found = app.things.get(thing_id)
        if found is None or found["_kind"] != kind:
            raise not_there()
        return found

    def whose(self, thing_id: str) -> App:
        """The app that a thing belongs to, for control methods. Raises LookupError."""
        for app in self.apps.values():
            if thing_id in app.things:
                return app
        raise LookupError(f"there is no {thing_id}")

    def link(self, path: str, rel: str, method: str = "GET") -> Json:
        """A link in an answer."""
        return {"href": f"{self.base_url()}{path}", "rel": rel, "method": method}


def visible(thing: Any) -> Any:
    """A copy without what is ours."""
    if isinstance(thing, dict):
        return {name: visible(value) for name, value in thing.items() if not name.startswith(HIDDEN)}
    return [visible(it) for it in thing] if isinstance(thing, list) else thing
