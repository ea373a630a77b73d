"""``billing reconcile``."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

import todoenbalance.registry  # noqa: F401 - the mappers must know every table before the first query
from billing.reconciliation.service import read_state, reconcile
from tenants.registry import service as registry
from tenants.registry.models import Tenant, TenantStatus
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import get_settings
from todoenbalance.subscriptions import register_composers, register_payable_kinds

_PAGE = 100
_log = get_logger("cli.billing")


@dataclass(slots=True)
class PracticeReport:
    """What comparing one practice's books with its providers found."""

    practice: str
    checked: int
    mended: int
    unreadable: int
    disagreeing: int


@dataclass(slots=True)
class Report:
    """All of them; ``failed`` are practices whose comparison broke off, with the reason."""

    practices: list[PracticeReport] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything was compared and agrees."""
        return not self.failed and not any(one.disagreeing or one.unreadable for one in self.practices)


def run_reconcile(name: str | None, *, as_json: bool) -> int:
    """Exit status 0 only if every payment could be compared and agrees with its provider."""
    report = asyncio.run(_reconcile(name))
    if as_json:
        typer.echo(json.dumps({"ok": report.ok, **asdict(report)}))
        return 0 if report.ok else 1
    for one in report.practices:
        typer.echo(
            f"{one.practice}: {one.checked} compared, {one.mended} mended, {one.unreadable} unreadable,"
            f" {one.disagreeing} that disagree"
        )
    for practice, reason in report.failed.items():
        typer.echo(f"{practice}: broke off: {reason}", err=True)
    return 0 if report.ok else 1


async def _reconcile(name: str | None) -> Report:
    register_composers()
    register_payable_kinds()
    runtime, report = Runtime.from_settings(get_settings()), Report()
    columns = (TextColumn("Practices {task.completed}"), TimeElapsedColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("practices", total=None)
            async for tenant in _practices(runtime, name):
                await _one(runtime, tenant, report)
                bar.update(task, advance=1)
        return report
    finally:
        await runtime.close()


async def _one(runtime: Runtime, tenant: Tenant, report: Report) -> None:
    context = registry.to_context(tenant)
    try:
        run = await reconcile(runtime, context)
        async with runtime.database.tenant(context) as session:
            state = await read_state(session)
    except Exception as error:  # the edge: one practice's trouble must not keep the others from being compared
        _log.exception("reconciliation_failed", practice=tenant.key)
        report.failed[tenant.slug] = type(error).__name__
        return
    report.practices.append(PracticeReport(tenant.slug, run.checked, run.mended, run.unreadable, state.disagreeing))


async def _practices(runtime: Runtime, name: str | None) -> AsyncIterator[Tenant]:
    if name is not None:
        async with runtime.database.platform() as session:
            tenant = await registry.find_tenant_by_name(session, name)
        yield tenant
        return
    cursor: str | None = None
    while True:
        async with runtime.database.platform() as session:
            page, cursor = await registry.list_tenants(session, limit=_PAGE, cursor=cursor)
        for tenant in page:
            if tenant.status != TenantStatus.PROVISIONING:
                yield tenant
        if cursor is None:
            return
