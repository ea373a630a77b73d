"""Which account of the practice's a payment goes through, and its secrets for the one who calls the provider."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from billing.accounts.errors import AccountNotUsableError
from billing.accounts.models import AccountKind, AccountStatus, PaymentAccount
from billing.accounts.repository import AccountRepository
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.encryption import DecryptionError, Vault
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.accounts")

TAKES_PAYMENTS = (AccountStatus.ACTIVE, AccountStatus.RESTRICTED)


@dataclass(frozen=True, slots=True)
class AccountAccess:
    """An account with its secrets unsealed, for the adapter that calls the provider. Never stored, never logged.

    ``credentials`` are the provider's own names of them: ``{"secret_key": …}`` (Stripe, own keys),
    ``{"client_id": …, "client_secret": …}`` (PayPal), empty for a connected account.
    """

    id: UUID
    provider: str
    kind: AccountKind
    mode: str
    status: AccountStatus
    account_ref: str | None
    publishable_key: str | None
    webhook_ref: str | None
    credentials: Mapping[str, str] = field(repr=False)
    webhook_secret: str | None = field(repr=False)


def is_usable(settings: Settings, account: PaymentAccount) -> bool:
    """Whether clients can pay through it now: it takes payments, and money of its mode counts here."""
    return account.status in TAKES_PAYMENTS and account.charges_enabled and settings.allows_mode(account.mode)


async def find_connected(session: TenantSession, account_id: UUID) -> PaymentAccount | None:
    """The account, unless there is none or it is disconnected."""
    account = await AccountRepository(session).find(account_id)
    return account if account is not None and account.status != AccountStatus.DISCONNECTED else None


async def get_usable_account(session: TenantSession, settings: Settings, provider: str) -> PaymentAccount:
    """The account that takes payments at a provider now. Raises :class:`AccountNotUsableError`."""
    account = await AccountRepository(session).find_present(provider)
    if account is None or not is_usable(settings, account):
        raise AccountNotUsableError(method=provider)
    return account


async def load_access(
    runtime: Runtime, tenant: TenantContext, provider: str, account_id: UUID | None = None
) -> AccountAccess:
    """An account ready for use, in a transaction of its own: by id, else the provider's present one.

    A disconnected one is answered too: what was paid through it can be asked for as long as the provider lets us.
    Raises :class:`AccountNotUsableError` if there is none or its secrets can't be read.
    """
    async with runtime.database.tenant(tenant) as session:
        accounts = AccountRepository(session)
        account = await (accounts.find(account_id) if account_id else accounts.find_present(provider))
        if account is None or account.provider != provider:
            raise AccountNotUsableError(method=provider)
        return unseal(runtime.vault, tenant.key, account)


def unseal(vault: Vault, tenant_key: str, account: PaymentAccount) -> AccountAccess:
    """The account with its secrets in the clear. Raises :class:`AccountNotUsableError` if they can't be read."""
    try:
        credentials = (
            json.loads(vault.decrypt(account.credentials, tenant_key=tenant_key)) if account.credentials else {}
        )
        secret = vault.decrypt(account.webhook_secret, tenant_key=tenant_key) if account.webhook_secret else None
    except DecryptionError as error:
        _log.error("payment_account_unreadable", account_id=str(account.id), practice=tenant_key)
        raise AccountNotUsableError(method=account.provider) from error
    return AccountAccess(
        id=account.id,
        provider=account.provider,
        kind=AccountKind(account.kind),
        mode=account.mode,
        status=AccountStatus(account.status),
        account_ref=account.account_ref,
        publishable_key=account.publishable_key,
        webhook_ref=account.webhook_ref,
        credentials=credentials,
        webhook_secret=secret,
    )


def seal_credentials(vault: Vault, tenant_key: str, credentials: Mapping[str, str]) -> str:
    """Secrets as :class:`PaymentAccount` keeps them."""
    return vault.encrypt(json.dumps(dict(credentials), sort_keys=True), tenant_key=tenant_key)
