"""Every query of practices' senders: in their own schema, and in the shared one who may write from which domain."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from notifications.sender.models import MailDomain, MailSender
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession, TenantSession


class MailSenderRepository:
    """One practice's row."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def find(self) -> MailSender | None:
        """None: everything is as it is by default."""
        return await self._session.get(MailSender, 1)

    async def lock(self) -> MailSender | None:
        """The same, kept until the transaction ends."""
        statement = select(MailSender).where(MailSender.id == 1).with_for_update()
        return (await self._session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def lock_or_add(self) -> MailSender:
        """The row, made if there was none."""
        made = insert(MailSender).values(id=1, changed_at=clock.now()).on_conflict_do_nothing()
        await self._session.execute(made)
        row = await self.lock()
        assert row is not None  # noqa: S101 - it was just made, and nothing deletes it
        return row


class MailDomainRepository:
    """Whose domains are whose, over all practices."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def find(self, tenant_id: UUID) -> MailDomain | None:
        """The domain that a practice asks for."""
        return await self._session.get(MailDomain, tenant_id)

    async def is_taken(self, domain: str, tenant_id: UUID) -> bool:
        """Whether another practice has shown it to be its own."""
        others = (MailDomain.domain == domain, MailDomain.tenant_id != tenant_id, MailDomain.verified_at.is_not(None))
        return bool(await self._session.scalar(select(exists().where(*others))))

    async def ask_for(self, domain: str, tenant_id: UUID, at: datetime) -> MailDomain:
        """Note that a practice asks for it, which keeps nobody else from it."""
        made = insert(MailDomain).values(tenant_id=tenant_id, domain=domain, created_at=at).on_conflict_do_nothing()
        await self._session.execute(made)
        statement = select(MailDomain).where(MailDomain.tenant_id == tenant_id)
        return (await self._session.scalars(statement)).one()

    async def note_provider(self, tenant_id: UUID, domain: str, ref: str | None, *, is_new: bool) -> None:
        """Remember the provider's id; what we had it make for one practice we made for all that name the domain."""
        made_before = exists().where(MailDomain.provider_ref == ref, MailDomain.is_ours)
        is_ours = is_new or bool(await self._session.scalar(select(made_before)))
        mine = (MailDomain.tenant_id == tenant_id, MailDomain.domain == domain)
        await self._session.execute(update(MailDomain).where(*mine).values(provider_ref=ref, is_ours=is_ours))

    async def lock_ref(self, ref: str) -> None:
        """Have everybody else wait who gives the provider's domain up or names it, until the transaction ends."""
        key = func.hashtextextended(f"mail-domain:{ref}", 0)
        await self._session.execute(select(func.pg_advisory_xact_lock(key)))

    async def hand_on(self, ref: str) -> bool:
        """Whether somebody names the provider's domain; theirs to have removed it is then."""
        named = update(MailDomain).where(MailDomain.provider_ref == ref).values(is_ours=True)
        return bool((await self._session.execute(named.returning(MailDomain.tenant_id))).all())

    async def is_used_by_others(self, ref: str, tenant_id: UUID) -> bool:
        """Whether another practice names the provider's domain too."""
        others = (MailDomain.provider_ref == ref, MailDomain.tenant_id != tenant_id)
        return bool(await self._session.scalar(select(exists().where(*others))))

    async def verify(self, domain: str, tenant_id: UUID, at: datetime) -> bool:
        """Have the domain be the practice's; False if it is another's, who has shown it first."""
        mine = (MailDomain.tenant_id == tenant_id, MailDomain.domain == domain)
        try:
            async with self._session.begin_nested():
                statement = update(MailDomain).where(*mine).values(verified_at=at).returning(MailDomain.tenant_id)
                return (await self._session.execute(statement)).first() is not None
        except IntegrityError:  # the index has the last word
            return False

    async def release(self, tenant_id: UUID) -> None:
        """Leave the domain to whoever shows it to be theirs; the practice goes on asking for it."""
        await self._session.execute(
            update(MailDomain).where(MailDomain.tenant_id == tenant_id).values(verified_at=None)
        )

    async def delete(self, row: MailDomain) -> None:
        """The practice asks for it no more."""
        await self._session.delete(row)
