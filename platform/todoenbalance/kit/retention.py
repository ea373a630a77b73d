"""Throwing away what has been kept long enough: rules as data, applied in bounded batches."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, delete, inspect, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from todoenbalance.kit import clock

BATCH = 1000
"""So many rows go in one transaction: no long locks, no long transactions."""
MOST_BATCHES = 50
"""Of one rule in one run; what is left goes tomorrow."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the rows of one table are kept. ``what`` says which, for docs/privacy.md.

    ``is_over``: from the instant before which they are too old to the condition on rows.
    """

    model: type[DeclarativeBase]
    what: str
    keep: timedelta
    is_over: Callable[[datetime], ColumnElement[bool]]

    @property
    def table(self) -> str:
        """The table's name."""
        return str(self.model.__tablename__)


async def delete_batch(session: AsyncSession, rule: Retention) -> int:
    """Delete one batch of what is too old; answers how many. Rows that somebody works on wait for the next run."""
    keys = inspect(rule.model).primary_key
    old = select(*keys).where(rule.is_over(clock.now() - rule.keep)).limit(BATCH).with_for_update(skip_locked=True)
    statement = delete(rule.model).where(tuple_(*keys).in_(old)).execution_options(synchronize_session=False)
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]  # what a DELETE answers
    return result.rowcount
