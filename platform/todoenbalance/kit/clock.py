"""The one source of the current time: aware UTC, and replaceable where a test plays with time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_frozen: ContextVar[datetime | None] = ContextVar("todoenbalance_clock", default=None)


def now() -> datetime:
    """The current instant, aware, in UTC."""
    return _frozen.get() or datetime.now(UTC)


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Within the block (and the tasks started in it) :func:`now` answers ``instant``.

    Raises ``ValueError`` for a naive datetime.
    """
    if instant.tzinfo is None:
        raise ValueError("the clock needs an aware datetime")
    token = _frozen.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _frozen.reset(token)
