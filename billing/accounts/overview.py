"""A practice's accounts as its owner sees them: state, checklist, what to do next. Never a secret."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from billing.accounts import words
from billing.accounts.following import deadline_of, is_rejected
from billing.accounts.models import AccountKind, AccountStatus, PaymentAccount
from billing.accounts.port import PAYPAL, STRIPE
from billing.accounts.repository import AccountRepository
from billing.accounts.service import is_usable
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.settings import Settings

PROVIDERS = (STRIPE, PAYPAL)


class NextStep(StrEnum):
    """What there is to do about a provider. ``wait``: the provider is at it; ``none``: all is well."""

    CONNECT = "connect"
    ONBOARDING = "onboarding"
    ENTER_CREDENTIALS = "enter_credentials"
    WAIT = "wait"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account. ``reason``: a sentence about what is wrong, or None. ``has_credentials``: secrets are kept."""

    id: UUID
    provider: str
    kind: AccountKind
    mode: str
    status: AccountStatus
    is_usable: bool
    account_ref: str | None
    charges_enabled: bool
    payouts_enabled: bool
    checklist: list[words.ChecklistItem]
    deadline: datetime | None
    reason: str | None
    problem: str | None
    has_credentials: bool
    has_webhook: bool
    next_step: NextStep
    checked_at: datetime | None
    connected_at: datetime | None
    disconnected_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A provider: the account that is connected or being connected, if any, and former ones with their payments.

    ``is_connect_offered``: the platform can have accounts made there.
    """

    provider: str
    name: str
    is_connect_offered: bool
    account: AccountView | None
    former: list[AccountView]
    next_step: NextStep


async def list_providers(session: TenantSession, settings: Settings, locale: str) -> list[ProviderView]:
    """Each provider, with what the practice has there."""
    rows = await AccountRepository(session).list_all()
    return [_provider(settings, name, [row for row in rows if row.provider == name], locale) for name in PROVIDERS]


async def get_account_view(session: TenantSession, settings: Settings, provider: str, locale: str) -> ProviderView:
    """One provider."""
    return next(one for one in await list_providers(session, settings, locale) if one.provider == provider)


async def has_account(session: TenantSession) -> bool:
    """Whether the practice has an account anywhere that is not disconnected."""
    return any(row.status != AccountStatus.DISCONNECTED for row in await AccountRepository(session).list_all())


def _provider(settings: Settings, name: str, rows: list[PaymentAccount], locale: str) -> ProviderView:
    views = [view_of(settings, row, locale) for row in rows]
    present = next((view for view in views if view.status is not AccountStatus.DISCONNECTED), None)
    return ProviderView(
        provider=name,
        name=words.PROVIDER_NAMES[name],
        is_connect_offered=name == STRIPE and settings.providers.stripe.is_set,
        account=present,
        former=[view for view in views if view.status is AccountStatus.DISCONNECTED and view.account_ref],
        next_step=present.next_step if present is not None else NextStep.CONNECT,
    )


def view_of(settings: Settings, row: PaymentAccount, locale: str) -> AccountView:
    """An account in words of ``locale``."""
    checklist = words.checklist_of(row, locale)
    reason = words.reason_of(row, locale)
    if reason is None and row.status != AccountStatus.DISCONNECTED and not settings.allows_mode(row.mode):
        reason = words.words_of_test_mode(locale)
    return AccountView(
        id=row.id,
        provider=row.provider,
        kind=AccountKind(row.kind),
        mode=row.mode,
        status=AccountStatus(row.status),
        is_usable=is_usable(settings, row),
        account_ref=row.account_ref,
        charges_enabled=row.charges_enabled,
        payouts_enabled=row.payouts_enabled,
        checklist=checklist,
        deadline=deadline_of(row),
        reason=reason,
        problem=row.problem,
        has_credentials=row.credentials is not None,
        has_webhook=row.kind == AccountKind.CONNECT or row.webhook_ref is not None,
        next_step=_next_step(row, checklist),
        checked_at=row.checked_at,
        connected_at=row.connected_at,
        disconnected_at=row.disconnected_at,
    )


def _next_step(row: PaymentAccount, checklist: list[words.ChecklistItem]) -> NextStep:
    if row.status == AccountStatus.DISCONNECTED:
        return NextStep.CONNECT
    if row.kind != AccountKind.CONNECT:
        if row.problem in ("credentials_refused", "credentials_lack_rights", "secrets_unreadable"):
            return NextStep.ENTER_CREDENTIALS
        return NextStep.NONE if row.charges_enabled else NextStep.WAIT
    if is_rejected(row):
        return NextStep.WAIT
    if row.account_ref is None or any(item.is_wanted for item in checklist):
        return NextStep.ONBOARDING
    if not row.charges_enabled and not row.requirements.get("details_submitted"):
        return NextStep.ONBOARDING
    return NextStep.NONE if row.status == AccountStatus.ACTIVE else NextStep.WAIT
