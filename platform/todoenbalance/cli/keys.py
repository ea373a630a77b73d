"""``keys reseal``."""

import asyncio
import json
import sys
from dataclasses import asdict

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

import todoenbalance.registry  # noqa: F401 - the mappers must know every table before the first query
from todoenbalance.cli.sealed import SealReport, reseal
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import get_settings


def run_reseal(*, as_json: bool) -> int:
    """Exit status 0 only if nothing is sealed by an older key any more."""
    report = asyncio.run(_reseal())
    if as_json:
        typer.echo(json.dumps({"ok": report.ok, **asdict(report)}))
    else:
        typer.echo(f"{report.renewed} secrets sealed anew, {report.current} were already")
        for place in report.unreadable:
            typer.echo(f"no key of the settings opens a secret in {place}", err=True)
    return 0 if report.ok else 1


async def _reseal() -> SealReport:
    runtime = Runtime.from_settings(get_settings())
    try:
        if not sys.stderr.isatty():
            return await reseal(runtime)
        columns = (TextColumn("Practices {task.completed}"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("practices", total=None)
            return await reseal(runtime, lambda done: bar.update(task, completed=done))
    finally:
        await runtime.database.close()
