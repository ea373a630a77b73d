"""``migrate`` and ``doctor``."""

import asyncio
import json
import sys
from dataclasses import asdict

import redis
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from migrations.runner import MigrationReport, migrate_all
from todoenbalance.devstack.errors import describe
from todoenbalance.kit.database_setup import Check, diagnose
from todoenbalance.kit.settings import Settings, get_settings, is_weak_secret


def run_migrations(*, as_json: bool) -> int:
    """Migrate with progress on a terminal; exit status 0 only if everything is up to date now."""
    report = asyncio.run(_migrate_with_progress(get_settings()))
    if as_json:
        typer.echo(json.dumps({"ok": report.ok, **asdict(report)}))
    else:
        first, *failures = report.lines()
        typer.echo(first)
        for line in failures:
            typer.echo(line, err=True)
    return 0 if report.ok else 1


async def _migrate_with_progress(settings: Settings) -> MigrationReport:
    if not sys.stderr.isatty():
        return await migrate_all(settings)
    columns = (TextColumn("Practices"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("practices", total=None, visible=False)
        return await migrate_all(
            settings, lambda done, total: bar.update(task, completed=done, total=total, visible=True)
        )


def run_doctor(*, as_json: bool) -> int:
    """Every check as a line; exit status 0 only if all of them are as they should be."""
    checks = examine(get_settings())
    if as_json:
        typer.echo(json.dumps({"ok": all(check.ok for check in checks), "checks": [asdict(c) for c in checks]}))
    else:
        for check in checks:
            typer.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}" + ("" if check.ok else f": {check.detail}"))
    return 0 if all(check.ok for check in checks) else 1


def examine(settings: Settings) -> list[Check]:
    """What `doctor` looks at; a server that does not answer is a failed check, not an exception."""
    return [*_secret_checks(settings), *_database_checks(settings), _redis_check(settings)]


def _secret_checks(settings: Settings) -> list[Check]:
    return [
        Check(
            f"secret key {kid}",
            not is_weak_secret(secret),
            "too short, too uniform or a placeholder: use 32 or more random characters",
        )
        for kid, secret in settings.signing_keys.items()
    ]


def _database_checks(settings: Settings) -> list[Check]:
    try:
        return diagnose(settings.database_url.get_secret_value())
    except Exception as error:  # whatever stops the look is what the check has found
        return [Check("PostgreSQL answers", False, describe(error))]


def _redis_check(settings: Settings) -> Check:
    client = redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_connect_timeout=5, socket_timeout=5)
    try:
        return Check("Redis answers", bool(client.ping()), "")
    except redis.RedisError as error:
        return Check("Redis answers", False, describe(error))
    finally:
        client.close()
