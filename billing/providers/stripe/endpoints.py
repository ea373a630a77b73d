"""What is at Stripe already: webhook endpoints for our address, and accounts whose making was never answered."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from billing.providers.stripe.client import own_api, platform_api
from todoenbalance.kit.settings import Settings

_PAGE = 100


@dataclass(frozen=True, slots=True)
class EndpointSeen:
    """A webhook endpoint as Stripe lists it; its secret is told to nobody again."""

    ref: str
    is_enabled: bool
    created_at: datetime


async def list_endpoints(settings: Settings, secret_key: str, url: str) -> list[EndpointSeen]:
    """Those of a practice's own account that call ``url``. Stripe allows no more than a page of them."""
    api = own_api(settings, secret_key)
    listed = await api.read(api.client.v1.webhook_endpoints.list, limit=_PAGE)
    return [
        EndpointSeen(one.id, one.status == "enabled", datetime.fromtimestamp(one.created, UTC))
        for one in listed.data
        if one.url == url
    ]


async def list_made_accounts(settings: Settings, tenant_key: str, since: datetime) -> list[str]:
    """The connected accounts that were made for a practice since then, the newest first.

    For an account whose making got no answer so long ago that Stripe has forgotten the key that it was made with.
    """
    api = platform_api(settings)
    listed = await api.read(api.client.v1.accounts.list, limit=_PAGE, created={"gte": int(since.timestamp())})
    return [one.id for one in listed.data if _practice_of(one.to_dict()) == tenant_key]


def _practice_of(account: dict[str, Any]) -> str | None:
    found: str | None = (account.get("metadata") or {}).get("practice")
    return found
