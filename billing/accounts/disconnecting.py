"""Ending a connection: certain here and at once, at the provider as soon as nothing is open any more.

Three things follow from the queue, in this order. What clients could still pay through the account is made unpayable,
because money that we can't see is worse than none. Then our access or our registration is taken back at the provider.
The secrets stay sealed as long as a refund, a dispute or a late look may need them, then they are forgotten; the
practice may have that done at once (:func:`forget_credentials`).
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from billing.accounts.authors import Author
from billing.accounts.claims import release_account
from billing.accounts.ending import end_account
from billing.accounts.errors import AccountNotUsableError, AccountStillNeededError
from billing.accounts.events import PAYMENT_ACCOUNT_LEAVE
from billing.accounts.following import lock_account
from billing.accounts.models import AccountKind, AccountStatus, PaymentAccount
from billing.accounts.reading import delete_webhook
from billing.accounts.repository import AccountRepository
from billing.accounts.service import AccountAccess, unseal
from billing.payments.abandoning import abandon_payment
from billing.payments.errors import MethodNotOfferedError
from billing.payments.through_account import is_anything_open, last_refundable_at, list_open_payments
from billing.providers.port import OutcomeUnknownError, ProviderError
from billing.providers.stripe import connect
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.accounts")

PATIENCE: Final = timedelta(days=1)
"""So long orders may stay open at the provider (Stripe's last a day at most); then access is taken back regardless."""
UNDER_WAY: Final = timedelta(minutes=1)
"""A checkout that found the account connected a moment ago has written its order down by then."""
LOOK_AGAIN: Final = timedelta(minutes=5)
REFUNDABLE: Final = timedelta(days=180)
"""So long after a payment its refund is to be possible (PayPal allows no longer)."""


async def disconnect(session: TenantSession, author: Author, provider: str) -> PaymentAccount:
    """End the provider's connection; the rest follows from the queue. Raises :class:`NotFoundError` without one."""
    accounts = AccountRepository(session)
    await accounts.lock_provider(provider)
    account = await accounts.find_present(provider, for_update=True)
    if account is None:
        raise NotFoundError
    await end_account(session, account)
    author.record(session, "disconnected", account)
    payload = {"account_id": str(account.id)}
    await publish(session, PAYMENT_ACCOUNT_LEAVE, payload, run_at=clock.now() + UNDER_WAY)
    return account


async def leave(runtime: Runtime, tenant: TenantContext, account_id: UUID) -> timedelta | None:
    """Do what there is to do now about a disconnected account; in how long to come again, None when all is done.

    Safe to repeat. Raises :class:`OutcomeUnknownError` while the provider is silent.
    """
    async with runtime.database.tenant(tenant) as session:
        account = await AccountRepository(session).find(account_id)
        if account is None or account.status != AccountStatus.DISCONNECTED:
            return None
        open_ids = await list_open_payments(session, account_id)
        left_since = clock.now() - (account.disconnected_at or account.updated_at)
    if open_ids and left_since < PATIENCE:
        await _abandon(runtime, tenant, open_ids)
        async with runtime.database.tenant(tenant) as session:
            if await list_open_payments(session, account_id):
                return LOOK_AGAIN
    await _take_back(runtime, tenant, account_id)
    return await _forget_in_time(runtime, tenant, account_id)


async def forget_credentials(runtime: Runtime, tenant: TenantContext, author: Author, provider: str) -> None:
    """Forget the secrets of disconnected accounts now: nothing paid through them can be refunded from here.

    The accounts may be another practice's then. Call it outside a transaction. Raises :class:`NotFoundError` if there
    are none, :class:`AccountStillNeededError` while one is connected or money is on its way through one.
    """
    async with runtime.database.tenant(tenant) as session:
        accounts = AccountRepository(session)
        await accounts.lock_provider(provider)
        if await accounts.find_present(provider) is not None:
            raise AccountStillNeededError
        former = [one for one in await accounts.list_former(provider) if one.credentials is not None]
        if not former:
            raise NotFoundError
        ids = [one.id for one in former]
        for account_id in ids:
            if await is_anything_open(session, account_id):
                raise AccountStillNeededError
    for account_id in ids:  # our address there goes first: without the secrets nobody can take it away
        try:
            await _take_back(runtime, tenant, account_id)
        except OutcomeUnknownError as error:
            _log.warning("webhook_left_behind", account_id=str(account_id), code=error.code)
    async with runtime.database.tenant(tenant) as session:
        for account_id in ids:
            account = await lock_account(session, account_id)
            _forget(account)
            author.record(session, "forgotten", account)
        refs = {one.account_ref for one in former if one.account_ref}
    for account_ref in refs:
        await release_account(runtime, tenant, provider, account_ref)


async def _abandon(runtime: Runtime, tenant: TenantContext, payment_ids: list[UUID]) -> None:
    """Have nobody pay through it any more; one that was paid first is settled as ever."""
    for payment_id in payment_ids:
        try:
            await abandon_payment(runtime, tenant, payment_id)
        except OutcomeUnknownError:
            raise
        except (ProviderError, MethodNotOfferedError) as error:
            _log.warning("payment_not_abandoned", payment_id=str(payment_id), reason=error.code)


async def _take_back(runtime: Runtime, tenant: TenantContext, account_id: UUID) -> None:
    """Our access, or our registration, there; best effort but for silence (:class:`OutcomeUnknownError`)."""
    async with runtime.database.tenant(tenant) as session:
        accounts = AccountRepository(session)
        account = await accounts.find(account_id)
        if account is None or account.account_ref is None:
            return
        if await accounts.find_present_by_ref(account.provider, account.account_ref) is not None:
            return  # connected again meanwhile: it would be taken from the new connection
        if account.kind != AccountKind.CONNECT and account.webhook_ref is None:
            return
        try:
            access = unseal(runtime.vault, tenant.key, account)
        except AccountNotUsableError:
            return
    try:
        await _ask_back(runtime, access)
    except OutcomeUnknownError:
        raise
    except ProviderError as error:
        _log.warning("access_not_taken_back", account_id=str(account_id), code=error.code)
    if access.kind is not AccountKind.CONNECT:
        async with runtime.database.tenant(tenant) as session:
            account = await lock_account(session, account_id)
            if account.webhook_ref == access.webhook_ref:
                account.webhook_ref = account.webhook_secret = None


async def _ask_back(runtime: Runtime, access: AccountAccess) -> None:
    settings = runtime.settings
    if access.kind is not AccountKind.CONNECT:
        await delete_webhook(settings, access)
    elif settings.providers.stripe.client_id and settings.providers.stripe.mode == access.mode:
        await connect.deauthorise(
            settings,
            str(access.account_ref),
            client_id=settings.providers.stripe.client_id,
            key=f"leave:{access.id}",
        )


async def _forget_in_time(runtime: Runtime, tenant: TenantContext, account_id: UUID) -> timedelta | None:
    """Forget the secrets if nothing needs them; else how long to keep them."""
    async with runtime.database.tenant(tenant) as session:
        account = await lock_account(session, account_id)
        if account.kind == AccountKind.CONNECT or account.credentials is None:
            return None
        if await is_anything_open(session, account_id):
            return timedelta(days=1)
        paid_at = await last_refundable_at(session, account_id)
        if paid_at is not None and paid_at + REFUNDABLE > clock.now():
            return paid_at + REFUNDABLE - clock.now()
        _forget(account)
    return None


def _forget(account: PaymentAccount) -> None:
    account.credentials = account.webhook_secret = account.webhook_ref = None
    account.updated_at = clock.now()
