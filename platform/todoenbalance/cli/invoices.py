"""``billing verify-documents``."""

import asyncio
import json

import typer

import todoenbalance.registry  # noqa: F401 - the mappers must know every table before the first query
from billing.documents.verifactu.chain import ChainReport, verify_documents
from tenants.registry import service as registry
from tenants.registry.models import Tenant
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import get_settings

_PAGE = 100


def run_verify_documents(practice: str | None, *, as_json: bool) -> int:
    """Exit status 0 only if every chain is whole."""
    reports = asyncio.run(_verify(practice))
    is_whole = all(report.ok for report in reports.values())
    if as_json:
        found = {slug: {"ok": one.ok, "checked": one.checked, "faults": one.faults} for slug, one in reports.items()}
        typer.echo(json.dumps({"ok": is_whole, "practices": found}))
        return 0 if is_whole else 1
    for slug, report in reports.items():
        for fault in report.faults:
            typer.echo(f"{slug}: {fault}", err=True)
    checked = sum(report.checked for report in reports.values())
    typer.echo(f"{checked} invoices of {len(reports)} practices checked, {'all whole' if is_whole else 'NOT whole'}")
    return 0 if is_whole else 1


async def _verify(practice: str | None) -> dict[str, ChainReport]:
    runtime = Runtime.from_settings(get_settings())
    try:
        return await verify_practices(runtime, practice)
    finally:
        await runtime.database.close()


async def verify_practices(runtime: Runtime, practice: str | None = None) -> dict[str, ChainReport]:
    """The report of each practice (or of the one of that slug or key) by slug; a transaction for each.

    Raises ``NotFoundError`` for a practice that there is none of.
    """
    reports: dict[str, ChainReport] = {}
    for tenant in await _practices(runtime, practice):
        async with runtime.database.tenant(registry.to_context(tenant, "")) as session:
            reports[tenant.slug] = await verify_documents(session)
    return reports


async def _practices(runtime: Runtime, practice: str | None) -> list[Tenant]:
    found: list[Tenant] = []
    cursor: str | None = None
    async with runtime.database.platform() as session:
        if practice is not None:
            return [await registry.find_tenant_by_name(session, practice)]
        while True:
            page, cursor = await registry.list_tenants(session, limit=_PAGE, cursor=cursor)
            found += page
            if cursor is None:
                return found
