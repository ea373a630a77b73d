"""Every query of payment accounts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from billing.accounts.models import AccountStatus, PaymentAccount, ProviderAccount
from todoenbalance.kit.database import PlatformSession, TenantSession


class AccountRepository:
    """The payment accounts of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    def add(self, row: PaymentAccount) -> None:
        """Insert with the next flush."""
        self._session.add(row)

    async def flush(self) -> None:
        """Insert now, because what follows refers to it."""
        await self._session.flush()

    async def lock_provider(self, provider: str) -> None:
        """Let one transaction at a time connect or disconnect at this provider; taken before any row is."""
        name = f"payment_account:{self._session.tenant.key}:{provider}"
        await self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    async def find_present(self, provider: str, *, for_update: bool = False) -> PaymentAccount | None:
        """The one that is not disconnected, or None. With ``for_update`` it is locked and read anew."""
        statement = select(PaymentAccount).where(
            PaymentAccount.provider == provider, PaymentAccount.status != AccountStatus.DISCONNECTED
        )
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def find(self, account_id: UUID, *, for_update: bool = False) -> PaymentAccount | None:
        """By id, or None. With ``for_update`` it is locked and read anew."""
        statement = select(PaymentAccount).where(PaymentAccount.id == account_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_present_by_ref(self, provider: str, account_ref: str) -> PaymentAccount | None:
        """The one of that name that is not disconnected, or None."""
        account = await self.find_present(provider)
        return account if account is not None and account.account_ref == account_ref else None

    async def list_former(self, provider: str) -> list[PaymentAccount]:
        """The disconnected ones, newest first."""
        statement = (
            select(PaymentAccount)
            .where(PaymentAccount.provider == provider, PaymentAccount.status == AccountStatus.DISCONNECTED)
            .order_by(PaymentAccount.id.desc())
        )
        return list((await self._session.scalars(statement)).all())

    async def list_all(self) -> list[PaymentAccount]:
        """All of them, newest first."""
        return list((await self._session.scalars(select(PaymentAccount).order_by(PaymentAccount.id.desc()))).all())


class ClaimRepository:
    """Which practice has which account at a provider."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def insert_once(self, provider: str, account_ref: str, tenant_key: str, mode: str, now: datetime) -> str:
        """Have the account belong to the practice, unless it has an owner; answers whose it is."""
        values = {
            "provider": provider,
            "account_ref": account_ref,
            "tenant_key": tenant_key,
            "mode": mode,
            "created_at": now,
        }
        # "Update" the owner to itself: the statement then waits for a twin's transaction and answers what is there.
        statement = (
            insert(ProviderAccount)
            .values(**values)
            .on_conflict_do_update(
                index_elements=["provider", "account_ref"], set_={"tenant_key": ProviderAccount.tenant_key}
            )
            .returning(ProviderAccount.tenant_key)
        )
        owner: str = (await self._session.execute(statement)).scalar_one()
        return owner

    async def delete(self, provider: str, account_refs: Sequence[str], tenant_key: str) -> None:
        """These accounts are the practice's no more."""
        await self._session.execute(
            delete(ProviderAccount).where(
                ProviderAccount.provider == provider,
                ProviderAccount.account_ref.in_(account_refs),
                ProviderAccount.tenant_key == tenant_key,
            )
        )
