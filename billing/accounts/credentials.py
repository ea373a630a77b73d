"""Connecting by credentials that the practice enters: tried first, then sealed, and never shown again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from billing.accounts.authors import Author
from billing.accounts.claims import claim_account
from billing.accounts.connecting import FIRST_CHECK
from billing.accounts.errors import (
    AccountProviderUnavailableError,
    AnotherAccountConnectedError,
    CredentialsRefusedError,
)
from billing.accounts.events import PAYMENT_ACCOUNT_CHECK
from billing.accounts.following import check_account, problem_of
from billing.accounts.models import AccountKind, AccountStatus, PaymentAccount
from billing.accounts.reading import read_account
from billing.accounts.repository import AccountRepository
from billing.accounts.service import AccountAccess, seal_credentials
from billing.providers.port import NotAuthorisedError, OutcomeUnknownError, ProviderError
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.accounts")


@dataclass(frozen=True, slots=True)
class Entered:
    """Credentials as a practice entered them. ``secret_field``: the field that is blamed if they are refused."""

    provider: str
    kind: AccountKind
    mode: str
    secret_field: str
    credentials: Mapping[str, str] = field(repr=False)
    publishable_key: str | None = None


async def connect_by_credentials(runtime: Runtime, tenant: TenantContext, author: Author, entered: Entered) -> UUID:
    """Try the credentials, keep them sealed, and register for events; the account's id.

    For the account that is connected already they take the place of those that are there. Safe to repeat. If the
    provider falls silent after the trial the account stays ``pending``, and the queue goes on with it. Call it
    outside a transaction. Raises :class:`CredentialsRefusedError`, :class:`AccountTakenError`,
    :class:`AnotherAccountConnectedError`, :class:`AccountProviderUnavailableError`.
    """
    account_ref = await _try(runtime, entered)
    await _check_fits(runtime, tenant, entered, account_ref)
    await claim_account(runtime, tenant, entered.provider, account_ref, entered.mode)
    account_id = await _keep(runtime, tenant, author, entered, account_ref)
    try:
        await check_account(runtime, tenant, account_id)
    except ProviderError as error:
        _log.info("payment_account_unfinished", account_id=str(account_id), code=error.code)
    return account_id


async def _try(runtime: Runtime, entered: Entered) -> str:
    """Whose credentials they are, at the provider. Nothing is kept."""
    access = AccountAccess(
        id=new_id(),
        provider=entered.provider,
        kind=entered.kind,
        mode=entered.mode,
        status=AccountStatus.PENDING,
        account_ref=None,
        publishable_key=entered.publishable_key,
        webhook_ref=None,
        credentials=entered.credentials,
        webhook_secret=None,
    )
    try:
        return (await read_account(runtime.settings, access)).account_ref
    except NotAuthorisedError as error:
        raise CredentialsRefusedError(entered.secret_field, problem_of(error)) from error
    except OutcomeUnknownError as error:
        raise AccountProviderUnavailableError from error
    except ProviderError as error:
        _log.warning("credentials_not_tried", code=error.code)
        raise CredentialsRefusedError(entered.secret_field, "credentials_refused") from error


async def _check_fits(runtime: Runtime, tenant: TenantContext, entered: Entered, account_ref: str) -> None:
    async with runtime.database.tenant(tenant) as session:
        present = await AccountRepository(session).find_present(entered.provider)
    if present is not None and not _is_same(present, entered, account_ref):
        raise AnotherAccountConnectedError


async def _keep(runtime: Runtime, tenant: TenantContext, author: Author, entered: Entered, account_ref: str) -> UUID:
    sealed = seal_credentials(runtime.vault, tenant.key, entered.credentials)
    async with runtime.database.tenant(tenant) as session:
        accounts = AccountRepository(session)
        await accounts.lock_provider(entered.provider)
        account = await accounts.find_present(entered.provider, for_update=True)
        now = clock.now()
        if account is None:
            account = PaymentAccount(
                id=new_id(),
                provider=entered.provider,
                kind=entered.kind,
                mode=entered.mode,
                status=AccountStatus.PENDING,
                account_ref=account_ref,
                created_at=now,
                updated_at=now,
            )
            accounts.add(account)
            payload = {"account_id": str(account.id)}
            await publish(session, PAYMENT_ACCOUNT_CHECK, payload, run_at=now + FIRST_CHECK)
            action = "credentials_entered"
        elif not _is_same(account, entered, account_ref):
            raise AnotherAccountConnectedError
        else:
            action = "credentials_replaced"
            account.checked_at = now  # whatever was found out with the former ones counts no more
        account.credentials, account.publishable_key = sealed, entered.publishable_key
        account.updated_at = now
        author.record(session, action, account)
        return account.id


def _is_same(account: PaymentAccount, entered: Entered, account_ref: str) -> bool:
    """Whether they are for the account that is there: payments made through it must be readable with them."""
    return (account.kind, account.mode, account.account_ref) == (entered.kind, entered.mode, account_ref)
