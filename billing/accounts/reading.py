"""Asking the providers about a practice's account there: the one place that knows which adapter answers for which."""

from datetime import datetime, timedelta
from typing import Final

from billing.accounts.models import AccountKind
from billing.accounts.port import AccountReading, WebhookRegistration
from billing.accounts.service import AccountAccess
from billing.providers.paypal import webhooks_registration as paypal
from billing.providers.port import NotAuthorisedError
from billing.providers.stripe import connect, endpoints
from billing.providers.stripe.connect import AccountState
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.settings import Settings

MODE_MISMATCH: Final = "mode_mismatch"
DUPLICATE_AGE: Final = timedelta(hours=1)
"""A second registration of our address is taken away once it is so old: a younger one may be another request's."""


async def read_account(settings: Settings, access: AccountAccess) -> AccountReading:
    """How the account stands. Only reads.

    Raises :class:`NotAuthorisedError` where the credentials don't work or access was taken back (or, with the code
    :data:`MODE_MISMATCH`, where the platform's key now works in the other mode), and the port's other errors.
    """
    read_at = clock.now()
    if access.kind is AccountKind.CREDENTIALS:
        await paypal.probe(settings, access)
        return AccountReading(access.credentials["client_id"], read_at, charges_enabled=True, payouts_enabled=True)
    if access.kind is AccountKind.OWN_KEYS:
        return reading_of(await connect.fetch_own_account(settings, access.credentials["secret_key"]), read_at)
    if settings.providers.stripe.mode != access.mode:
        raise NotAuthorisedError(MODE_MISMATCH)
    return reading_of(await connect.fetch_account(settings, str(access.account_ref)), read_at)


def reading_of(state: AccountState, read_at: datetime) -> AccountReading:
    """Stripe's answer in our words."""
    return AccountReading(
        account_ref=state.account_ref,
        read_at=read_at,
        charges_enabled=state.charges_enabled,
        payouts_enabled=state.payouts_enabled,
        requirements={**state.requirements, "details_submitted": state.details_submitted},
    )


async def ensure_webhook(settings: Settings, access: AccountAccess, url: str) -> WebhookRegistration:
    """Have the practice's own account at the provider tell us its events; what is there already stays. Safe to repeat.

    A registration of ours whose secret we don't know (its answer was lost) is replaced. Raises the port's errors.
    """
    if access.kind is AccountKind.CREDENTIALS:
        return WebhookRegistration(await paypal.ensure_webhook(settings, access, url))
    key = access.credentials["secret_key"]
    found = await endpoints.list_endpoints(settings, key, url)
    ours = next((one for one in found if one.ref == access.webhook_ref and one.is_enabled), None)
    if ours is not None and access.webhook_secret:
        for other in found:
            if other.ref != ours.ref and clock.now() - other.created_at > DUPLICATE_AGE:
                await connect.delete_endpoint(settings, key, other.ref)
        return WebhookRegistration(ours.ref)
    # A key that no later call shares: what was deleted since must not be answered from memory.
    made = await connect.create_endpoint(settings, key, url, key=f"webhook:{access.id}:{new_id()}")
    return WebhookRegistration(made.ref, made.secret)


async def delete_webhook(settings: Settings, access: AccountAccess) -> None:
    """Have it tell us nothing more; nothing if it doesn't. Raises the port's errors."""
    if access.webhook_ref is None:
        return
    if access.kind is AccountKind.CREDENTIALS:
        await paypal.delete_webhook(settings, access, access.webhook_ref)
    else:
        await connect.delete_endpoint(settings, access.credentials["secret_key"], access.webhook_ref)
