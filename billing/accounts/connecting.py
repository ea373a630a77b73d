"""Stripe Connect: the practice gets an account by way of the platform and fills it in on Stripe's pages.

Each step leaves a state that the next visit goes on from: the row is committed before Stripe is asked, its id makes
the key under which the account is made once, the account is written down before its owner is sent there, and the
status is whatever Stripe answers when it is looked at, never what a return address claims.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from billing.accounts.authors import Author
from billing.accounts.claims import claim_account
from billing.accounts.ending import end_account
from billing.accounts.errors import (
    AccountProviderUnavailableError,
    AnotherAccountConnectedError,
    ConnectionEndedError,
    ConnectNotOfferedError,
)
from billing.accounts.events import PAYMENT_ACCOUNT_CHECK
from billing.accounts.following import ACCESS_REVOKED, apply_reading, lock_account
from billing.accounts.models import AccountKind, AccountStatus, PaymentAccount
from billing.accounts.port import STRIPE, AccountReading, OnboardingLink
from billing.accounts.reading import reading_of
from billing.accounts.repository import AccountRepository
from billing.providers.port import NotAuthorisedError, OutcomeUnknownError, ProviderError, ProviderMisconfiguredError
from billing.providers.stripe import connect, endpoints
from billing.providers.stripe.connect import AccountState
from tenants.accounts.services.staff_accounts import list_owners
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.accounts")

FIRST_CHECK: Final = timedelta(minutes=2)
"""The daily look begins so soon, for what an answer that was never recorded has left behind."""
KEY_LIFE: Final = timedelta(hours=20)
"""Stripe remembers what was made with a key for a day at least; after that it is looked up instead."""
KEY_REUSED: Final = frozenset({"IdempotencyError", "idempotency_error", "idempotency_key_in_use"})

RETURN_PATH: Final = "/admin/payment-accounts/stripe/return"
REFRESH_PATH: Final = "/admin/payment-accounts/stripe/refresh"


async def begin_connection(runtime: Runtime, tenant: TenantContext, author: Author, hostname: str) -> OnboardingLink:
    """Have Stripe make the practice an account, unless it has one, and answer where its owner fills it in.

    Safe to repeat, from two places at once too: one account comes of it. ``hostname``: the practice's host that its
    owner comes back to. Call it outside a transaction. Raises :class:`ConnectNotOfferedError`,
    :class:`AnotherAccountConnectedError`, :class:`ConnectionEndedError`, :class:`AccountProviderUnavailableError`.
    """
    if not runtime.settings.providers.stripe.is_set:
        raise ConnectNotOfferedError
    account_id, account_ref = await _note_intention(runtime, tenant, author)
    if account_ref is None:
        account_ref = await _make_account(runtime, tenant, account_id)
    return await _link(runtime, tenant, account_id, account_ref, hostname)


async def continue_connection(runtime: Runtime, tenant: TenantContext, author: Author, hostname: str) -> OnboardingLink:
    """A new link to the same account, where the last is used up. Raises :class:`NotFoundError` without a connection.

    Besides what :func:`begin_connection` raises.
    """
    async with runtime.database.tenant(tenant) as session:
        account = await AccountRepository(session).find_present(STRIPE)
        if account is None or account.kind != AccountKind.CONNECT:
            raise NotFoundError
    return await begin_connection(runtime, tenant, author, hostname)


async def _note_intention(runtime: Runtime, tenant: TenantContext, author: Author) -> tuple[UUID, str | None]:
    mode = runtime.settings.providers.stripe.mode
    async with runtime.database.tenant(tenant) as session:
        accounts = AccountRepository(session)
        await accounts.lock_provider(STRIPE)
        account = await accounts.find_present(STRIPE, for_update=True)
        if account is None:
            now = clock.now()
            account = PaymentAccount(
                id=new_id(),
                provider=STRIPE,
                kind=AccountKind.CONNECT,
                mode=mode,
                status=AccountStatus.PENDING,
                created_at=now,
                updated_at=now,
            )
            accounts.add(account)
            payload = {"account_id": str(account.id)}
            await publish(session, PAYMENT_ACCOUNT_CHECK, payload, run_at=now + FIRST_CHECK)
            author.record(session, "connection_begun", account)
        elif account.kind != AccountKind.CONNECT or account.mode != mode:
            raise AnotherAccountConnectedError
        return account.id, account.account_ref


async def _make_account(runtime: Runtime, tenant: TenantContext, account_id: UUID) -> str:
    """The account at Stripe, claimed and written down: a former one that it still lets us use, or a new one."""
    read_at = clock.now()
    try:
        state = await _former(runtime, tenant, account_id) or await _create(runtime, tenant, account_id)
    except OutcomeUnknownError as error:
        raise AccountProviderUnavailableError from error
    except ProviderError as error:
        _log.error("stripe_account_not_made", practice=tenant.key, code=error.code)
        await _give_up(runtime, tenant, account_id, error.code)
        raise AccountProviderUnavailableError from error
    await claim_account(runtime, tenant, STRIPE, state.account_ref, state.mode)
    reading = reading_of(state, read_at)
    return await _write_down(runtime, tenant, account_id, reading)


async def _former(runtime: Runtime, tenant: TenantContext, account_id: UUID) -> AccountState | None:
    """The account of an earlier connection, where Stripe still lets us at it."""
    async with runtime.database.tenant(tenant) as session:
        accounts = AccountRepository(session)
        account = await accounts.find(account_id)
        if account is None:
            return None
        former = [
            one.account_ref
            for one in await accounts.list_former(STRIPE)
            if one.kind == AccountKind.CONNECT and one.mode == account.mode and one.account_ref
        ]
    for account_ref in dict.fromkeys(former):
        try:
            return await connect.fetch_account(runtime.settings, account_ref)
        except NotAuthorisedError as error:
            if error.code not in ACCESS_REVOKED:
                raise
    return None


async def _create(runtime: Runtime, tenant: TenantContext, account_id: UUID) -> AccountState:
    settings = runtime.settings
    async with runtime.database.tenant(tenant) as session:
        accounts = AccountRepository(session)
        account = await accounts.find(account_id)
        if account is None:
            raise LookupError(f"payment account {account_id}")
        began = account.created_at
        known = {one.account_ref for one in await accounts.list_all()}
        practice = await get_practice_settings(session)
        owners = await list_owners(session)
    email = practice.contact_email or next((owner.email for owner in owners), None)

    async def made_before() -> AccountState | None:
        found = await endpoints.list_made_accounts(settings, tenant.key, began - timedelta(minutes=1))
        left = next((one for one in found if one not in known), None)
        return await connect.fetch_account(settings, left) if left is not None else None

    if clock.now() - began > KEY_LIFE and (found := await made_before()) is not None:
        return found
    try:
        return await connect.create_account(
            settings,
            tenant_key=tenant.key,
            country=tenant.country,
            email=email,
            website=settings.practice_url(tenant.slug) if settings.is_production else None,
            key=f"account:{account_id}",
        )
    except ProviderMisconfiguredError as error:
        # The same key in other words: the address changed between two tries, and the first one made the account.
        found = await made_before() if error.code in KEY_REUSED else None
        if found is None:
            raise
        return found


async def _write_down(runtime: Runtime, tenant: TenantContext, account_id: UUID, reading: AccountReading) -> str:
    async with runtime.database.tenant(tenant) as session:
        account = await lock_account(session, account_id)
        if account.account_ref is None:
            account.account_ref = reading.account_ref
        if account.status != AccountStatus.DISCONNECTED:
            await apply_reading(session, runtime.settings, account, reading)
            return account.account_ref
    raise ConnectionEndedError  # by a colleague, meanwhile; the account is kept for the next time


async def _give_up(runtime: Runtime, tenant: TenantContext, account_id: UUID, code: str) -> None:
    """A definite no: the next try is another row, with another key."""
    async with runtime.database.tenant(tenant) as session:
        account = await lock_account(session, account_id)
        if account.account_ref is None and account.status != AccountStatus.DISCONNECTED:
            await end_account(session, account, problem=code[:60])


async def _link(
    runtime: Runtime, tenant: TenantContext, account_id: UUID, account_ref: str, hostname: str
) -> OnboardingLink:
    settings = runtime.settings
    try:
        link = await connect.create_onboarding_link(
            settings,
            account_ref,
            refresh_url=settings.url_for_host(hostname, REFRESH_PATH),
            return_url=settings.url_for_host(hostname, RETURN_PATH),
            key=f"link:{account_id}:{new_id()}",
        )
    except NotAuthorisedError as error:
        if error.code not in ACCESS_REVOKED:
            raise AccountProviderUnavailableError from error
        async with runtime.database.tenant(tenant) as session:
            account = await lock_account(session, account_id)
            if account.status != AccountStatus.DISCONNECTED:
                await end_account(session, account, problem="access_revoked")
        raise ConnectionEndedError from error
    except ProviderError as error:
        _log.warning("stripe_link_not_made", account_id=str(account_id), code=error.code)
        raise AccountProviderUnavailableError from error
    return OnboardingLink(link.url, link.expires_at)
