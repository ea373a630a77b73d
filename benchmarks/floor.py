"""The least that an endpoint for availability can cost: the product's own statement over a bare pool.

A raw ASGI application, served by uvicorn in a process of its own with the API's settings. Its connections
belong to one practice for good, so it neither resolves a host nor binds a transaction to a practice; it
checks nothing and cuts nothing to the grid. ``TODOENBALANCE_FLOOR`` holds what it is to ask, as JSON.
"""

import json
import os
from functools import lru_cache
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import psycopg as dialect
from starlette.types import Receive, Scope, Send

from scheduling.availability.repository import Window
from scheduling.availability.statement import FREE_TIME
from todoenbalance.kit.database import EXTENSIONS_SCHEMA

VARIABLE = "TODOENBALANCE_FLOOR"


class Question(BaseModel):
    """Which practice of which database is asked, over how many connections, and the statement's parameters."""

    database_url: str
    practice: str
    connections: int
    window: Window

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statement takes."""
        return self.window.parameters()


@lru_cache(maxsize=1)
def product_statement() -> str:
    """The availability statement exactly as the product sends it through psycopg, where nothing comes by a rule."""
    return str(FREE_TIME[False].compile(dialect=dialect.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy declares no types here


class Floor:
    """The application."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._statement = product_statement().encode()
        self._parameters = question.parameters
        self._pool: AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._pool is not None
        async with self._pool.connection() as connection:
            cursor = await connection.execute(self._statement, self._parameters)
            rows = await cursor.fetchall()
        items = [
            {"practitioner_id": str(one), "starts_at": begins.isoformat(), "ends_at": ends.isoformat()}
            for one, _kind, _layer, begins, ends in rows
        ]
        body = json.dumps({"items": items}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        size = self._question.connections
        self._pool = AsyncConnectionPool(
            self._question.database_url, min_size=size, max_size=size, configure=self._configure, open=False
        )
        await self._pool.open(wait=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _configure(self, connection: AsyncConnection[tuple[Any, ...]]) -> None:
        """Make a new connection the practice's, for good."""
        practice = sql.Identifier(self._question.practice)
        extensions = sql.Identifier(EXTENSIONS_SCHEMA)
        await connection.execute(sql.SQL("SET search_path = {}, {}").format(practice, extensions))
        await connection.execute(sql.SQL("SET ROLE {}").format(practice))
        await connection.commit()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """What uvicorn serves."""
    await _floor()(scope, receive, send)


@lru_cache(maxsize=1)
def _floor() -> Floor:
    return Floor(Question.model_validate_json(os.environ[VARIABLE]))
