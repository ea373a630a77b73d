"""Whether the practice wants text messages sent, and how many it may still send this month."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from notifications.rules import TOO_MANY_TODAY
from notifications.texting.models import TextChoice, TextLog, TextStatus
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.settings import Settings

_COUNTED = (TextStatus.SENDING, TextStatus.SENT)
_SHARE, _SHARE_OF_DAY, _LEAST_IN_A_DAY = 4, 5, 5
TOO_MANY_THIS_MONTH = "too many this month"


@dataclass(frozen=True, slots=True)
class TextQuota:
    """As the practice has it: ``limit`` is its own, ``most`` the operator's; ``used`` this month. All in segments."""

    is_on: bool
    limit: int
    most: int
    used: int


async def is_wanted(session: TenantSession) -> bool:
    """Whether the practice switched text messages on."""
    choice = await session.get(TextChoice, 1, populate_existing=True)
    return choice is not None and choice.is_on


async def read_quota(session: TenantSession, settings: Settings) -> TextQuota:
    """What holds now. Raises :class:`NotFoundError` where the operator has no gateway."""
    if not settings.texts.is_on:
        raise NotFoundError
    choice, most = await session.get(TextChoice, 1, populate_existing=True), settings.texts.monthly_limit
    limit = min(choice.monthly_limit, most) if choice is not None else most
    return TextQuota(choice is not None and choice.is_on, limit, most, await _count_since(session, month_of(session)))


async def choose(session: TenantSession, settings: Settings, *, is_on: bool, monthly_limit: int) -> TextQuota:
    """Switch them on or off, and say how many segments a month at most. Raises :class:`NotFoundError` likewise."""
    if not settings.texts.is_on:
        raise NotFoundError
    values = {"is_on": is_on, "monthly_limit": monthly_limit, "changed_at": clock.now()}
    statement = insert(TextChoice).values(id=1, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=[TextChoice.id], set_=values))
    return await read_quota(session, settings)


async def take_turns(session: TenantSession) -> None:
    """Have the practice's messages counted one after the other: two at once would each not see the other."""
    key = f"text-limit:{session.tenant.key}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


async def is_over_monthly_limit(session: TenantSession, settings: Settings, segments: int) -> bool:
    """Whether so many more segments would be too many."""
    quota = await read_quota(session, settings)
    return quota.used + segments > quota.limit


async def find_share_refusal(session: TenantSession, settings: Settings, kind: str, segments: int) -> str | None:
    """Why so many more segments of a kind that strangers can cause would be too many, or None.

    It may use up a quarter of the month's limit, and a fifth of that in a day: the rest stays for what clients agreed
    to, and a bot's night does not keep those who agree tomorrow from their codes.
    """
    share = max((await read_quota(session, settings)).limit // _SHARE, 1)
    if await _count_since(session, month_of(session), kind) + segments > share:
        return TOO_MANY_THIS_MONTH
    share_of_day = max(share // _SHARE_OF_DAY, _LEAST_IN_A_DAY)
    if await _count_since(session, day_of(session), kind) + segments > share_of_day:
        return TOO_MANY_TODAY
    return None


async def count_to(session: TenantSession, number: str, kinds: Collection[str], since: datetime, log: TextLog) -> int:
    """How many other messages of these kinds went, or are about to go, to a number since then."""
    statement = select(func.count()).select_from(TextLog)
    statement = statement.where(
        TextLog.number == number,
        TextLog.kind.in_(kinds),
        TextLog.created_at >= since,
        TextLog.status.in_(_COUNTED),
        TextLog.id != log.id,
    )
    return (await session.scalar(statement)) or 0


def month_of(session: TenantSession) -> datetime:
    """When the present month began, on the practice's wall clock."""
    return _midnight(session, is_first=True)


def day_of(session: TenantSession) -> datetime:
    """When the present day began, on the practice's wall clock."""
    return _midnight(session, is_first=False)


def _midnight(session: TenantSession, *, is_first: bool) -> datetime:
    zone = ZoneInfo(session.tenant.timezone)
    today = clock.now().astimezone(zone).date()
    return datetime.combine(today.replace(day=1) if is_first else today, time(), zone)


async def _count_since(session: TenantSession, since: datetime, kind: str | None = None) -> int:
    statement = select(func.coalesce(func.sum(TextLog.segments), 0)).where(
        TextLog.created_at >= since, TextLog.status.in_(_COUNTED)
    )
    if kind is not None:
        statement = statement.where(TextLog.kind == kind)
    return int(await session.scalar(statement) or 0)
