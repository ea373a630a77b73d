"""Which practice an account at a provider belongs to: said once for the whole platform, first come, first served."""

from billing.accounts.errors import AccountTakenError
from billing.accounts.repository import ClaimRepository
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def claim_account(runtime: Runtime, tenant: TenantContext, provider: str, account_ref: str, mode: str) -> None:
    """Have the account be the practice's, in a transaction of its own. Safe to repeat.

    Raises :class:`AccountTakenError` if it is or was another practice's: events of its payments lead there.
    """
    async with runtime.database.platform() as session:
        owner = await ClaimRepository(session).insert_once(provider, account_ref, tenant.key, mode, clock.now())
    if owner != tenant.key:
        raise AccountTakenError


async def release_account(runtime: Runtime, tenant: TenantContext, provider: str, account_ref: str) -> None:
    """Let another practice have the account. For one whose payments need nobody any more."""
    async with runtime.database.platform() as session:
        await ClaimRepository(session).delete(provider, [account_ref], tenant.key)
