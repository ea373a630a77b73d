"""Following what a provider says of a practice's account."""

from datetime import datetime

from billing.accounts.models import AccountStatus
from billing.accounts.repository import AccountRepository
from tenants.settings.service import set_method_connected
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.accounts")


async def on_account_event(runtime: Runtime, tenant: TenantContext, account_ref: str) -> None:
    """Read the account again and follow what it says."""
    _log.info("payment_account_changed", practice=tenant.key, account_ref=account_ref)


async def on_disconnected(session: TenantSession, account_ref: str, occurred_at: datetime) -> None:
    """The practice took our access away, at Stripe; nothing about a connection that was made later."""
    account = await AccountRepository(session).find_by_ref("stripe", account_ref)
    if account is None or account.status == AccountStatus.DISCONNECTED:
        return
    if account.connected_at is not None and account.connected_at > occurred_at:
        return
    account.status, account.disconnected_at = AccountStatus.DISCONNECTED, clock.now()
    account.charges_enabled = account.payouts_enabled = False
    account.updated_at = clock.now()
    await set_method_connected(session, "stripe", is_connected=False)
