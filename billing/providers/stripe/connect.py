"""A practice's account at Stripe: made and filled in by way of the platform, or its own with its own keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from stripe.params import AccountCreateParams, AccountLinkCreateParams

from billing.providers.port import NotAuthorisedError, ObjectNotFoundError, ProviderMisconfiguredError
from billing.providers.stripe.client import own_api, platform_api
from billing.providers.stripe.events import KNOWN_TYPES
from todoenbalance.kit.settings import PaymentMode, Settings

_LISTS = ("currently_due", "past_due", "eventually_due", "pending_verification")


@dataclass(frozen=True, slots=True)
class AccountState:
    """How an account stands at Stripe. ``requirements`` in the form that ``PaymentAccount`` keeps.

    ``deadline`` in it is an instant in ISO 8601, until when what is due must be there, or None.
    """

    account_ref: str
    mode: PaymentMode
    charges_enabled: bool
    payouts_enabled: bool
    details_submitted: bool
    country: str | None
    currency: str | None
    requirements: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OnboardingLink:
    """A page of Stripe's for the owner of the account, usable once and for a few minutes."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint on a practice's own account; Stripe shows its secret this once."""

    ref: str
    secret: str = field(repr=False)


async def create_account(
    settings: Settings, *, tenant_key: str, country: str, email: str | None, website: str | None, key: str
) -> AccountState:
    """A connected account: the practice pays Stripe's fees, bears its losses and has Stripe's whole dashboard.

    Idempotent by ``key``. Raises the port's errors.
    """
    api = platform_api(settings)
    params: AccountCreateParams = {
        "country": country,
        "controller": {
            "fees": {"payer": "account"},
            "losses": {"payments": "stripe"},
            "requirement_collection": "stripe",
            "stripe_dashboard": {"type": "full"},
        },
        "metadata": {"practice": tenant_key},
    }
    if email:
        params["email"] = email
    if website:
        params["business_profile"] = {"url": website}
    made = await api.write(api.client.v1.accounts.create, key=key, params=params)
    return _state(made.to_dict(), api.mode)


async def create_onboarding_link(
    settings: Settings, account_ref: str, *, refresh_url: str, return_url: str, key: str
) -> OnboardingLink:
    """The page where Stripe asks for what it needs. A new ``key`` makes a new one. Raises the port's errors.

    ``refresh_url``: where Stripe sends whoever comes with an old link. ``return_url``: afterwards, whatever was
    filled in; it proves nothing.
    """
    api = platform_api(settings)
    params: AccountLinkCreateParams = {
        "account": account_ref,
        "type": "account_onboarding",
        "refresh_url": refresh_url,
        "return_url": return_url,
        "collection_options": {"fields": "eventually_due"},
    }
    link = await api.write(api.client.v1.account_links.create, key=key, params=params)
    return OnboardingLink(link.url, datetime.fromtimestamp(link.expires_at, UTC))


async def fetch_account(settings: Settings, account_ref: str) -> AccountState:
    """How a connected account stands. Raises :class:`NotAuthorisedError` once its practice took access back."""
    api = platform_api(settings)
    try:
        found = await api.read(api.client.v1.accounts.retrieve, account_ref)
    except ObjectNotFoundError as error:
        raise NotAuthorisedError(error.code) from None
    return _state(found.to_dict(), api.mode)


async def fetch_own_account(settings: Settings, secret_key: str) -> AccountState:
    """Whose key it is and how that account stands; so a key is probed. Raises :class:`NotAuthorisedError`."""
    api = own_api(settings, secret_key)
    found = await api.read(api.client.v1.accounts.retrieve_current)
    return _state(found.to_dict(), api.mode)


async def deauthorise(settings: Settings, account_ref: str, *, client_id: str, key: str) -> None:
    """Give a connected account back to its practice. One that is gone already is no error."""
    api = platform_api(settings)
    params = {"client_id": client_id, "stripe_user_id": account_ref}
    try:
        await api.write(api.client.oauth.deauthorize, key=key, params=params)
    except (NotAuthorisedError, ProviderMisconfiguredError, ObjectNotFoundError) as error:
        if error.code != "invalid_client":
            raise


async def create_endpoint(settings: Settings, secret_key: str, url: str, *, key: str) -> Endpoint:
    """Have a practice's own account tell us its events. Idempotent by ``key``, secret included."""
    api = own_api(settings, secret_key)
    params = {"url": url, "enabled_events": sorted(KNOWN_TYPES), "description": "TODOenBALANCE"}
    made = await api.write(api.client.v1.webhook_endpoints.create, key=key, params=params)
    if not made.secret:
        raise ProviderMisconfiguredError("no_webhook_secret")
    return Endpoint(made.id, made.secret)


async def delete_endpoint(settings: Settings, secret_key: str, ref: str) -> None:
    """Let it tell us nothing more. One that is gone already is no error."""
    api = own_api(settings, secret_key)
    try:
        await api.delete(api.client.v1.webhook_endpoints.delete, ref)
    except ObjectNotFoundError:
        return


def _state(account: Mapping[str, Any], mode: PaymentMode) -> AccountState:
    required: Mapping[str, Any] = account.get("requirements") or {}
    deadline = required.get("current_deadline")
    return AccountState(
        account_ref=str(account["id"]),
        mode=mode,
        charges_enabled=bool(account.get("charges_enabled")),
        payouts_enabled=bool(account.get("payouts_enabled")),
        details_submitted=bool(account.get("details_submitted")),
        country=account.get("country"),
        currency=str(account["default_currency"]).upper() if account.get("default_currency") else None,
        requirements={
            **{name: list(required.get(name) or []) for name in _LISTS},
            "deadline": datetime.fromtimestamp(deadline, UTC).isoformat() if deadline else None,
            "disabled_reason": required.get("disabled_reason"),
        },
    )
