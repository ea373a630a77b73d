"""Keeping up with a practice's account: what the provider says of it decides what clients are offered.

Of two looks at the same account the one that was begun later counts, in whatever order they arrive here.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from billing.accounts.ending import end_account, tell
from billing.accounts.errors import AccountNotUsableError, AccountProviderUnavailableError
from billing.accounts.events import PAYMENT_ACCOUNT_LEAVE, AccountNews
from billing.accounts.models import AccountKind, AccountStatus, PaymentAccount
from billing.accounts.port import STRIPE, AccountReading, WebhookRegistration
from billing.accounts.reading import MODE_MISMATCH, ensure_webhook, read_account
from billing.accounts.repository import AccountRepository
from billing.accounts.service import AccountAccess, is_usable, unseal
from billing.providers.port import (
    DeclinedError,
    NotAuthorisedError,
    ObjectNotFoundError,
    ProviderError,
    ProviderMisconfiguredError,
)
from tenants.settings.service import set_method_connected
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.encryption import Vault
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.accounts")

DEADLINE_NEARS: Final = timedelta(days=7)
"""So long before the provider's deadline the owners are told, once for each deadline."""
ACCESS_REVOKED: Final = frozenset({"account_invalid", "resource_missing"})
"""What Stripe says of an account that is not (or no longer) connected to the platform."""
LACKS_RIGHTS: Final = frozenset(
    {"PermissionError", "more_permissions_required", "more_permissions_required_for_application", "not_authorized"}
)
WEBHOOK_MISSING: Final = "webhook_missing"
"""The provider took no address of ours: payments are found out by asking, which is slower."""


async def on_account_event(runtime: Runtime, tenant: TenantContext, account_ref: str) -> None:
    """A webhook says that something about a connected account changed: look, and apply what is true now.

    Nothing for an account that is disconnected or unknown. Raises the port's errors; looking again is harmless.
    """
    async with runtime.database.tenant(tenant) as session:
        account = await AccountRepository(session).find_present_by_ref(STRIPE, account_ref)
    if account is not None:
        await check_account(runtime, tenant, account.id)


async def on_disconnected(session: TenantSession, account_ref: str, occurred_at: datetime | None) -> bool:
    """A signed event says that the practice took the platform's access back: that is enough, nothing can be asked.

    Answers whether a connection ended. One that was begun after the event stays: the event is late news of an earlier
    connection of the same account. Stripe's times are whole seconds; within the same second the event counts.
    """
    accounts = AccountRepository(session)
    await accounts.lock_provider(STRIPE)
    account = await accounts.find_present(STRIPE, for_update=True)
    if account is None or account.account_ref != account_ref or account.kind != AccountKind.CONNECT:
        return False
    if occurred_at is not None and occurred_at < account.created_at.replace(microsecond=0):
        _log.info("late_disconnection_ignored", account_id=str(account.id))
        return False
    await end_account(session, account, problem="deauthorized")
    return True


async def check_account(runtime: Runtime, tenant: TenantContext, account_id: UUID) -> None:
    """Look at the account at its provider and apply what is found; its registration for webhooks is put right, too.

    Credentials that don't work any more make it restricted, and a connected account that was given back ends; both
    are told to the owners. Nothing for one that is disconnected or not made yet. Safe to repeat. Raises
    :class:`~billing.providers.port.OutcomeUnknownError` and :class:`ProviderMisconfiguredError`.
    """
    read_at = clock.now()
    async with runtime.database.tenant(tenant) as session:
        account = await AccountRepository(session).find(account_id)
        if account is None or account.status == AccountStatus.DISCONNECTED or account.account_ref is None:
            return
        kind = account.kind
        try:
            access = unseal(runtime.vault, tenant.key, account)
        except AccountNotUsableError:
            access = None
    try:
        if access is None:
            raise NotAuthorisedError("secrets_unreadable")
        reading = await read_account(runtime.settings, access)
        registration, problem = None, None
        if kind != AccountKind.CONNECT:
            registration, problem = await _registered(runtime.settings, tenant, access)
    except NotAuthorisedError as error:
        await _note_refusal(runtime, tenant, account_id, error, read_at)
        return
    async with runtime.database.tenant(tenant) as session:
        account = await lock_account(session, account_id)
        if registration is not None:
            await _keep_registration(session, runtime.vault, account, registration)
        await apply_reading(session, runtime.settings, account, reading, problem=problem)


