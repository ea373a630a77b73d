"""Every query of payment accounts."""

from uuid import UUID

from sqlalchemy import select

from billing.accounts.models import AccountStatus, PaymentAccount
from todoenbalance.kit.database import TenantSession


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

    async def find_by_ref(self, provider: str, account_ref: str) -> PaymentAccount | None:
        """The newest of that name at the provider, connected or not, or None."""
        statement = (
            select(PaymentAccount)
            .where(PaymentAccount.provider == provider, PaymentAccount.account_ref == account_ref)
            .order_by(PaymentAccount.id.desc())
            .limit(1)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def list_all(self) -> list[PaymentAccount]:
        """All of them, newest first."""
        return list((await self._session.scalars(select(PaymentAccount).order_by(PaymentAccount.id.desc()))).all())
