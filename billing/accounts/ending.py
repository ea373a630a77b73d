"""The end of a connection on our side, and telling of changes; the smallest parts that all others use."""

from billing.accounts.events import PAYMENT_ACCOUNT_CHANGED, AccountNews
from billing.accounts.models import AccountStatus, PaymentAccount
from tenants.settings.service import set_method_connected
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish


async def end_account(session: TenantSession, account: PaymentAccount, *, problem: str | None = None) -> None:
    """Have a locked account be disconnected: offered to nobody from now on, kept for the payments made through it.

    ``problem``: why, where it was not the practice's staff who wanted it.
    """
    now = clock.now()
    account.status, account.charges_enabled, account.payouts_enabled = AccountStatus.DISCONNECTED, False, False
    account.problem = problem
    account.disconnected_at = account.updated_at = now
    await set_method_connected(session, account.provider, is_connected=False)
    await tell(session, account, AccountNews.DISCONNECTED)


async def tell(
    session: TenantSession, account: PaymentAccount, news: AccountNews, *, version: str | None = None
) -> None:
    """Publish ``payment_account.changed``. The same ``version`` is mailed once, however often it is told."""
    await publish(
        session,
        PAYMENT_ACCOUNT_CHANGED,
        {"account_id": str(account.id), "news": news, "version": version or str(new_id())},
    )