async def check_now(runtime: Runtime, tenant: TenantContext, provider: str) -> None:
    """The same because somebody asks. Raises :class:`NotFoundError` without a connected account,

    :class:`AccountProviderUnavailableError`.
    """
    async with runtime.database.tenant(tenant) as session:
        account = await AccountRepository(session).find_present(provider)
    if account is None:
        raise NotFoundError
    try:
        await check_account(runtime, tenant, account.id)
    except ProviderError as error:
        raise AccountProviderUnavailableError from error


async def lock_account(session: TenantSession, account_id: UUID) -> PaymentAccount:
    """The account, locked and read anew. Raises ``LookupError``: rows are never deleted."""
    accounts = AccountRepository(session)
    known = await accounts.find(account_id)
    if known is not None:
        await accounts.lock_provider(known.provider)
        known = await accounts.find(account_id, for_update=True)
    if known is None:
        raise LookupError(f"payment account {account_id}")
    return known


async def apply_reading(
    session: TenantSession,
    settings: Settings,
    account: PaymentAccount,
    reading: AccountReading,
    *,
    problem: str | None = None,
) -> None:
    """Have a locked account be as a look at the provider showed it, and tell who must know.

    A look that was begun before the one that was applied last says nothing any more, nor does one at an account that
    is disconnected.
    """
    if account.status == AccountStatus.DISCONNECTED:
        return
    if account.checked_at is not None and reading.read_at < account.checked_at:
        return
    before = _seen(settings, account)
    had_charges, old_status = account.charges_enabled, account.status
    account.charges_enabled, account.payouts_enabled = reading.charges_enabled, reading.payouts_enabled
    account.requirements = dict(reading.requirements)
    account.problem = problem or reading.problem
    account.checked_at = reading.read_at
    if reading.charges_enabled and account.connected_at is None:
        account.connected_at = clock.now()
    account.status = _status_of(account)
    account.updated_at = clock.now()
    await set_method_connected(session, account.provider, is_connected=is_usable(settings, account))
    news = _news(account, old_status, had_charges=had_charges)
    if news is not None or _seen(settings, account) != before:
        await tell(session, account, news or AccountNews.CHANGED)
    deadline = deadline_of(account)
    if deadline is not None and deadline - clock.now() < DEADLINE_NEARS and news is not AccountNews.RESTRICTED:
        await tell(session, account, AccountNews.DEADLINE, version=deadline.isoformat())


def deadline_of(account: PaymentAccount) -> datetime | None:
    """Until when the provider wants what is due now, if it says so and something is due."""
    required = account.requirements
    if not required.get("deadline") or not (required.get("currently_due") or required.get("past_due")):
        return None
    return datetime.fromisoformat(required["deadline"])


def is_rejected(account: PaymentAccount) -> bool:
    """Whether the provider does not want this customer: nothing that the practice fills in will change that."""
    return str(account.requirements.get("disabled_reason") or "").startswith("rejected.")


def _status_of(account: PaymentAccount) -> AccountStatus:
    required = account.requirements
    if account.charges_enabled:
        troubled = required.get("past_due") or required.get("disabled_reason") or not account.payouts_enabled
        return AccountStatus.RESTRICTED if troubled else AccountStatus.ACTIVE
    return (
        AccountStatus.PENDING if account.connected_at is None and not is_rejected(account) else AccountStatus.RESTRICTED
    )


