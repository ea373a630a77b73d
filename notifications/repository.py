"""Every query of notifications."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from notifications.keys import MailKey
from notifications.models import SUPPRESSED, Delivery, EmailLog, EmailStatus, MailboxMessage, PlatformMailboxMessage
from notifications.recipients import RecipientKind
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession, TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.pagination import paginate

MAILBOX_LIMIT = 1000
_AS_IT_IS = {"populate_existing": True}
"""Whoever waited for a lock sees what the one before left, also of a row that the session had read before."""
_IS_QUEUED = and_(EmailLog.status == EmailStatus.SENDING, EmailLog.attempts == 0)


@dataclass(frozen=True, slots=True)
class MailFilter:
    """Which mails are asked for. ``client_ids``: to one of these clients. ``problems_only``: those that did not go, or
    did not arrive; that a mail was no longer true or not wanted is none. ``waiting_only``: those that are to go yet."""

    kind: str | None = None
    client_ids: Collection[UUID] | None = None
    subject_id: UUID | None = None
    problems_only: bool = False
    waiting_only: bool = False

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a query of :class:`EmailLog`."""
        found: list[ColumnElement[bool]] = []
        if self.kind:
            found.append(EmailLog.kind == self.kind)
        if self.subject_id is not None:
            found.append(EmailLog.subject_id == self.subject_id)
        if self.client_ids is not None:
            to_client = f"%:{RecipientKind.CLIENT}:" + "_" * 36
            found += [
                func.right(EmailLog.dedupe_key, 36).in_([str(it) for it in self.client_ids]),
                EmailLog.dedupe_key.like(to_client),
            ]
        if self.waiting_only:
            found.append(EmailLog.status.in_((EmailStatus.SENDING, EmailStatus.HELD)))
        if self.problems_only:
            troubled = (Delivery.DEFERRED, Delivery.DROPPED, Delivery.BOUNCED, Delivery.COMPLAINED)
            found.append(
                or_(
                    EmailLog.status == EmailStatus.FAILED,
                    EmailLog.failure == SUPPRESSED,
                    EmailLog.delivery.in_(troubled),
                )
            )
        return found


