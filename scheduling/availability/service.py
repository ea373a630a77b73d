"""When a service can be booked: the list that clients see, and the check that a booking must pass.

Both ask :func:`~scheduling.availability.repository.find_availability` and both cut by the same rules, so what
is offered can be booked and nothing else can.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling.availability.grid import Cut, cut, is_on_grid
from scheduling.availability.repository import Availability, Span, Window, find_availability
from scheduling.catalogue.models import Service
from scheduling.fields import midnight
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError

LONGEST_LIST_DAYS = 62


class Verdict(StrEnum):
    """What is to be said of a wished start: ``TAKEN`` if only appointments stand in its way."""

    FREE = "free"
    TAKEN = "taken"
    NOT_OFFERED = "not_offered"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a service may be booked, as of now."""

    service_id: UUID
    duration: timedelta
    buffer_before: timedelta
    buffer_after: timedelta
    minimum_notice: timedelta
    horizon: timedelta
    grid_minutes: int

    @classmethod
    def of(cls, service: Service) -> Self:
        """The rules in a service's row."""
        return cls(
            service_id=service.id,
            duration=timedelta(minutes=service.duration_minutes),
            buffer_before=timedelta(minutes=service.buffer_before_minutes),
            buffer_after=timedelta(minutes=service.buffer_after_minutes),
            minimum_notice=timedelta(minutes=service.minimum_notice_minutes),
            horizon=timedelta(days=service.horizon_days),
            grid_minutes=service.grid_minutes,
        )

    def window(self, starts: datetime, ends: datetime, now: datetime, **more: UUID | None) -> Window:
        """The question for times of this service between two instants."""
        return Window(
            service_id=self.service_id,
            starts=starts,
            ends=ends,
            now=now,
            buffer_before=self.buffer_before,
            buffer_after=self.buffer_after,
            **more,
        )


async def list_slots(
    session: TenantSession,
    rules: Rules,
    first_day: date,
    end_day: date,
    zone: ZoneInfo,
    practitioner_id: UUID | None = None,
) -> dict[UUID, list[int]]:
    """Every start that can be booked on the local days from ``first_day`` up to, not including, ``end_day``.

    Per practitioner, in order of time, in seconds since 1970. Raises :class:`InvalidInputError` for days in
    the wrong order or more than 62 of them.
    """
    days = (end_day - first_day).days
    if days <= 0:
        raise InvalidInputError(["query", "to"], "must be later than from", "date_order")
    if days > LONGEST_LIST_DAYS:
        raise InvalidInputError(["query", "to"], f"at most {LONGEST_LIST_DAYS} days after from", "too_many_days")
    now = clock.now()
    first = max(midnight(first_day, zone), now + rules.minimum_notice)
    last = min(midnight(end_day, zone) - timedelta(seconds=1), now + rules.horizon)
    if last < first:
        return {}
    window = rules.window(first, last + rules.duration, now, practitioner_id=practitioner_id)
    found = await find_availability(session, window, with_open=False)
    rule = Cut(
        duration=int(rules.duration.total_seconds()),
        grid=rules.grid_minutes * 60,
        first=-int(-first.timestamp() // 1),
        last=int(last.timestamp()),
    )
    return {key: list(cut(_seconds(one.free), ZoneInfo(one.timezone), rule)) for key, one in found.items()}


def _seconds(spans: list[Span]) -> list[tuple[int, int]]:
    """Whole seconds inside the intervals: up at the beginning, down at the end."""
    return [(-int(-begin.timestamp() // 1), int(end.timestamp())) for begin, end in spans]


async def judge_start(
    session: TenantSession,
    rules: Rules,
    starts_at: datetime,
    *,
    practitioner_id: UUID | None = None,
    except_id: UUID | None = None,
) -> Mapping[UUID, Verdict]:
    """What each practitioner who works at that time could say to this start; empty where nobody does.

    ``except_id`` names the appointment that would move there.
    """
    now = clock.now()
    if not now + rules.minimum_notice <= starts_at <= now + rules.horizon:
        return {}
    ends_at = starts_at + rules.duration
    window = rules.window(starts_at, ends_at, now, practitioner_id=practitioner_id, except_id=except_id)
    found = await find_availability(session, window, with_open=True)
    return {
        key: _verdict(one, starts_at, ends_at)
        for key, one in found.items()
        if is_on_grid(starts_at, ZoneInfo(one.timezone), rules.grid_minutes)
    }


async def is_still_free(
    session: TenantSession, rules: Rules, practitioner_id: UUID, starts_at: datetime, except_id: UUID
) -> bool:
    """Whether a time that was offered once could be had again now: notice, horizon and grid don't matter."""
    ends_at = starts_at + rules.duration
    window = rules.window(starts_at, ends_at, clock.now(), practitioner_id=practitioner_id, except_id=except_id)
    found = await find_availability(session, window, with_open=True)
    one = found.get(practitioner_id)
    return one is not None and _verdict(one, starts_at, ends_at) is Verdict.FREE


def _verdict(one: Availability, starts_at: datetime, ends_at: datetime) -> Verdict:
    if _covers(one.free, starts_at, ends_at):
        return Verdict.FREE
    return Verdict.TAKEN if _covers(one.open, starts_at, ends_at) else Verdict.NOT_OFFERED


def _covers(spans: list[Span], starts_at: datetime, ends_at: datetime) -> bool:
    return any(begin <= starts_at and ends_at <= end for begin, end in spans)
