"""Every query of what waits for operators; all of it is in the shared schema, so no practice is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, null, select, update
from sqlalchemy.dialects.postgresql import insert

from billing.accounts.models import EventTrouble, ParkedEvent
from billing.platform_fees.models import FeeStatement, StatementStatus
from billing.webhooks.repository import FAILED, WAITING
from notifications.models import Delivery, EmailStatus
from notifications.operator_mails.events import OPERATOR_MAIL_SEND
from notifications.operator_mails.models import OperatorMail
from tenants.plans.models import Subscription
from tenants.registry.models import Tenant, TenantStatus
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.operators.models import Operator
from todoenbalance.operators.waiting.models import BooksDisagreeing, WaitingNews

MOST_KEYS = 1000
"""So many of a section are told apart, the newest; of more only the number is known."""
_COMPARED_WITHIN, _FOR_LONG = timedelta(hours=36), timedelta(hours=20)
"""Books are compared daily, at no exact time: what was not seen for so long is over, what was for so long stays."""
_LATELY = timedelta(days=7)
_NOT_ARRIVED = (Delivery.DROPPED, Delivery.BOUNCED, Delivery.COMPLAINED)


class Section(StrEnum):
    """What can wait, the gravest first."""

    TASKS = "tasks"
    WEBHOOKS_GIVEN_UP = "webhooks_given_up"
    WEBHOOKS = "webhooks"
    ACCOUNTS = "accounts"
    BOOKS = "books"
    UNPAID = "unpaid"
    STATEMENTS = "statements"
    MAILS = "mails"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One section with something in it. ``keys``: of each thing, another one if it went away and came again."""

    section: Section
    count: int
    keys: tuple[str, ...]
    tenant_ids: tuple[UUID, ...]


def _key(*parts: Any) -> ColumnElement[str]:
    return func.concat_ws(":", *parts)


def _moment(column: Any) -> ColumnElement[Any]:
    """An instant as a number: its text would go by the connection's time zone."""
    return func.extract("epoch", column)


def _queries() -> Mapping[Section, Select[Any]]:
    """By section: key, practice if any, and since when."""
    now = clock.now()
    task = _key(OutboxEvent.id, _moment(OutboxEvent.parked_at))
    # Not by mail either: each alarm that can't be made would be the next one's cause, hour by hour.
    task_or_mail = case((OutboxEvent.topic == OPERATOR_MAIL_SEND, OPERATOR_MAIL_SEND), else_=task)
    known_tasks = select(task_or_mail, Tenant.id, OutboxEvent.parked_at)
    # Given up once more, after somebody had it tried again, it is another one; tried in vain once more, it is the same.
    is_given_up = EventTrouble.status == FAILED
    since = case((is_given_up, EventTrouble.last_seen_at), else_=EventTrouble.first_seen_at)
    troubles = select(
        _key(EventTrouble.tenant_key, EventTrouble.provider_event_id, _moment(since)),
        Tenant.id,
        EventTrouble.last_seen_at,
    ).join(Tenant, Tenant.key == EventTrouble.tenant_key)
    parked = select(_key(ParkedEvent.id), Tenant.id, ParkedEvent.received_at)
    books = select(_key(BooksDisagreeing.tenant_id, _moment(BooksDisagreeing.since)), Tenant.id, BooksDisagreeing.since)
    unpaid = select(_key(Tenant.id, _moment(Subscription.past_due_since)), Tenant.id, Subscription.grace_until)
    statements = select(_key(FeeStatement.id, FeeStatement.note), FeeStatement.tenant_id, FeeStatement.closed_at)
    # By operator, not by mail: the news of it may be the next that does not arrive.
    mails = select(_key(OperatorMail.operator_id), null(), func.max(OperatorMail.created_at))
    return {
        Section.TASKS: known_tasks.outerjoin(Tenant, Tenant.key == OutboxEvent.tenant).where(
            OutboxEvent.parked_at.is_not(None)
        ),
        Section.WEBHOOKS_GIVEN_UP: troubles.where(is_given_up),
        Section.WEBHOOKS: troubles.where(~is_given_up),
        Section.ACCOUNTS: parked.outerjoin(Tenant, Tenant.key == ParkedEvent.tenant_key).where(
            ParkedEvent.status == WAITING
        ),
        Section.BOOKS: books.join(Tenant, Tenant.id == BooksDisagreeing.tenant_id).where(
            BooksDisagreeing.seen_at > now - _COMPARED_WITHIN,
            BooksDisagreeing.seen_at - BooksDisagreeing.since > _FOR_LONG,
        ),
        # Of a suspended practice somebody has decided already.
        Section.UNPAID: unpaid.join(Tenant, Tenant.id == Subscription.tenant_id).where(
            Subscription.grace_until <= now, Tenant.status == TenantStatus.ACTIVE
        ),
        Section.STATEMENTS: statements.where(FeeStatement.status == StatementStatus.TO_INVOICE),
        Section.MAILS: mails.join(Operator, Operator.id == OperatorMail.operator_id)
        .where(
            Operator.is_active,
            OperatorMail.created_at > now - _LATELY,
            (OperatorMail.status == EmailStatus.FAILED) | OperatorMail.delivery.in_(_NOT_ARRIVED),
        )
        .group_by(OperatorMail.operator_id),
    }