class EmailLogRepository:
    """What was mailed in one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def lock(self, dedupe_key: str, *, kind: str, subject_id: UUID, locale: str) -> EmailLog:
        """The one row of ``dedupe_key``, made if it is not there yet, locked until the transaction ends.

        One that was only queued is taken up with that: it is as if made now.
        """
        await self.expect([dedupe_key], kind=kind, subject_id=subject_id, locale=locale)
        locked = select(EmailLog).where(EmailLog.dedupe_key == dedupe_key).with_for_update()
        row = (await self._session.scalars(locked, execution_options=_AS_IT_IS)).one()
        if row.is_queued:
            row.created_at, row.not_before, row.failure = clock.now(), None, None
        return row

    async def expect(
        self,
        dedupe_keys: Iterable[str],
        *,
        kind: str,
        subject_id: UUID,
        locale: str,
        not_before: datetime | None = None,
    ) -> None:
        """Make the rows that are not there yet, of mails that are queued (for ``not_before``).

        They are numbered as they are given, and made in the order of their keys, so that two who announce the same do
        not wait for each other.
        """
        now = clock.now()
        rows = [
            {
                "id": new_id(),
                "kind": kind,
                "dedupe_key": key,
                "subject_id": subject_id,
                "recipient": "",
                "locale": locale,
                "status": EmailStatus.SENDING,
                "created_at": now,
                "announced_at": now,
                "not_before": not_before if not_before is not None and not_before > now else None,
            }
            for key in dict.fromkeys(dedupe_keys)
        ]
        if rows:
            rows.sort(key=itemgetter("dedupe_key"))
            statement = insert(EmailLog).values(rows).on_conflict_do_nothing(index_elements=[EmailLog.dedupe_key])
            await self._session.execute(statement)

    async def put_off(self, dedupe_key: str, not_before: datetime, reason: str) -> None:
        """Say of a mail that is queued until when it waits, and for what."""
        statement = update(EmailLog).where(EmailLog.dedupe_key == dedupe_key, _IS_QUEUED)
        await self._session.execute(statement.values(not_before=not_before, failure=reason))

    async def count_recent(self, kind: str, subject_id: UUID, since: datetime, *, except_id: UUID) -> int:
        """How many other mails of this kind about the same subject were made since then."""
        statement = select(func.count()).select_from(EmailLog)
        statement = statement.where(
            EmailLog.subject_id == subject_id,
            EmailLog.kind == kind,
            EmailLog.created_at > since,
            EmailLog.status != EmailStatus.SKIPPED,
            ~_IS_QUEUED,
            EmailLog.id != except_id,
        )
        return (await self._session.scalar(statement)) or 0

    async def count_to(self, address: str, kinds: Collection[str], since: datetime, *, except_id: UUID) -> int:
        """How many other mails of these kinds went, or are about to go, to an address since then."""
        statement = select(func.count()).select_from(EmailLog)
        statement = statement.where(
            EmailLog.recipient == address,
            EmailLog.created_at >= since,
            EmailLog.kind.in_(kinds),
            EmailLog.status.in_((EmailStatus.SENDING, EmailStatus.SENT)),
            ~_IS_QUEUED,
            EmailLog.id != except_id,
        )
        return (await self._session.scalar(statement)) or 0

    async def lock_by_id(self, log_id: UUID) -> EmailLog | None:
        """One row as it is now, locked, or None if it was erased meanwhile."""
        statement = select(EmailLog).where(EmailLog.id == log_id).with_for_update()
        return (await self._session.scalars(statement, execution_options=_AS_IT_IS)).one_or_none()

    async def list_newest_to(self, address: str, since: datetime, limit: int) -> Sequence[EmailLog]:
        """The newest mails to an address that went, or were to go, since then."""
        statement = select(EmailLog).where(
            EmailLog.recipient == address,
            EmailLog.created_at >= since,
            EmailLog.status.in_((EmailStatus.SENT, EmailStatus.FAILED)),
        )
        ordered = statement.order_by(EmailLog.created_at.desc(), EmailLog.id.desc())
        return (await self._session.scalars(ordered.limit(limit))).all()

    async def list_about(self, subject_id: UUID, kind: str) -> Sequence[EmailLog]:
        """Every mail of a kind about one thing."""
        statement = select(EmailLog).where(EmailLog.subject_id == subject_id, EmailLog.kind == kind)
        return (await self._session.scalars(statement.order_by(EmailLog.id))).all()

    async def list_repeats(self, key: MailKey) -> list[tuple[int, EmailLog]]:
        """Each time that staff had a mail sent again, by its number."""
        known = [(MailKey.of(one), one) for one in await self.list_about(key.subject_id, key.kind)]
        return [(it.again, one) for it, one in known if it is not None and it.first == key.first and it.again]

    async def page(self, wanted: MailFilter, *, limit: int, cursor: str | None) -> tuple[list[EmailLog], str | None]:
        """Newest first."""
        statement = select(EmailLog).where(*wanted.conditions())
        return await paginate(self._session, statement, [EmailLog.id], limit=limit, cursor=cursor, descending=True)


class MailboxRepository:
    """The development mailbox, of one practice or (in a platform transaction) of the platform."""

    def __init__(self, session: TenantSession | PlatformSession) -> None:
        self._session = session
        practice = isinstance(session, TenantSession)
        # The two tables have the same columns; what reads them here need not know which it is.
        self._model: type[Any] = MailboxMessage if practice else PlatformMailboxMessage

    async def list_newest(self) -> Sequence[MailboxMessage | PlatformMailboxMessage]:
        """The newest thousand, newest first."""
        model = self._model
        statement = select(model).order_by(model.created_at.desc(), model.id.desc()).limit(MAILBOX_LIMIT)
        rows: Sequence[MailboxMessage | PlatformMailboxMessage] = (await self._session.scalars(statement)).all()
        return rows

    async def find(self, message_id: UUID) -> MailboxMessage | PlatformMailboxMessage | None:
        """By id, or None."""
        row: MailboxMessage | PlatformMailboxMessage | None = await self._session.get(self._model, message_id)
        return row