def _news(account: PaymentAccount, old_status: str, *, had_charges: bool) -> AccountNews | None:
    """What of a change is worth a mail."""
    if account.status == AccountStatus.RESTRICTED:
        is_new = old_status != AccountStatus.RESTRICTED
        # The first look at an account that still lacks a bank account is no news: its owner is filling it in.
        worsened = (is_new and (old_status == AccountStatus.ACTIVE or not account.charges_enabled)) or (
            had_charges and not account.charges_enabled
        )
        return AccountNews.RESTRICTED if worsened else None
    if account.status == AccountStatus.ACTIVE and old_status != AccountStatus.ACTIVE:
        return AccountNews.CONNECTED
    return None


def _seen(settings: Settings, account: PaymentAccount) -> tuple[object, ...]:
    return (
        account.status,
        account.charges_enabled,
        account.payouts_enabled,
        account.requirements,
        account.problem,
        is_usable(settings, account),
    )


async def _registered(
    settings: Settings, tenant: TenantContext, access: AccountAccess
) -> tuple[WebhookRegistration | None, str | None]:
    """Our registration at the provider, or what to say of its lack. Raises :class:`OutcomeUnknownError`."""
    try:
        return await ensure_webhook(settings, access, webhook_url(settings, tenant, access.provider)), None
    except (NotAuthorisedError, ProviderMisconfiguredError, DeclinedError, ObjectNotFoundError) as error:
        # Credentials were just found to work: it is the address, or a right that a restricted key has not.
        _log.warning("webhook_not_registered", account_id=str(access.id), provider=access.provider, code=error.code)
        return None, WEBHOOK_MISSING


def webhook_url(settings: Settings, tenant: TenantContext, provider: str) -> str:
    """Where the provider is to call. It names the practice by its key, so no change of slug or domain touches it."""
    return settings.platform_url(f"/webhooks/{provider}/{tenant.key}")


async def _keep_registration(
    session: TenantSession, vault: Vault, account: PaymentAccount, registration: WebhookRegistration
) -> None:
    account.webhook_ref = registration.ref
    if registration.secret is not None:
        account.webhook_secret = vault.encrypt(registration.secret, tenant_key=session.tenant.key)
    if account.status == AccountStatus.DISCONNECTED:  # meanwhile: it must be taken away again
        await publish(session, PAYMENT_ACCOUNT_LEAVE, {"account_id": str(account.id)})


async def _note_refusal(
    runtime: Runtime, tenant: TenantContext, account_id: UUID, error: ProviderError, read_at: datetime
) -> None:
    """What follows when the provider does not know us any more. Raises :class:`ProviderMisconfiguredError`."""
    async with runtime.database.tenant(tenant) as session:
        account = await lock_account(session, account_id)
        is_late = account.checked_at is not None and read_at < account.checked_at
        if account.status == AccountStatus.DISCONNECTED or is_late:
            return
        if account.kind == AccountKind.CONNECT and error.code in ACCESS_REVOKED:
            await end_account(session, account, problem="access_revoked")
            return
        if account.kind != AccountKind.CONNECT or error.code == MODE_MISMATCH:
            await _restrict(session, account, problem_of(error), read_at)
            return
    # The platform's own key: no practice is to suffer for it.
    _log.error("platform_key_refused", code=error.code)
    raise ProviderMisconfiguredError(error.code)


def problem_of(error: ProviderError) -> str:
    """The short code of why credentials don't work."""
    if error.code in (MODE_MISMATCH, "secrets_unreadable"):
        return error.code
    return "credentials_lack_rights" if error.code in LACKS_RIGHTS else "credentials_refused"


async def _restrict(session: TenantSession, account: PaymentAccount, problem: str, read_at: datetime) -> None:
    is_news = account.charges_enabled or account.status != AccountStatus.RESTRICTED
    account.charges_enabled = False
    account.status, account.problem = AccountStatus.RESTRICTED, problem
    account.checked_at, account.updated_at = read_at, clock.now()
    await set_method_connected(session, account.provider, is_connected=False)
    if is_news:
        await tell(session, account, AccountNews.RESTRICTED)
