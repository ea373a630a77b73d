"""One practice's transaction reaches that practice and nothing else, and leaves nothing behind."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tenants.accounts.models import Client
from todoenbalance import registry
from todoenbalance.kit.database import PlatformBase, PlatformSession, TenantBase, TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import InvalidTenantKeyError, TenantContext, check_key

TENANT_TABLES = sorted(TenantBase.metadata.tables)
PLATFORM_TABLES = sorted(table.name for table in PlatformBase.metadata.tables.values())
VERBS = ("SELECT 1 FROM {table} LIMIT 1", "DELETE FROM {table}", "INSERT INTO {table} DEFAULT VALUES")

assert registry.MODULES


async def refused(session: TenantSession, statement: str) -> str:
    """The database's words when it refuses ``statement``."""
    async with session.begin_nested() as savepoint:
        with pytest.raises(DBAPIError) as caught:
            await session.execute(text(statement))
        await savepoint.rollback()
    return str(caught.value.orig)


class TestWithOnePracticeBound:
    async def test_every_table_of_another_practice_answers_permission_denied(
        self, session: TenantSession, other_practice: TenantContext
    ) -> None:
        for table in [*TENANT_TABLES, "alembic_version"]:
            for verb in VERBS:
                words = await refused(session, verb.format(table=f"{other_practice.key}.{table}"))
                assert "permission denied for schema" in words, (table, verb, words)

    async def test_every_table_of_the_platform_answers_permission_denied_but_for_adding_to_the_queue(
        self, session: TenantSession
    ) -> None:
        for table in [*PLATFORM_TABLES, "alembic_version"]:
            for verb in VERBS:
                if table == "outbox" and verb.startswith("INSERT"):
                    continue
                words = await refused(session, verb.format(table=f"platform.{table}"))
                assert "permission denied for table" in words, (table, verb, words)

    async def test_it_may_add_to_the_queue_for_itself(self, runtime: Runtime, practice: TenantContext) -> None:
        async with runtime.database.tenant(practice) as session:
            event_id = await publish(session, "test.happened", {"n": 1})
        async with runtime.database.platform() as platform:
            row = await platform.get_one(OutboxEvent, event_id)
            assert (row.tenant, row.topic, row.payload) == (practice.key, "test.happened", {"n": 1})
            await platform.delete(row)

    async def test_it_can_not_forge_another_practices_event(
        self, session: TenantSession, other_practice: TenantContext
    ) -> None:
        for forged in (other_practice.key, None):
            with pytest.raises(ProgrammingError, match="row-level security"):
                async with session.begin_nested():
                    now = datetime.now(UTC)
                    await session.execute(
                        insert(OutboxEvent).values(
                            id=new_id(), tenant=forged, topic="x", payload={}, created_at=now, run_at=now
                        )
                    )

    @pytest.mark.parametrize(
        "injected",
        [
            "set_config('role', '{other}', true)",
            "set_config('role', '{other}', false)",
            "pg_catalog.set_config('search_path', '{other}', true)",
            "(SELECT set_config('role', 'none', true))",
            "query_to_xml('SELECT set_config(''role'', ''{other}'', true)', true, true, '')::text",
            "query_to_xml('SET ROLE {other}', true, true, '')::text",
            "query_to_xml('SELECT email FROM {other}.clients', true, true, '')::text",
        ],
    )
    async def test_an_injected_expression_can_not_take_on_another_role(
        self, session: TenantSession, practice: TenantContext, other_practice: TenantContext, injected: str
    ) -> None:
        # What an injection into one of our statements could put there: any expression.
        expression = injected.format(other=other_practice.key)
        words = await refused(session, f"SELECT coalesce(max(email), ({expression})::text) FROM clients")
        assert "permission denied" in words or "is not allowed in a non-volatile function" in words, words
        role = await session.scalar(text("SELECT current_user"))
        assert role == practice.key

    @pytest.mark.parametrize(
        "second", ["SET ROLE {other}", "RESET ROLE", "COMMIT", "SET LOCAL role = 'none'", "DROP TABLE clients"]
    )
    async def test_a_second_command_after_a_semicolon_is_refused(
        self, session: TenantSession, practice: TenantContext, other_practice: TenantContext, second: str
    ) -> None:
        words = await refused(session, f"SELECT 1; {second.format(other=other_practice.key)}")
        assert "cannot insert multiple commands into a prepared statement" in words
        assert await session.scalar(text("SELECT current_user")) == practice.key

    async def test_it_can_not_make_temporary_tables_that_hide_its_own(self, session: TenantSession) -> None:
        words = await refused(session, "CREATE TEMPORARY TABLE clients (id int)")
        assert "permission denied to create temporary tables" in words


