"""Practices that are used again, as they were on their first day.

Making one is some seven hundred statements of DDL, and nearly every test wants one: it was two fifths of the
suite's time, and thousands of schemas made everything else slower as well. What a test did to its practice is
undone by the superuser, who is bound by no trigger and no policy: every row of it goes, in its schema and in the
platform's, and those that it was made with come back.
"""

import contextlib
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg import sql

from todoenbalance.kit import clock
from todoenbalance.kit.tenancy import TenantContext

Kind = tuple[object, ...]
"""What a practice was made of; those of one kind are the same."""
_PLATFORM = "platform"
_OWNING_COLUMNS = ("tenant", "tenant_key", "tenant_id")


@dataclass(frozen=True, slots=True)
class _Table:
    schema: str
    name: str
    where: sql.Composable
    """Which of its rows are the practice's."""

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


@dataclass(slots=True)
class _Pooled:
    practice: TenantContext
    tables: list[_Table]
    first_day: list[tuple[_Table, list[str], str]]
    """Table, columns that can be written, rows as JSON."""
    made_at: datetime


@dataclass(slots=True)
class PracticePool:
    """The practices of one database (``url`` is its superuser's); ``database`` is the product's own address of it.

    Only what is taken while a test runs comes back when it ends: what fixtures of a wider scope take is theirs.
    """

    url: str
    database: str
    _idle: dict[Kind, list[_Pooled]] = field(default_factory=dict)
    _taken: list[tuple[Kind, _Pooled]] | None = None
    _keeper: psycopg.Connection | None = None

    def begin_test(self) -> None:
        """From here on what is taken is lent to one test."""
        self._taken = []

    def end_test(self) -> None:
        """What was lent may be lent to the next; it is cleaned then, when nothing of this test runs any more."""
        for kind, pooled in self._taken or []:
            self._idle.setdefault(kind, []).append(pooled)
        self._taken = None

    def forget_operators(self) -> None:
        """Those of one test are none of the next: what one is told of the others would be queued for all of them."""
        with contextlib.suppress(psycopg.Error):  # one that is locked stays
            if self._keeper is None:
                self._keeper = psycopg.connect(self.url, autocommit=True)
                self._keeper.execute("SET lock_timeout = '2s'")
            self._keeper.execute("DELETE FROM platform.operators")
            self._keeper.execute("DELETE FROM platform.outbox WHERE topic = 'operator_mail.send'")

    def close(self) -> None:
        """At the end."""
        if self._keeper is not None:
            self._keeper.close()

    def take(self, kind: Kind) -> TenantContext | None:
        """A practice as on its first day, or None if none is free."""
        idle = self._idle.get(kind, [])
        while self._taken is not None and idle:
            pooled = idle.pop()
            # One that is locked, or whose tables a test took away, is left alone.
            with contextlib.suppress(psycopg.Error):
                self._restore(pooled)
                self._taken.append((kind, pooled))
                return pooled.practice
        return None

    def lend(self, kind: Kind, practice: TenantContext) -> None:
        """Note a practice that was made just now, with all that is in it."""
        if self._taken is None:
            return
        with psycopg.connect(self.url) as connection:
            tables = _tables_of(connection, practice)
            first_day = [
                (table, _columns_of(connection, table), rows)
                for table in tables
                if (rows := _rows_of(connection, table)) is not None
            ]
        self._taken.append((kind, _Pooled(practice, tables, first_day, clock.now())))

    def _restore(self, pooled: _Pooled) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute("SET LOCAL lock_timeout = '2s'")
            for table in _with_rows(connection, pooled.tables):
                connection.execute(sql.SQL("DELETE FROM {} WHERE {}").format(table.identifier, table.where))
            for table, columns, rows in pooled.first_day:
                names = sql.SQL(", ").join(map(sql.Identifier, columns))
                connection.execute(
                    sql.SQL("INSERT INTO {} ({}) SELECT {} FROM json_populate_recordset(NULL::{}, {})").format(
                        table.identifier, names, names, table.identifier, sql.Literal(rows)
                    )
                )
            # What it has to do one day is as far away as on the first.
            connection.execute(
                "UPDATE platform.outbox SET run_at = run_at + %(age)s, created_at = created_at + %(age)s"
                " WHERE tenant = %(key)s",
                {"age": clock.now() - pooled.made_at, "key": pooled.practice.key},
            )
            for (name,) in connection.execute(
                "SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) FROM pg_sequences"
                " WHERE schemaname = %s AND last_value IS NOT NULL",
                [pooled.practice.key],
            ).fetchall():
                connection.execute(sql.SQL("ALTER SEQUENCE {} RESTART").format(sql.SQL(name)))


def _tables_of(connection: psycopg.Connection, practice: TenantContext) -> list[_Table]:
    own = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [practice.key]).fetchall()
    shared = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = %s AND (column_name = ANY(%s) OR (table_name, column_name) = ('tenants', 'key'))",
        [_PLATFORM, list(_OWNING_COLUMNS)],
    ).fetchall()
    tables = [_Table(practice.key, name, sql.SQL("true")) for (name,) in own]
    for name, column in shared:
        owner = str(practice.id) if column == "tenant_id" else practice.key
        tables.append(_Table(_PLATFORM, name, sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(owner))))
    return tables


def _columns_of(connection: psycopg.Connection, table: _Table) -> list[str]:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s AND is_generated = 'NEVER'",
        [table.schema, table.name],
    ).fetchall()
    return [name for (name,) in found]


def _rows_of(connection: psycopg.Connection, table: _Table) -> str | None:
    row = connection.execute(
        sql.SQL("SELECT json_agg(t)::text FROM {} t WHERE {}").format(table.identifier, table.where)
    ).fetchone()
    return row[0] if row else None


def _with_rows(connection: psycopg.Connection, tables: list[_Table]) -> list[_Table]:
    looks = [
        sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {} WHERE {})").format(number, table.identifier, table.where)
        for number, table in enumerate(tables)
    ]
    return [tables[number] for (number,) in connection.execute(sql.SQL(" UNION ALL ").join(looks)).fetchall()]
