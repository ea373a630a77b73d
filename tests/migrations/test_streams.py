"""Both streams: from empty to head, equal to the models, the same for a new and a migrated practice."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text

from migrations.render import config, head
from migrations.runner import migrate_all
from tests.support.blocked import until_blocked
from tests.support.practices import make_practice
from todoenbalance.kit.database import EXTENSIONS_SCHEMA, PlatformBase, TenantBase, libpq_url, sqlalchemy_url
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext, new_key

DESCRIBE = """
SELECT 'column', c.relname, a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
       || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = %(schema)s::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind = 'r'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace
UNION ALL
SELECT 'index', tablename, indexdef FROM pg_indexes WHERE schemaname = %(schema)s::text
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(t.oid) || pg_get_functiondef(tgfoid)
FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE c.relnamespace = %(schema)s::regnamespace AND NOT tgisinternal
ORDER BY 1, 2, 3
"""


def describe(settings: Settings, key: str) -> list[tuple[str, ...]]:
    """Every column, constraint, index and trigger of a practice, its own name taken out."""
    with psycopg.connect(libpq_url(settings.database_url.get_secret_value())) as conn:
        conn.execute(f"SET search_path = {key}, {EXTENSIONS_SCHEMA}; SET ROLE {key}".encode())
        rows = conn.execute(DESCRIBE.encode(), {"schema": key}).fetchall()
    return [tuple(str(part).replace(key, "KEY") for part in row) for row in rows]


@contextmanager
def bound(settings: Settings, key: str | None) -> Iterator[Connection]:
    """A synchronous connection, acting as one practice or as the platform."""
    engine = create_engine(sqlalchemy_url(settings.database_url.get_secret_value()), poolclass=NullPool)
    with engine.connect() as connection:
        if key is not None:
            connection.exec_driver_sql(f"SET search_path = {key}, {EXTENSIONS_SCHEMA}")
            connection.exec_driver_sql(f"SET ROLE {key}")
            connection.commit()
            connection.dialect.default_schema_name = key
        yield connection
    engine.dispose()


async def register_unmigrated(runtime: Runtime, key: str) -> None:
    """A practice whose schema is empty and whose registry row says so: the oldest there can be."""
    async with runtime.database.platform() as session:
        for statement in (
            f"CREATE ROLE {key} NOLOGIN",
            f"GRANT todoenbalance_practices TO {key} WITH INHERIT TRUE, SET FALSE",
            f"CREATE SCHEMA {key} AUTHORIZATION {key}",
        ):
            await session.execute(text(statement))
        await session.execute(
            text(
                "INSERT INTO platform.tenants (id, key, slug, name, status, country, timezone, locale, currency)"
                " VALUES (gen_random_uuid(), :key, :slug, 'x', 'active', 'ES', 'Europe/Madrid', 'es', 'EUR')"
            ),
            {"key": key, "slug": key.replace("_", "-")},
        )


class TestTheStreams:
    @pytest.mark.parametrize("stream", ["platform", "tenant"])
    def test_each_has_one_head(self, stream: str) -> None:
        assert len(ScriptDirectory.from_config(config(stream)).get_heads()) == 1

    async def test_the_tenant_stream_equals_the_models(self, runtime: Runtime, practice: TenantContext) -> None:
        with bound(runtime.settings, practice.key) as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, TenantBase.metadata) == []

    def test_the_platform_stream_equals_the_models(self, settings: Settings) -> None:
        with bound(settings, None) as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "version_table_schema": "platform",
                    "include_schemas": True,
                    "include_name": lambda name, kind, _parents: kind != "schema" or name == "platform",
                },
            )
            assert compare_metadata(context, PlatformBase.metadata) == []

    async def test_each_practice_can_go_back_and_forth(self, runtime: Runtime) -> None:
        practice = await make_practice(runtime)
        before = describe(runtime.settings, practice.key)
        stream = config("tenant")
        with bound(runtime.settings, practice.key) as connection:
            stream.attributes["connection"] = connection
            await asyncio.to_thread(command.downgrade, stream, "base")
            await asyncio.to_thread(command.upgrade, stream, "head")
            connection.commit()
        assert describe(runtime.settings, practice.key) == before


class TestThePlatformStream:
    async def test_plans_go_back_and_forth_and_codes_that_are_in_use_become_plans(
        self, fresh_runtime: Runtime, fresh_settings: Settings
    ) -> None:
        await make_practice(fresh_runtime)
        stream = config("platform")
        with bound(fresh_settings, None) as connection:
            stream.attributes["connection"] = connection
            await asyncio.to_thread(command.downgrade, stream, "p0003")
            assert not connection.execute(text("SELECT to_regclass('platform.plans')")).scalar_one()
            connection.execute(text("UPDATE platform.tenants SET plan = 'made-up'"))
            await asyncio.to_thread(command.upgrade, stream, "head")
            plans = connection.execute(text("SELECT code, archived FROM platform.plans ORDER BY position, code")).all()
            connection.commit()
        assert [tuple(plan) for plan in plans] == [
            ("standard", False),
            ("starter", False),
            ("professional", False),
            ("made-up", True),
        ]

    async def test_who_changes_a_practice_and_publishes_it_is_not_caught_between_locks(
        self, fresh_runtime: Runtime, fresh_settings: Settings
    ) -> None:
        await make_practice(fresh_runtime)
        stream = config("platform")
        with bound(fresh_settings, None) as connection:
            stream.attributes["connection"] = connection
            await asyncio.to_thread(command.downgrade, stream, "p0005")
            connection.commit()
            async with fresh_runtime.database.platform() as session:
                await session.execute(text("UPDATE platform.tenants SET name = name"))
                upgrading = asyncio.create_task(asyncio.to_thread(command.upgrade, stream, "head"))
                await until_blocked(session)
                await publish(session, "tenant.changed", {})
            await upgrading
            connection.commit()


class TestANewPracticeAndAMigratedOne:
    async def test_have_the_same_schema(self, fresh_runtime: Runtime, fresh_settings: Settings) -> None:
        new = await make_practice(fresh_runtime)
        old = new_key()
        await register_unmigrated(fresh_runtime, old)
        report = await migrate_all(fresh_settings)
        assert report.ok, report.lines()
        assert report.migrated == [old]
        assert describe(fresh_settings, old) == describe(fresh_settings, new.key)


class TestMigrateAll:
    async def test_with_nothing_to_do_touches_no_practice(
        self, fresh_runtime: Runtime, fresh_settings: Settings
    ) -> None:
        await make_practice(fresh_runtime)
        report = await migrate_all(fresh_settings)
        assert report.ok
        assert report.migrated == []
        assert report.tenant_revision == head("tenant")

    async def test_one_practice_that_fails_stops_no_other_and_is_reported(
        self, fresh_runtime: Runtime, fresh_settings: Settings
    ) -> None:
        broken, fine = new_key(), [await make_practice(fresh_runtime) for _ in range(3)]
        await register_unmigrated(fresh_runtime, broken)
        async with fresh_runtime.database.platform() as session:
            await session.execute(text(f"SET LOCAL ROLE {broken}"))
            await session.execute(text(f"CREATE TABLE {broken}.clients (in_the_way int)"))
        async with fresh_runtime.database.platform() as session:
            await session.execute(text("UPDATE platform.tenants SET schema_revision = 'older'"))
        seen: list[tuple[int, int]] = []
        report = await migrate_all(fresh_settings, lambda done, of: seen.append((done, of)))
        assert not report.ok
        assert list(report.failed) == [broken]
        assert 'relation "clients" already exists' in report.failed[broken]
        assert sorted(report.migrated) == sorted(tenant.key for tenant in fine)
        assert seen[-1] == (4, 4)
        async with fresh_runtime.database.platform() as session:
            behind = (
                await session.execute(
                    text("SELECT key FROM platform.tenants WHERE schema_revision IS DISTINCT FROM :head"),
                    {"head": head("tenant")},
                )
            ).scalars()
            assert list(behind) == [broken]

    async def test_runs_that_meet_do_the_work_once(self, fresh_runtime: Runtime, fresh_settings: Settings) -> None:
        for _ in range(3):
            await make_practice(fresh_runtime)
        async with fresh_runtime.database.platform() as session:
            await session.execute(text("UPDATE platform.tenants SET schema_revision = NULL"))
        reports = await asyncio.gather(*(migrate_all(fresh_settings) for _ in range(3)))
        assert all(report.ok for report in reports), [report.lines() for report in reports]
