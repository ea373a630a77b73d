"""Practices that take payments through accounts of their own at the tests' local providers."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from billing.accounts.models import AccountKind, AccountStatus, PaymentAccount, ProviderAccount
from billing.accounts.service import seal_credentials
from billing.providers.paypal.events import EVENT_TYPES
from tenants.settings.service import set_method_connected
from tests.support.providers.deliveries import DeliveryMode
from tests.support.providers.paypal_server import PayPalServer
from tests.support.providers.stripe_server import PLATFORM_TEST_KEY, StripeServer
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import PaymentMode, PayPalSettings, StripeSettings
from todoenbalance.kit.tenancy import TenantContext

CONNECT_SECRET = "whsec_connect"
PUBLISHABLE = "pk_test_platform"


def stripe_runtime(runtime: Runtime, server: StripeServer, **changes: Any) -> Runtime:
    """The same process with the platform's account at the local Stripe."""
    stripe = StripeSettings(
        secret_key=SecretStr(PLATFORM_TEST_KEY),
        publishable_key=PUBLISHABLE,
        webhook_secret=SecretStr(CONNECT_SECRET),
        api_base=server.url,
    ).model_copy(update=changes)
    providers = runtime.settings.providers.model_copy(update={"stripe": stripe})
    return replace(runtime, settings=runtime.settings.model_copy(update={"providers": providers}))


def paypal_runtime(runtime: Runtime, server: PayPalServer) -> Runtime:
    """The process's tools, with the local PayPal in PayPal's place. It judges signatures itself."""
    paypal = PayPalSettings(api_base=server.url, asks_about_signatures=False)
    providers = runtime.settings.providers.model_copy(update={"paypal": paypal})
    return replace(runtime, settings=runtime.settings.model_copy(update={"providers": providers}))


async def add_account(
    runtime: Runtime,
    practice: TenantContext,
    provider: str,
    kind: AccountKind,
    account_ref: str,
    credentials: Mapping[str, str] | None = None,
    **fields: Any,
) -> PaymentAccount:
    """An account that takes payments, as connecting it would have left it."""
    now = clock.now()
    values: dict[str, Any] = {
        "id": new_id(),
        "provider": provider,
        "kind": kind,
        "mode": PaymentMode.TEST,
        "status": AccountStatus.ACTIVE,
        "account_ref": account_ref,
        "credentials": seal_credentials(runtime.vault, practice.key, credentials) if credentials else None,
        "charges_enabled": True,
        "payouts_enabled": True,
        "requirements": {},
        "connected_at": now,
        "created_at": now,
        "updated_at": now,
    } | fields
    account = PaymentAccount(**values)
    async with runtime.database.tenant(practice) as session:
        session.add(account)
        await set_method_connected(session, provider, is_connected=True)
    return account


async def connect_stripe(runtime: Runtime, practice: TenantContext, server: StripeServer) -> PaymentAccount:
    """A connected account of the practice's at the local Stripe, which the switchboard knows."""
    account_ref = server.add_account()
    async with runtime.database.platform() as session:
        session.add(
            ProviderAccount(
                provider="stripe",
                account_ref=account_ref,
                tenant_key=practice.key,
                mode=PaymentMode.TEST,
                created_at=clock.now(),
            )
        )
    return await add_account(runtime, practice, "stripe", AccountKind.CONNECT, account_ref)


async def bring_own_stripe(runtime: Runtime, practice: TenantContext, server: StripeServer) -> PaymentAccount:
    """The practice's own Stripe account with its own keys."""
    account_ref, key = server.add_own_account()
    secret = f"whsec_{secrets.token_hex(8)}"
    return await add_account(
        runtime,
        practice,
        "stripe",
        AccountKind.OWN_KEYS,
        account_ref,
        {"secret_key": key},
        publishable_key="pk_test_own",
        webhook_ref="we_own",
        webhook_secret=runtime.vault.encrypt(secret, tenant_key=practice.key),
    )


async def connect_paypal(
    runtime: Runtime, practice: TenantContext, server: PayPalServer, client_id: str
) -> PaymentAccount:
    """The practice's app at the local PayPal, with a webhook of its own, whose events a test carries itself."""
    secret = server.add_app(client_id).secret
    server.deliveries.mode = DeliveryMode.HELD
    webhook_ref = server.add_webhook(client_id, f"http://localhost/webhooks/paypal/{practice.key}", EVENT_TYPES)
    credentials = {"client_id": client_id, "client_secret": secret}
    return await add_account(
        runtime, practice, "paypal", AccountKind.CREDENTIALS, client_id, credentials, webhook_ref=webhook_ref
    )