class WaitingRepository:
    """What waits, and what of it operators know."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def list_waiting(self) -> list[Waiting]:
        """The sections that have something in them, the gravest first."""
        found = []
        for section, query in _queries().items():
            key, _tenant_id, since = query.selected_columns
            newest = query.order_by(since.desc().nulls_last(), key).limit(MOST_KEYS)
            rows = (await self._session.execute(newest)).all()
            if not rows:
                continue
            count = len(rows)
            if count == MOST_KEYS:
                count = (await self._session.scalar(select(func.count()).select_from(query.subquery()))) or count
            tenants = dict.fromkeys(row[1] for row in rows if row[1] is not None)
            found.append(Waiting(section, count, tuple(row[0] for row in rows), tuple(tenants)))
        return found

    async def list_parked_tasks(self, limit: int) -> Sequence[tuple[OutboxEvent, str | None]]:
        """Rows of the queue that were given up, the newest first, each with its practice's name."""
        statement = (
            select(OutboxEvent, Tenant.name)
            .outerjoin(Tenant, Tenant.key == OutboxEvent.tenant)
            .where(OutboxEvent.parked_at.is_not(None))
            .order_by(OutboxEvent.parked_at.desc(), OutboxEvent.id)
        )
        return [(row[0], row[1]) for row in await self._session.execute(statement.limit(limit))]

    async def retry_task(self, event_id: UUID) -> str | None:
        """Have a row that was given up tried as if it were new; its topic, None if it is not given up."""
        statement = (
            update(OutboxEvent)
            .where(OutboxEvent.id == event_id, OutboxEvent.parked_at.is_not(None))
            .values(parked_at=None, failures=0, run_at=clock.now())
            .returning(OutboxEvent.topic)
        )
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def lock_news(self) -> WaitingNews:
        """How far operators were told, locked; made if it is not there yet."""
        made = insert(WaitingNews).values(id=1, told={"keys": []}).on_conflict_do_nothing()
        await self._session.execute(made)
        return await self._session.get_one(WaitingNews, 1, with_for_update=True, populate_existing=True)

    async def note_books(self, tenant_id: UUID) -> None:
        """A practice's books were compared just now, and disagree. A row that was broken off begins anew."""
        now = clock.now()
        is_new = BooksDisagreeing.seen_at <= now - _COMPARED_WITHIN
        since = case((is_new, now), else_=BooksDisagreeing.since)
        made = insert(BooksDisagreeing).values(tenant_id=tenant_id, since=now, seen_at=now)
        await self._session.execute(
            made.on_conflict_do_update(
                index_elements=[BooksDisagreeing.tenant_id], set_={"since": since, "seen_at": now}
            )
        )
