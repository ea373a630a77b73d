"""Connections, and the two kinds of transaction: the platform's and one practice's.

A practice's transaction starts with one statement that sets search path and role for that transaction
alone. After it everything reaches that practice and nothing else; COMMIT or ROLLBACK makes the
connection neutral again, so it also works behind PgBouncer in transaction mode. Connections start with
an empty search path, so tenant tables can't even be named without a bound practice.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

from psycopg import AsyncCursor
from psycopg._queries import PostgresQuery
from sqlalchemy import BigInteger, DateTime, MetaData, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction, mapped_column

from todoenbalance.kit.settings import PoolSettings, Settings
from todoenbalance.kit.tenancy import TenantContext, check_key

EXTENSIONS_SCHEMA = "extensions"
PLATFORM_SCHEMA = "platform"

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

_BIND_TENANT = "SELECT set_config('search_path', %s, true), set_config('role', %s, true)"


MinorUnits = Annotated[int, mapped_column(BigInteger)]
"""A column of money: an integer of the currency's minor unit."""

_TYPES: dict[Any, Any] = {datetime: DateTime(timezone=True), dict[str, Any]: JSONB()}


class PlatformBase(DeclarativeBase):
    """Tables of the shared schema ``platform``: always named with their schema."""

    metadata = MetaData(schema=PLATFORM_SCHEMA, naming_convention=NAMING_CONVENTION)
    type_annotation_map = _TYPES


class TenantBase(DeclarativeBase):
    """Tables that every practice has: never named with a schema, the search path decides."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = _TYPES


class ExtendedProtocolCursor(AsyncCursor[Any]):
    """Sends every statement over the extended query protocol, parameters or not.

    The simple protocol accepts several commands at once, so a statement that something was injected into
    could go on with ``; SET ROLE …`` and leave the practice it is bound to. The extended protocol takes
    exactly one command (PostgreSQL documentation, 54.2.3).
    """

    def _execute_send(self, query: PostgresQuery, *, force_extended: bool = False, binary: bool | None = None) -> None:
        del force_extended
        super()._execute_send(query, force_extended=True, binary=binary)


class _TenantSyncSession(Session):
    """The synchronous heart of :class:`TenantSession`; binds the practice when a transaction begins."""


class PlatformSession(AsyncSession):
    """A transaction as the application's login role: the registry, operators, the event queue."""


class TenantSession(AsyncSession):
    """A transaction bound to one practice; it can't be made without one."""

    sync_session_class = _TenantSyncSession

    def __init__(self, bind: AsyncEngine, tenant: TenantContext) -> None:
        super().__init__(bind, expire_on_commit=False, info={"tenant_key": check_key(tenant.key)})
        self.tenant = tenant


@event.listens_for(_TenantSyncSession, "after_begin")
def _bind_tenant(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return
    key: str = session.info["tenant_key"]
    connection.exec_driver_sql(_BIND_TENANT, (f"{key}, {EXTENSIONS_SCHEMA}", key))
    connection.info.setdefault("practices", set()).add(key)


async def bind_tenant(session: PlatformSession, key: str) -> None:
    """Make the rest of a platform transaction act as one practice, until :func:`release_tenant`.

    For the two places that work on a practice's schema and on the registry in one transaction: making a
    practice and moving its data. Everything else opens a tenant's transaction.
    """
    connection = await session.connection()
    await connection.exec_driver_sql(_BIND_TENANT, (f"{check_key(key)}, {EXTENSIONS_SCHEMA}", key))


async def release_tenant(session: PlatformSession) -> None:
    """Be the platform again within the transaction that :func:`bind_tenant` lent to a practice.

    ``RESET ROLE`` as a command: a practice's role may not call ``set_config``.
    """
    connection = await session.connection()
    await connection.exec_driver_sql("RESET ROLE")
    await connection.exec_driver_sql("SET LOCAL search_path = ''")


async def give_connection_back(session: AsyncSession) -> None:
    """End the session's transaction, in which nothing was written, so that its connection serves others.

    For work that takes long and needs no database (hashing a password), and before a second transaction is
    opened: a request that holds one connection while it waits for another can starve the pool. The next
    statement begins a new transaction, bound as before. Raises ``RuntimeError`` if something was written.
    """
    if session.new or session.dirty or session.deleted or session.info.get("published"):
        raise RuntimeError("there are changes: this would commit half of them")
    await session.commit()


def sqlalchemy_url(url: str) -> URL:
    """``url`` with the psycopg driver named, whatever PostgreSQL scheme it was given with."""
    return make_url(url).set(drivername="postgresql+psycopg")


def libpq_url(url: str) -> str:
    """``url`` as libpq wants it, without SQLAlchemy's driver suffix."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def create_engine(url: str, pool: PoolSettings, *, application_name: str = "todoenbalance") -> AsyncEngine:
    """A pooled engine whose cursors refuse several commands in one statement.

    ``hstore`` look-up is off: it would query the catalogue on each new connection for a type we don't use.
    """
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=pool.size,
        max_overflow=pool.overflow,
        pool_timeout=pool.timeout_seconds,
        pool_recycle=pool.recycle_seconds,
        pool_pre_ping=True,
        # Values stay out of error messages, and so out of every log.
        hide_parameters=True,
        use_native_hstore=False,
        connect_args={
            "cursor_factory": ExtendedProtocolCursor,
            "application_name": application_name,
            "connect_timeout": pool.connect_seconds,
        },
    )

    @event.listens_for(engine.sync_engine, "checkin")
    def _recycle_by_practices(dbapi_connection: Any, record: Any) -> None:
        if dbapi_connection is not None and len(record.info.get("practices", ())) > pool.practices_per_connection:
            record.info.pop("practices", None)
            record.invalidate()

    return engine


class Database:
    """Opens transactions. One per process and event loop.

    ``on_events`` is called after a commit that published events, so that the relay can be nudged; it
    must neither block nor raise.
    """

    def __init__(self, engine: AsyncEngine, on_events: Callable[[], None] | None = None) -> None:
        self.engine = engine
        self.on_events = on_events

    @classmethod
    def from_settings(cls, settings: Settings, on_events: Callable[[], None] | None = None) -> "Database":
        """Over the one database in the settings."""
        return cls(create_engine(settings.database_url.get_secret_value(), settings.pool), on_events)

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[PlatformSession]:
        """One transaction of the platform: committed at the end, rolled back on an error."""
        async with PlatformSession(self.engine, expire_on_commit=False) as session:
            yield session
            await self.commit(session)

    @asynccontextmanager
    async def tenant(self, tenant: TenantContext) -> AsyncIterator[TenantSession]:
        """One transaction of one practice: committed at the end, rolled back on an error."""
        async with TenantSession(self.engine, tenant) as session:
            yield session
            await self.commit(session)

    async def commit(self, session: AsyncSession) -> None:
        """Commit at the edge, then nudge the relay if the transaction published events."""
        published = session.info.pop("published", False)
        await session.commit()
        if published and self.on_events is not None:
            self.on_events()

    async def close(self) -> None:
        """Close every pooled connection, also when the caller is being cancelled."""
        await asyncio.shield(self.engine.dispose())
