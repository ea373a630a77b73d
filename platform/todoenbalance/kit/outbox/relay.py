"""From the queue's table to Celery and back: hand over, begin once, finish, retry with back-off, park.

The row is the truth and Celery only carries its id. A row that was handed over becomes due again after
the lease, so neither a lost message nor a killed worker loses an event; ``started_attempt`` lets each
hand-over be begun by one worker only, so a message that the broker repeats does nothing.

Practices take turns: the first due row of each, then the second of each. And Celery, whose queue is first come first
served, is given few rows at a time, so that whoever comes while somebody's ten thousand are due waits for those few
alone, and no row's lease runs out while it only stands in line. Where more practices have something due than there is
room, lots are drawn: by age, whoever comes last would wait until nearly all of the others are through.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update

from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.settings import OutboxSettings

MAX_ERROR_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Handover:
    """What goes to Celery: which row, which time round."""

    event_id: UUID
    attempt: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row that this worker, and no other, has begun."""

    event_id: UUID
    tenant_key: str | None
    topic: str
    payload: dict[str, Any]
    attempt: int
    failures: int


def parked_topic(topic: str) -> str:
    """Of the row that is queued when one of ``topic`` is parked."""
    return f"{topic}.parked"


async def hand_over_due(
    session: PlatformSession, settings: OutboxSettings, *, told: Collection[str] = ()
) -> list[Handover]:
    """Lease rows that are due, in the order in which they are to go; relays that meet skip each other's rows.

    No more than ``in_flight`` wait at Celery at once, and none are handed over until a quarter of that has been begun.
    The platform's own rows have their turn like a practice's. A row that took its worker down with it as often as a
    row may fail is parked instead. ``told``: the topics whose parking somebody is told of (see :func:`postpone`).
    """
    now = clock.now()
    room = settings.in_flight - await _count_in_flight(session, settings)
    if room < max(settings.in_flight // 4, 1):
        return []
    await _park_hopeless(session, settings, told)
    is_due = (OutboxEvent.run_at <= now) & OutboxEvent.parked_at.is_(None)
    by_age = OutboxEvent.run_at, OutboxEvent.id
    turn = func.row_number().over(partition_by=OutboxEvent.tenant, order_by=by_age)
    turns = select(OutboxEvent.id, turn.label("turn")).where(is_due).subquery()
    due = (
        select(OutboxEvent.id, turns.c.turn, OutboxEvent.run_at)
        .join(turns, turns.c.id == OutboxEvent.id)
        .where(is_due)
        .order_by(turns.c.turn, func.random())
        .limit(room)
        .with_for_update(skip_locked=True, of=OutboxEvent)
    )
    chosen = sorted((row.turn, row.run_at, row.id) for row in await session.execute(due))
    ids = [event_id for _turn, _run_at, event_id in chosen]
    lease = (
        update(OutboxEvent)
        .where(OutboxEvent.id.in_(ids))
        .values(run_at=now + timedelta(seconds=settings.lease_seconds), attempts=OutboxEvent.attempts + 1)
        .returning(OutboxEvent.id, OutboxEvent.attempts)
    )
    attempts = {row.id: row.attempts for row in await session.execute(lease)} if ids else {}
    return [Handover(event_id, attempts[event_id]) for event_id in ids]


async def _count_in_flight(session: PlatformSession, settings: OutboxSettings) -> int:
    """How many rows were handed over and not begun, and have a lease."""
    now = clock.now()
    statement = select(func.count()).where(
        OutboxEvent.run_at > now,
        OutboxEvent.run_at <= now + timedelta(seconds=settings.lease_seconds),
        OutboxEvent.attempts > OutboxEvent.started_attempt,
        OutboxEvent.parked_at.is_(None),
    )
    return (await session.scalar(statement)) or 0


async def _park_hopeless(session: PlatformSession, settings: OutboxSettings, told: Collection[str]) -> None:
    now = clock.now()
    hopeless = (
        select(OutboxEvent.id)
        .where(
            OutboxEvent.run_at <= now,
            OutboxEvent.parked_at.is_(None),
            OutboxEvent.failures >= settings.max_attempts,
        )
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(OutboxEvent)
        .where(OutboxEvent.id.in_(hopeless.scalar_subquery()))
        .values(parked_at=now, last_error=func.coalesce(OutboxEvent.last_error, "its worker died"))
        .returning(OutboxEvent.id, OutboxEvent.tenant, OutboxEvent.topic, OutboxEvent.payload)
    )
    for row in (await session.execute(statement)).all():
        await _tell(session, row.id, row.tenant, row.topic, row.payload, told)


async def _tell(
    session: PlatformSession,
    event_id: UUID,
    tenant_key: str | None,
    topic: str,
    payload: dict[str, Any],
    told: Collection[str],
) -> None:
    """Queue that a practice's row was parked, with the parking itself: a crash loses neither or both."""
    if tenant_key is not None and topic in told:
        known = {**payload, "parked_id": str(event_id)}
        await publish(session, parked_topic(topic), known, tenant_key=tenant_key)


async def begin(session: PlatformSession, event_id: UUID, attempt: int) -> Delivery | None:
    """Begin a hand-over; None if it was begun before, overtaken by a later one, or is done."""
    statement = (
        update(OutboxEvent)
        .where(
            OutboxEvent.id == event_id,
            OutboxEvent.attempts == attempt,
            OutboxEvent.started_attempt < attempt,
            OutboxEvent.parked_at.is_(None),
        )
        .values(started_attempt=attempt, failures=OutboxEvent.failures + 1)
        .returning(OutboxEvent.tenant, OutboxEvent.topic, OutboxEvent.payload, OutboxEvent.failures)
    )
    row = (await session.execute(statement)).one_or_none()
    return Delivery(event_id, row.tenant, row.topic, row.payload, attempt, row.failures) if row else None


async def finish(session: PlatformSession, event_id: UUID) -> None:
    """The event's work is done: the row goes."""
    await session.execute(delete(OutboxEvent).where(OutboxEvent.id == event_id))


async def postpone(
    session: PlatformSession,
    delivery: Delivery,
    settings: OutboxSettings,
    error: str,
    *,
    delay_seconds: float | None = None,
    counts: bool = True,
    told: Collection[str] = (),
) -> bool:
    """Try again later, or park the row after the last attempt; answers whether it was parked.

    ``counts=False`` is for an expected 'not yet', which never parks. If a practice's row of a topic in ``told`` is
    parked, one of :func:`parked_topic` is queued with it: the same payload, and ``parked_id``.
    """
    now = clock.now()
    parks = counts and delivery.failures >= settings.max_attempts
    delay = delay_seconds if delay_seconds is not None else backoff_seconds(delivery.failures, settings)
    statement = (
        update(OutboxEvent)
        .where(OutboxEvent.id == delivery.event_id, OutboxEvent.attempts == delivery.attempt)
        .values(
            run_at=now + timedelta(seconds=delay),
            last_error=error[:MAX_ERROR_LENGTH],
            parked_at=now if parks else None,
            failures=delivery.failures if counts else delivery.failures - 1,
        )
        .returning(OutboxEvent.id)
    )
    is_ours = (await session.execute(statement)).first() is not None
    if parks and is_ours:
        await _tell(session, delivery.event_id, delivery.tenant_key, delivery.topic, delivery.payload, told)
    return parks


def backoff_seconds(failures: int, settings: OutboxSettings) -> float:
    """Exponential, with jitter so that what failed together does not come back together."""
    ceiling = min(settings.backoff_limit_seconds, settings.backoff_base_seconds * 2.0 ** (failures - 1))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
