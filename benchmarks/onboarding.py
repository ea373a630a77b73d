"""Making a practice against its bare statements."""

import time
from itertools import count

import psycopg
from psycopg import sql

from benchmarks.load import Sample, alternate
from benchmarks.options import Options
from benchmarks.practices import provision
from benchmarks.report import Comparison
from benchmarks.stack import Say, Stack
from migrations.render import tenant_upgrade
from todoenbalance.kit.database import EXTENSIONS_SCHEMA
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import new_key


async def compare_onboarding(stack: Stack, runtime: Runtime, options: Options, say: Say) -> list[Comparison]:
    """By turns, one at a time: a whole practice, and a schema with the tenant stream's statements run in it."""
    say(f"onboarding {options.onboardings} practices")
    statements = [statement.encode() for statement in tenant_upgrade(None)]
    slugs = (f"onboarded-{number:05d}" for number in count())

    async def onboard() -> Sample:
        begun = time.perf_counter()
        await provision(runtime, next(slugs))
        return _one(begun)

    with psycopg.connect(stack.database_url) as connection:

        async def run_statements() -> Sample:
            begun = time.perf_counter()
            _run_bare(connection, statements)
            return _one(begun)

        await alternate(2, [onboard, run_statements])
        ours, theirs = await alternate(options.onboardings, [onboard, run_statements])
    return [Comparison("onboarding a practice", ours, "its bare statements", theirs, has_rate=False)]


def _one(begun: float) -> Sample:
    seconds = time.perf_counter() - begun
    return Sample([seconds], seconds)


def _run_bare(connection: psycopg.Connection[tuple[object, ...]], statements: list[bytes]) -> None:
    """One transaction: an empty schema, and the rendered statements in it."""
    schema = sql.Identifier(new_key())
    with connection.transaction():
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        connection.execute(sql.SQL("SET LOCAL search_path = {}, {}").format(schema, sql.Identifier(EXTENSIONS_SCHEMA)))
        for statement in statements:
            connection.execute(statement)
