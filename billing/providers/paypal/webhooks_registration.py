"""A practice's application at PayPal: whether its credentials work, and its registration of our webhook address."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.accounts.service import AccountAccess
from billing.providers.paypal.client import PayPalClient, in_thread
from billing.providers.paypal.events import EVENT_TYPES
from billing.providers.paypal.transport import make_transport
from billing.providers.port import DeclinedError, ObjectNotFoundError, ProviderError, ProviderMisconfiguredError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.settings import Settings

WEBHOOKS_PATH = "/v1/notifications/webhooks"
_DISPUTE_SCOPE = "https://uri.paypal.com/services/disputes/read"

_URL_TAKEN = "webhook_url_already_exists"


@dataclass(frozen=True, slots=True)
class Probe:
    """What credentials turned out to be good for.

    ``app_ref``: PayPal's name for the application, None if it says none. ``may_read_disputes``: disputes can be shown
    with their deadlines; without it they are seen only as far as webhooks and captures tell.
    """

    app_ref: str | None
    may_read_disputes: bool
    webhooks: int


async def probe(settings: Settings, access: AccountAccess) -> Probe:
    """Try credentials that may not be stored yet: a token, then a reading call. Changes nothing.

    ``access`` needs ``mode`` and ``credentials`` only. Raises ``NotAuthorisedError`` for wrong credentials (also those
    of the other mode), ``OutcomeUnknownError`` when PayPal gives no answer, ``ProviderMisconfiguredError``.
    """
    transport = make_transport(settings, access)
    client = PayPalClient(transport)
    try:
        registered = await _list_webhooks(client)
        token = await in_thread(transport.get_token_hash)  # the one that the call just used
    finally:
        transport.close()
    scopes = str(token.get("scope", "")).split()
    app_ref = token.get("app_id")
    return Probe(
        app_ref=app_ref if isinstance(app_ref, str) else None,
        may_read_disputes=any(scope.startswith(_DISPUTE_SCOPE) for scope in scopes),
        webhooks=len(registered),
    )


async def ensure_webhook(settings: Settings, access: AccountAccess, url: str) -> str:
    """Have PayPal call ``url`` for :data:`~billing.providers.paypal.events.EVENT_TYPES`; answers its id of that.

    What is registered already for the address, or by us before (``access.webhook_ref``), is put right instead of made
    again, so it is safe to repeat. Raises ``ProviderMisconfiguredError`` if PayPal does not take the address or has no
    room for another, and what :func:`probe` raises.
    """
    client = PayPalClient.of(settings, access)
    found = await _find_ours(client, access, url)
    if found is None:
        try:
            # A key that no later call shares: what was deleted since must not be answered from memory.
            made = await client.post(
                WEBHOOKS_PATH, {"url": url, "event_types": _wanted()}, key=f"webhook:{access.id}:{new_id()}"
            )
            return _id_of(made)
        except ProviderError as error:
            # Two of us at once, or one whose answer was lost: then it is there.
            found = await _find_ours(client, access, url) if error.code == _URL_TAKEN else None
            if found is None:
                raise _as_misconfigured(error) from None
    changes = _changes(found, url)
    if changes:
        try:
            key = f"webhook:{access.id}:{new_id()}"
            await client.patch(f"{WEBHOOKS_PATH}/{_id_of(found)}", changes, key=key)
        except ProviderError as error:
            raise _as_misconfigured(error) from None
    return _id_of(found)


async def delete_webhook(settings: Settings, access: AccountAccess, webhook_ref: str) -> None:
    """Have PayPal call us no more; nothing if it doesn't. Raises what :func:`probe` raises."""
    try:
        await PayPalClient.of(settings, access).delete(f"{WEBHOOKS_PATH}/{webhook_ref}")
    except ObjectNotFoundError:
        return


def _as_misconfigured(error: ProviderError) -> ProviderError:
    """A definite no to an address of ours is a matter for us, not for a customer."""
    return ProviderMisconfiguredError(error.code) if isinstance(error, DeclinedError) else error


async def _list_webhooks(client: PayPalClient) -> Sequence[dict[str, Any]]:
    listed = (await client.get(WEBHOOKS_PATH)).get("webhooks")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


async def _find_ours(client: PayPalClient, access: AccountAccess, url: str) -> dict[str, Any] | None:
    registered = await _list_webhooks(client)
    by_url = next((one for one in registered if one.get("url") == url), None)
    return by_url or next(
        (one for one in registered if access.webhook_ref and one.get("id") == access.webhook_ref), None
    )


def _wanted() -> list[dict[str, str]]:
    return [{"name": name} for name in EVENT_TYPES]


def _changes(found: dict[str, Any], url: str) -> list[dict[str, Any]]:
    """What of a registration is not as it should be, as a patch."""
    types = {one.get("name") for one in found.get("event_types") or () if isinstance(one, dict)}
    changes: list[dict[str, Any]] = []
    if found.get("url") != url:
        changes.append({"op": "replace", "path": "/url", "value": url})
    if "*" not in types and types != set(EVENT_TYPES):
        changes.append({"op": "replace", "path": "/event_types", "value": _wanted()})
    return changes


def _id_of(webhook: dict[str, Any]) -> str:
    value = webhook.get("id")
    if not isinstance(value, str) or not value:
        raise ProviderMisconfiguredError("webhook_without_id")
    return value
