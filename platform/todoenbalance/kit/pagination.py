"""Keyset pagination: stable under inserts, as cheap on page 1,000 as on page 1."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from todoenbalance.kit.errors import InvalidInputError

_LAST_INTEGER = 2**31 - 1
"""PostgreSQL's ``integer``."""

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=100, description="At most so many items.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]


class Page(BaseModel, Generic[T]):
    """A list in the API: the items, and the cursor of the next page or null."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(values: Sequence[Any]) -> str:
    """The sort key of the last row of a page as an opaque, URL-safe token."""
    plain = [v.isoformat() if isinstance(v, datetime) else str(v) for v in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, types: Sequence[type]) -> list[Any]:
    """The sort key in a cursor. Raises :class:`InvalidInputError` for anything we did not make."""
    try:
        plain = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(plain, list) or len(plain) != len(types):
            raise ValueError("another list's cursor")
        return [_parse(str(value), kind) for value, kind in zip(plain, types, strict=True)]
    except (ValueError, binascii.Error, UnicodeDecodeError) as error:
        raise InvalidInputError(["query", "cursor"], "not a cursor of this list") from error


def _parse(value: str, kind: type) -> Any:
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is date:
        return date.fromisoformat(value)
    if kind is UUID:
        return UUID(value)
    if kind is int and not -_LAST_INTEGER <= int(value) <= _LAST_INTEGER:
        raise ValueError("more than the column holds")
    return kind(value)


async def paginate(
    session: AsyncSession,
    statement: Select[tuple[T]],
    keys: Sequence[InstrumentedAttribute[Any]],
    *,
    limit: int = 50,
    cursor: str | None = None,
    descending: bool = False,
) -> tuple[list[T], str | None]:
    """One page of ``statement`` in the order of ``keys`` (the last one unique), and the next cursor.

    Raises :class:`InvalidInputError` for a cursor that is not one of this list's.
    """
    if cursor is not None:
        types = [key.type.python_type for key in keys]
        values = tuple_(*decode_cursor(cursor, types))
        statement = statement.where(tuple_(*keys) < values if descending else tuple_(*keys) > values)
    statement = statement.order_by(*(key.desc() if descending else key.asc() for key in keys)).limit(limit + 1)
    rows = list((await session.scalars(statement)).all())
    if len(rows) <= limit:
        return rows, None
    rows = rows[:limit]
    return rows, encode_cursor([getattr(rows[-1], key.key) for key in keys])
