"""Bringing the platform, then every practice, up to date: ``todoenbalance migrate``.

Each practice goes in a transaction of its own, with a lock timeout and an advisory lock, so a run may be
broken off and repeated, two runs may meet, and one practice that fails stops no other. The registry
records each practice's revision: one query finds those that are behind, and with none behind a run is
over in milliseconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from alembic import command
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import NullPool, create_engine, text

from migrations.render import ALEMBIC_LOCK, config, head, tenant_upgrade
from todoenbalance.kit.database import EXTENSIONS_SCHEMA, PLATFORM_SCHEMA, libpq_url, sqlalchemy_url
from todoenbalance.kit.database_setup import prepare_database, secure_database
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import check_key

LOCK_TIMEOUT = "5s"
_PLATFORM_LOCK = 7_306_171
_PARALLEL = 4

Progress = Callable[[int, int], None]
"""Told how many practices are done, of how many."""


@dataclass(slots=True)
class MigrationReport:
    """What a run did: revision of the platform, practices that were brought up to date, and those that failed."""

    platform_revision: str = ""
    tenant_revision: str = ""
    migrated: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything is at its newest revision now."""
        return not self.failed

    def lines(self) -> list[str]:
        """The report for a person."""
        result = [
            (
                f"platform at {self.platform_revision}; practices at {self.tenant_revision}:"
                f" {len(self.migrated)} migrated, {len(self.failed)} failed"
            )
        ]
        result += [f"{key}: {reason}" for key, reason in sorted(self.failed.items())]
        return result


async def migrate_all(settings: Settings, progress: Progress | None = None) -> MigrationReport:
    """Prepare the database, migrate the shared schema, then each practice that is behind.

    Raises ``psycopg.Error`` or :class:`~todoenbalance.kit.database_setup.UnsupportedServerError` where the
    shared part fails; a practice's failure is in the report.
    """
    url = settings.database_url.get_secret_value()
    await asyncio.to_thread(_migrate_platform, settings)
    report = MigrationReport(platform_revision=head("platform"), tenant_revision=head("tenant"))
    behind = await asyncio.to_thread(_behind, url, report.tenant_revision)
    queue = list(reversed(behind))

    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(libpq_url(url), autocommit=True) as conn:
            while queue:
                key = queue.pop()
                try:
                    await _migrate_tenant(conn, key, report.tenant_revision)
                    report.migrated.append(key)
                except (psycopg.Error, CommandError) as error:
                    report.failed[key] = " ".join(str(error).split())
                if progress is not None:
                    progress(len(report.migrated) + len(report.failed), len(behind))

    if behind:
        await asyncio.gather(*(work() for _ in range(min(_PARALLEL, len(behind)))))
    return report


def _migrate_platform(settings: Settings) -> None:
    url = settings.database_url.get_secret_value()
    if settings.database_admin_url is not None:
        prepare_database(admin_url=settings.database_admin_url.get_secret_value(), login_url=url)
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool, use_native_hstore=False)
    try:
        with engine.connect() as connection:
            # Held until the connection closes: runs that meet take turns.
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _PLATFORM_LOCK})
            connection.commit()
            # The preparation is needed once; the version table is there only after it.
            if connection.scalar(text("SELECT to_regclass('platform.alembic_version')")) is None:
                secure_database(url)
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {PLATFORM_SCHEMA}"))
                connection.commit()
            stream = config("platform")
            stream.attributes["connection"] = connection
            connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
            with ALEMBIC_LOCK:  # taken after the database's lock, and nobody waits for that one holding this
                command.upgrade(stream, "head")
            connection.commit()
    finally:
        engine.dispose()


def _behind(url: str, newest: str) -> list[str]:
    with psycopg.connect(libpq_url(url)) as conn:
        rows = conn.execute(
            "SELECT key FROM platform.tenants WHERE schema_revision IS DISTINCT FROM %s ORDER BY key",
            (newest,),
        ).fetchall()
    return [check_key(row[0]) for row in rows]


async def _revision_of(conn: psycopg.AsyncConnection[tuple[object, ...]]) -> str | None:
    """The revision of the practice that the transaction is bound to; None for a schema without tables."""
    table = await (await conn.execute("SELECT to_regclass('alembic_version')")).fetchone()
    if table is None or table[0] is None:
        return None
    row = await (await conn.execute("SELECT version_num FROM alembic_version")).fetchone()
    return str(row[0]) if row else None


async def _migrate_tenant(conn: psycopg.AsyncConnection[tuple[object, ...]], key: str, newest: str) -> None:
    """One practice, in one transaction. The schema's own version table is the truth, the registry its copy."""
    async with conn.transaction():
        await conn.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
        await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))
        await conn.execute(
            "SELECT set_config('search_path', %s, true), set_config('role', %s, true)",
            (f"{key}, {EXTENSIONS_SCHEMA}", key),
        )
        for statement in tenant_upgrade(await _revision_of(conn)):
            await conn.execute(statement.encode())
        await conn.execute("RESET ROLE")
        await conn.execute("UPDATE platform.tenants SET schema_revision = %s WHERE key = %s", (newest, key))
