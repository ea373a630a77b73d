"""What of the platform wants a person, and telling operators: once a day if something is new, at once of the few
things that nothing tries again.

Everything is read from the shared schema. What operators were told of is one row; who looks locks it, and the mails
are queued in the same transaction. So two workers that look at once tell it once, and one that dies told nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from notifications.operator_mails.announcing import announce_to_operators
from tenants.registry import service as registry
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.operators.mails.kinds import OPERATOR_ALARM, OPERATOR_NEWS
from todoenbalance.operators.repository import OperatorRepository
from todoenbalance.operators.service import record
from todoenbalance.operators.waiting.models import WaitingNews
from todoenbalance.operators.waiting.repository import Section, Waiting, WaitingRepository

ALARMING: Final = frozenset({Section.TASKS, Section.WEBHOOKS_GIVEN_UP})
"""Nothing tries these again: somebody's mail, refund or invoice may hang on each."""
ALARM_EVERY: Final = timedelta(hours=1)
_MOST_NAMES = 3


async def list_waiting(session: PlatformSession) -> list[Waiting]:
    """The sections that have something in them, the gravest first."""
    return await WaitingRepository(session).list_waiting()


async def named(session: PlatformSession, waiting: Waiting) -> list[tuple[UUID, str]]:
    """Some practices that it is about, by name."""
    few = waiting.tenant_ids[:_MOST_NAMES]
    names = await registry.names_of(session, few)
    return [(one, names[one]) for one in few if one in names]


async def list_parked_tasks(session: PlatformSession, limit: int = 100) -> Sequence[tuple[OutboxEvent, str | None]]:
    """Rows of the queue that were given up, the newest first, each with its practice's name."""
    return await WaitingRepository(session).list_parked_tasks(limit)


async def retry_task(session: PlatformSession, operator_id: UUID, event_id: UUID, request_id: str | None) -> None:
    """Have a row of the queue that was given up tried again, with a line in the audit trail.

    Harmless: whatever handles it bears being run again. Raises :class:`NotFoundError` if it is not given up.
    """
    topic = await WaitingRepository(session).retry_task(event_id)
    if topic is None:
        raise NotFoundError
    record(session, operator_id, "task.retried", request_id=request_id, event_id=str(event_id), topic=topic)


async def look(runtime: Runtime) -> None:
    """Tell operators what is new, if it is time to. Called every few minutes; safe to repeat."""
    async with runtime.database.platform() as session:
        news = await WaitingRepository(session).lock_news()
        waiting = await list_waiting(session)
        if _is_news_due(news, runtime.settings):
            await _tell_news(session, news, waiting, _local_now(runtime.settings))
        else:
            await _tell_alarms(session, news, waiting)


def _local_now(settings: Settings) -> datetime:
    return clock.now().astimezone(ZoneInfo(settings.operator_mails.timezone))


def _is_news_due(news: WaitingNews, settings: Settings) -> bool:
    local = _local_now(settings)
    return local.hour >= settings.operator_mails.news_hour and news.news_on != local.date()


def _keys(waiting: Iterable[Waiting]) -> set[str]:
    return {f"{one.section}:{key}" for one in waiting for key in one.keys}


def _told(keys: set[str]) -> dict[str, Any]:
    return {"keys": sorted(keys)}


async def _tell_news(session: PlatformSession, news: WaitingNews, waiting: list[Waiting], today: datetime) -> None:
    """The day is done, also without a mail; what does not wait any more is forgotten."""
    known, now_waiting = set(news.told["keys"]), _keys(waiting)
    if now_waiting - known and not await _announce(session, OPERATOR_NEWS, today.date().isoformat()):
        now_waiting &= known
    news.news_on, news.told = today.date(), _told(now_waiting)


async def _tell_alarms(session: PlatformSession, news: WaitingNews, waiting: list[Waiting]) -> None:
    """Not more often than hourly, however much goes wrong."""
    if news.alarmed_at is not None and clock.now() - news.alarmed_at < ALARM_EVERY:
        return
    known = set(news.told["keys"])
    alarming = _keys(one for one in waiting if one.section in ALARMING)
    if alarming - known and await _announce(session, OPERATOR_ALARM, clock.now().isoformat()):
        news.alarmed_at, news.told = clock.now(), _told(known | alarming)


async def _announce(session: PlatformSession, kind: str, version: str) -> bool:
    """Whether there is anybody who is told; what nobody was told stays new for whoever wants to be again."""
    operator_ids = await OperatorRepository(session).list_ids(only_news_readers=True)
    await announce_to_operators(session, kind, subject_id=new_id(), version=version, operator_ids=operator_ids)
    return bool(operator_ids)


async def on_disagreement_found(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``billing.disagreement_found``: note it; a practice can't write in the shared schema itself."""
    del payload
    async with context.runtime.database.platform() as session:
        await WaitingRepository(session).note_books(context.tenant.id)