class TestWithoutAPractice:
    async def test_no_tenant_table_can_even_be_named(self, runtime: Runtime, practice: TenantContext) -> None:
        async with PlatformSession(runtime.database.engine) as session:
            for table in TENANT_TABLES:
                with pytest.raises(ProgrammingError, match="does not exist"):
                    async with session.begin_nested():
                        await session.execute(text(f"SELECT 1 FROM {table}"))

    async def test_the_login_role_has_no_right_on_a_practices_tables(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        async with PlatformSession(runtime.database.engine) as session:
            for table in TENANT_TABLES:
                with pytest.raises(ProgrammingError, match="permission denied for schema"):
                    async with session.begin_nested():
                        await session.execute(text(f"SELECT 1 FROM {practice.key}.{table}"))

    @pytest.mark.parametrize("name", ["public", "platform", "t_x", "t_0123456789; DROP", 't_"23456789', "T_abcdefghij"])
    def test_only_a_key_can_become_a_schemas_name(self, name: str) -> None:
        with pytest.raises(InvalidTenantKeyError):
            check_key(name)


class TestAfterwardsTheConnectionIsNeutral:
    async def neutral(self, runtime: Runtime) -> None:
        """Every pooled connection is the login role's, with an empty path, outside a transaction."""
        assert runtime.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # the queue pool has it
        async with runtime.database.engine.connect() as connection:
            row = (
                await connection.execute(
                    text("SELECT current_user, session_user, current_setting('search_path'), pg_backend_pid()")
                )
            ).one()
            assert row[0] == row[1] == "todoenbalance"
            assert row[2] in ("", '""')

    async def test_after_commit(self, runtime: Runtime, practice: TenantContext) -> None:
        async with runtime.database.tenant(practice) as session:
            assert await session.scalar(text("SELECT current_user")) == practice.key
        await self.neutral(runtime)

    async def test_after_rollback(self, runtime: Runtime, practice: TenantContext) -> None:
        async with TenantSession(runtime.database.engine, practice) as session:
            assert await session.scalar(text("SELECT current_user")) == practice.key
            await session.rollback()
        await self.neutral(runtime)

    async def test_after_an_error_in_the_database(self, runtime: Runtime, practice: TenantContext) -> None:
        with pytest.raises(DBAPIError):
            async with runtime.database.tenant(practice) as session:
                await session.execute(text("SELECT 1 / 0"))
        await self.neutral(runtime)

    async def test_after_an_error_in_our_code(self, runtime: Runtime, practice: TenantContext) -> None:
        with pytest.raises(KeyError):
            async with runtime.database.tenant(practice) as session:
                await session.execute(select(Client))
                raise KeyError("ours")
        await self.neutral(runtime)

    async def test_after_a_cancelled_request(self, runtime: Runtime, practice: TenantContext) -> None:
        started = asyncio.Event()

        async def slow() -> None:
            async with runtime.database.tenant(practice) as session:
                await session.execute(select(Client))
                started.set()
                await session.execute(text("SELECT pg_sleep(30)"))

        task = asyncio.create_task(slow())
        await started.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await self.neutral(runtime)

    async def test_two_practices_in_turn_over_one_connection_never_mix(
        self, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        for turn in range(12):  # past psycopg's threshold for preparing a statement
            for bound in (practice, other_practice):
                async with runtime.database.tenant(bound) as session:
                    name = f"{bound.key}-{turn}@example.com"
                    await session.execute(
                        text(
                            "INSERT INTO one_time_tokens (id, purpose, account_kind, account_id, token_hash,"
                            " created_at, expires_at) VALUES (gen_random_uuid(), 'x', 'client', gen_random_uuid(),"
                            " :name, now(), now())"
                        ),
                        {"name": name},
                    )
                    seen = (
                        (await session.execute(text("SELECT token_hash FROM one_time_tokens WHERE purpose = 'x'")))
                        .scalars()
                        .all()
                    )
                    assert len(seen) == turn + 1
                    assert all(value.startswith(bound.key) for value in seen)
