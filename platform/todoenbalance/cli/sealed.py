"""Every column that holds secrets sealed by the vault, and sealing them anew when the key has been changed."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.models import ParkedEvent, PaymentAccount
from scheduling.external_calendars.models import ExternalCalendar
from tenants.accounts.models import TotpAuthenticator
from tenants.privacy.models import Erasure
from tenants.registry import service as registry
from tenants.registry.models import Tenant
from tenants.social.models import SocialProviderAccount
from todoenbalance.kit.encryption import DecryptionError, Vault
from todoenbalance.kit.inbox.models import ProviderEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.operators.models import OperatorTotpAuthenticator
from todoenbalance.operators.second_factors import VAULT_KEY

OF_A_PRACTICE: tuple[tuple[type[Any], str], ...] = (
    (TotpAuthenticator, "secret"),
    (SocialProviderAccount, "client_secret"),
    (Erasure, "sealed"),
    (ExternalCalendar, "address"),
    (PaymentAccount, "credentials"),
    (PaymentAccount, "webhook_secret"),
    (ProviderEvent, "raw"),
)
OF_THE_PLATFORM: tuple[tuple[type[Any], str], ...] = (
    (OperatorTotpAuthenticator, "secret"),
    (ParkedEvent, "body"),
)
_PAGE = 100

Progress = Callable[[int], None]
"""Told how many practices are done."""


@dataclass(slots=True)
class SealReport:
    """What was found: sealed by the present key already, sealed anew now, and what no key of ours opens."""

    current: int = 0
    renewed: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the older keys may be dropped: nothing is sealed by them any more."""
        return not self.unreadable


async def reseal(runtime: Runtime, progress: Progress = lambda _done: None) -> SealReport:
    """Seal what an older key has sealed with the present one; the older may be dropped then. Safe to repeat.

    A transaction for each practice; what can't be read is reported and left as it is.
    """
    report, done = SealReport(), 0
    async with runtime.database.platform() as session:
        await _renew(session, runtime.vault, VAULT_KEY, OF_THE_PLATFORM, report)
    async for tenant in _practices(runtime):
        async with runtime.database.tenant(registry.to_context(tenant, "")) as session:
            await _renew(session, runtime.vault, tenant.key, OF_A_PRACTICE, report)
        done += 1
        progress(done)
    return report


async def _practices(runtime: Runtime) -> AsyncIterator[Tenant]:
    cursor: str | None = None
    while True:
        async with runtime.database.platform() as session:
            page, cursor = await registry.list_tenants(session, limit=_PAGE, cursor=cursor)
        for tenant in page:
            yield tenant
        if cursor is None:
            return


async def _renew(
    session: AsyncSession, vault: Vault, owner: str, columns: tuple[tuple[type[Any], str], ...], report: SealReport
) -> None:
    for model, name in columns:
        column = getattr(model, name)
        rows = await session.scalars(select(model).where(column.is_not(None)).with_for_update())
        for row in rows:
            sealed: str = getattr(row, name)
            if vault.is_current(sealed):
                report.current += 1
                continue
            try:
                setattr(row, name, vault.encrypt(vault.decrypt(sealed, tenant_key=owner), tenant_key=owner))
                report.renewed += 1
            except DecryptionError:
                report.unreadable.append(f"{owner}: {model.__tablename__}.{name}")
