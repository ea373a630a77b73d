"""Every query of digests."""

from collections.abc import Sequence
from datetime import datetime, time
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from notifications.digests.models import DigestChoice, DigestEntry
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


class DigestRepository:
    """One practice's."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def find_choice(self, staff_id: UUID, *, is_locked: bool = False) -> DigestChoice | None:
        """A member of staff's choice; locked, nothing is put to or taken from their digest meanwhile."""
        statement = select(DigestChoice).where(DigestChoice.account_id == staff_id)
        if is_locked:
            statement = statement.with_for_update()
        return (await self._session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def choose(self, staff_id: UUID, at: time | None) -> None:
        """Have it at another time, or (None) no more. Whoever chooses twice at once has what came last."""
        if at is None:
            await self._session.execute(delete(DigestChoice).where(DigestChoice.account_id == staff_id))
            return
        values = {"at": at, "changed_at": clock.now()}
        statement = insert(DigestChoice).values(account_id=staff_id, **values)
        await self._session.execute(
            statement.on_conflict_do_update(index_elements=[DigestChoice.account_id], set_=values)
        )

    async def is_one_coming(self, staff_id: UUID, due_at: datetime) -> bool:
        """Whether something waits already for the digest of that time, which therefore is in the queue."""
        statement = select(DigestEntry.email_log_id).where(
            DigestEntry.staff_id == staff_id, DigestEntry.due_at == due_at, DigestEntry.digest.is_(None)
        )
        return (await self._session.scalars(statement.limit(1))).first() is not None

    async def take(self, staff_id: UUID, digest: UUID) -> Sequence[DigestEntry]:
        """What this digest has taken before, and takes now: whatever is due and no other has.

        Due by its own hour if that is later than now: the clock of who sends it may be behind that of the queue.
        """
        named_by = await self._session.get(DigestEntry, digest)
        due_by = max(clock.now(), named_by.due_at) if named_by is not None else clock.now()
        await self._session.execute(
            update(DigestEntry)
            .where(DigestEntry.staff_id == staff_id, DigestEntry.digest.is_(None), DigestEntry.due_at <= due_by)
            .values(digest=digest)
        )
        return await self.taken_by(digest)

    async def taken_by(self, digest: UUID) -> Sequence[DigestEntry]:
        """What a digest has taken, oldest first."""
        statement = select(DigestEntry).where(DigestEntry.digest == digest).order_by(DigestEntry.email_log_id)
        return (await self._session.scalars(statement, execution_options={"populate_existing": True})).all()
