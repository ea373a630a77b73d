"""The mails about payment accounts: to the owners, who alone can do something about them."""

from pathlib import Path
from typing import Any
from uuid import UUID

from billing.accounts import words
from billing.accounts.events import AccountNews
from billing.accounts.following import deadline_of
from billing.accounts.models import AccountStatus, PaymentAccount
from billing.accounts.repository import AccountRepository
from notifications.formats import describe
from notifications.recipients import Recipient
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, announce, register_composer
from tenants.accounts.services.staff_accounts import list_owners
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

RESTRICTED = "payment_account_restricted"
DEADLINE = "payment_account_deadline"
DISCONNECTED = "payment_account_disconnected"
KINDS = {
    AccountNews.RESTRICTED: RESTRICTED,
    AccountNews.DEADLINE: DEADLINE,
    AccountNews.DISCONNECTED: DISCONNECTED,
}
PAGE_PATH = "/admin/payment-accounts"


async def _find(session: TenantSession, notice: Notice) -> PaymentAccount | None:
    return await AccountRepository(session).find(notice.subject_id)


def _composed(session: TenantSession, runtime: Runtime, notice: Notice, account: PaymentAccount) -> ComposedMail:
    deadline = deadline_of(account)
    locale = notice.reader.locale
    return ComposedMail(
        {
            "provider": words.PROVIDER_NAMES[account.provider],
            "takes_payments": account.charges_enabled,
            "reason": words.reason_of(account, locale),
            "wanted": [item.text for item in words.checklist_of(account, locale) if item.is_wanted],
            "deadline": describe(deadline, notice.reader.timezone, locale).day if deadline is not None else "",
            "page_url": runtime.settings.practice_url(session.tenant.slug, PAGE_PATH),
        }
    )


async def compose_restricted(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """The account takes no payments, or soon will not: why, and what is due."""
    account = await _find(session, notice)
    if account is None or account.status != AccountStatus.RESTRICTED:
        return None
    return _composed(session, runtime, notice, account)


async def compose_deadline(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """Something is due soon; no longer true once it has been handed in, or there is another deadline."""
    account = await _find(session, notice)
    deadline = deadline_of(account) if account is not None else None
    if account is None or deadline is None or deadline.isoformat() != notice.version:
        return None
    return _composed(session, runtime, notice, account) if account.status != AccountStatus.DISCONNECTED else None


async def compose_disconnected(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """The account is connected no more: also to the one who did it, who may not have been who it seems."""
    account = await _find(session, notice)
    if account is None or account.status != AccountStatus.DISCONNECTED:
        return None
    return _composed(session, runtime, notice, account)


def register_payment_account_mails() -> None:
    """Register composers and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(RESTRICTED, compose_restricted)
    register_composer(DEADLINE, compose_deadline)
    register_composer(DISCONNECTED, compose_disconnected)


async def on_payment_account_changed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``payment_account.changed``: tell the owners what they have to know."""
    kind = KINDS.get(AccountNews(payload["news"]))
    if kind is None:
        return
    async with context.runtime.database.tenant(context.tenant) as session:
        await announce(
            session,
            kind,
            subject_id=UUID(payload["account_id"]),
            version=str(payload["version"]),
            recipients=[Recipient.staff(owner.id) for owner in await list_owners(session)],
        )
