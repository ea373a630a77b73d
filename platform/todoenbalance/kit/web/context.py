"""What the edge found out about a request before any endpoint runs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from todoenbalance.kit.security.devices import UNKNOWN_DEVICE, Device
from todoenbalance.kit.tenancy import TenantContext

if TYPE_CHECKING:
    from starlette.types import Scope

SCOPE_KEY = "todoenbalance"
LOCALES = ("es", "en")


@dataclass(slots=True)
class RequestContext:
    """Request id, language, where it came from, and the practice whose host was asked (None on the platform's)."""

    request_id: str
    locale: str
    hostname: str
    device: Device = UNKNOWN_DEVICE
    tenant: TenantContext | None = None


def context_of(connection: HTTPConnection) -> RequestContext:
    """The context that the edge put into the scope."""
    context: RequestContext = connection.scope[SCOPE_KEY]
    return context


def find_context(scope: "Scope") -> RequestContext | None:
    """The same for places that may run before the edge did."""
    context: RequestContext | None = scope.get(SCOPE_KEY)
    return context


def negotiate_locale(header: str | None, default: str) -> str:
    """The best of our languages for an ``Accept-Language`` (RFC 9110, 12.5.4); ``default`` where none fits."""
    best, best_weight = default, 0.0
    for part in (header or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        language = tag.split("-")[0].lower()
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if language in LOCALES and weight > best_weight:
            best, best_weight = language, weight
    return best
