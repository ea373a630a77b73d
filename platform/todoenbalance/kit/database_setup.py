"""What a database needs once, before any migration: login role, extensions, and two locks.

Done with a superuser's address where there is one (the embedded server, or ``database_admin_url``);
:func:`secure_database` does what the login role itself may do, and :func:`diagnose` says what is missing.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from todoenbalance.kit.database import EXTENSIONS_SCHEMA, libpq_url
from todoenbalance.kit.errors import ProblemError

MINIMUM_SERVER_VERSION = 160000
"""Role memberships with INHERIT FALSE, SET TRUE exist since PostgreSQL 16."""

EXTENSIONS = ("btree_gist", "citext")


class UnsupportedServerError(ProblemError):
    """The PostgreSQL server is too old for roles that may be taken but not inherited."""

    code = "unsupported_postgresql"
    title = "PostgreSQL is too old"
    messages = {  # noqa: RUF012 - declared ClassVar on the base
        "en": "PostgreSQL {version} is too old: 16 or newer is needed."
    }


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``doctor``: what was looked at, whether it is as it should be, and what to do if not."""

    name: str
    ok: bool
    remedy: str

    @property
    def detail(self) -> str:
        """Nothing for what is as it should be, else what to do."""
        return "" if self.ok else self.remedy


def prepare_database(*, admin_url: str, login_url: str) -> None:
    """Make the login role and database named in ``login_url`` on the server of ``admin_url``, and lock them.

    Safe to repeat. Raises :class:`UnsupportedServerError`, or ``psycopg.Error`` where the server refuses.
    """
    login = make_url(login_url)
    role, database = login.username or "", login.database or ""
    with psycopg.connect(libpq_url(admin_url), autocommit=True, connect_timeout=10) as admin:
        _check_version(admin)
        name = sql.Identifier(role)
        if not _exists(admin, "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", role):
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER CREATEROLE").format(name))
        if login.password:
            admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(str(login.password))))
        if not _exists(admin, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", database):
            admin.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(database), name
                )
            )
    inside = make_url(admin_url).set(database=database).render_as_string(hide_password=False)
    with psycopg.connect(libpq_url(inside), autocommit=True, connect_timeout=10) as admin:
        _lock_set_config(admin, role)
    secure_database(login_url)


def secure_database(login_url: str) -> None:
    """What the login role may do for itself: extensions, an empty search path, nothing for PUBLIC.

    Safe to repeat, and quick when there is nothing to do. Raises :class:`UnsupportedServerError`.
    """
    with psycopg.connect(libpq_url(login_url), autocommit=True, connect_timeout=10) as conn:
        _check_version(conn)
        row = conn.execute(
            "SELECT current_user, current_database(), rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
        ).fetchone()
        if row is None:
            raise LookupError("the login role does not see itself in pg_roles")
        role, database, superuser = row
        if superuser:
            _lock_set_config(conn, role)
        schema = sql.Identifier(EXTENSIONS_SCHEMA)
        conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        conn.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO PUBLIC").format(schema))
        for extension in EXTENSIONS:
            conn.execute(
                sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {}").format(sql.Identifier(extension), schema)
            )
        conn.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        here = sql.SQL("ALTER ROLE {} IN DATABASE {} SET ").format(sql.Identifier(role), sql.Identifier(database))
        conn.execute(here + sql.SQL("search_path = ''"))
        # The planner guesses 100,000 rows for the availability statement where there are about a hundred,
        # and would compile it at 50 ms a time.
        conn.execute(here + sql.SQL("jit = off"))
        # A process that hangs inside a transaction must not hold its locks for ever.
        conn.execute(here + sql.SQL("idle_in_transaction_session_timeout = '60s'"))
        # A role that we create may be taken on (SET) but gives us nothing by itself (no INHERIT).
        conn.execute(here + sql.SQL("createrole_self_grant = 'set'"))


def diagnose(login_url: str) -> list[Check]:
    """The state of everything above, for ``doctor``. Raises ``psycopg.OperationalError`` if nobody answers."""
    with psycopg.connect(libpq_url(login_url), autocommit=True, connect_timeout=10) as conn:
        version = conn.info.server_version
        checks = [
            Check(
                "PostgreSQL version",
                version >= MINIMUM_SERVER_VERSION,
                f"{version // 10000}.{version % 10000}, needs 16",
            )
        ]
        row = conn.execute(
            "SELECT rolsuper, rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user"
        ).fetchone()
        superuser, createrole = row or (False, False)
        checks.append(
            Check("login role is no superuser", not superuser, "a superuser's login weakens every lock below")
        )
        checks.append(Check("login role may create roles", superuser or createrole, "needed to onboard practices"))
        public = conn.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_proc p, aclexplode(coalesce(p.proacl,"
            " acldefault('f', p.proowner))) a WHERE p.proname = 'set_config'"
            " AND p.pronamespace = 'pg_catalog'::regnamespace AND a.grantee = 0)"
        ).fetchone()
        checks.append(
            Check(
                "set_config is closed to practices",
                not (public and public[0]),
                "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config FROM PUBLIC as a superuser",
            )
        )
        path = conn.execute("SHOW search_path").fetchone()
        search_path = str(path[0]) if path else ""
        checks.append(Check("search path is empty", search_path in ('""', ""), f"it is {search_path}"))
        return checks


def _lock_set_config(conn: psycopg.Connection[tuple[object, ...]], login_role: str) -> None:
    """Only the login role may call ``set_config``; else an injected expression could take on another role."""
    function = sql.SQL("FUNCTION pg_catalog.set_config(text, text, boolean)")
    conn.execute(sql.SQL("GRANT EXECUTE ON {} TO {}").format(function, sql.Identifier(login_role)))
    conn.execute(sql.SQL("REVOKE EXECUTE ON {} FROM PUBLIC").format(function))


def _check_version(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    if conn.info.server_version < MINIMUM_SERVER_VERSION:
        raise UnsupportedServerError(version=conn.info.server_version // 10000)


def _exists(conn: psycopg.Connection[tuple[object, ...]], query: str, value: str) -> bool:
    return conn.execute(query.encode(), (value,)).fetchone() is not None
