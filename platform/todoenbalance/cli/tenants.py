"""``tenant create``, ``list``, ``suspend``, ``reactivate``."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from tenants.provisioning.service import NewOwner, NewTenant
from tenants.registry import service as registry
from tenants.registry.models import Tenant
from todoenbalance.cli.transactions import in_platform_transaction
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.pagination import Page
from todoenbalance.kit.settings import Settings
from todoenbalance.operators import service as operators
from todoenbalance.operators.schemas import Reason, TenantCreated, TenantIn, TenantRead

_PAGE = 100
Change = Callable[[PlatformSession, UUID | None, UUID, str], Awaitable[Tenant]]


def create(new: TenantIn, *, as_json: bool) -> None:
    """Make a practice, and say where its owner sets a password."""

    async def work(session: PlatformSession, settings: Settings) -> tuple[TenantCreated, str]:
        owner = NewOwner(new.owner.email, new.owner.first_name, new.owner.last_name)
        tenant, invitation_url = await operators.onboard_tenant(
            session,
            settings,
            None,
            NewTenant(
                slug=new.slug,
                name=new.name,
                country=new.country,
                timezone=new.timezone,
                locale=new.locale,
                currency=new.currency,
                plan=new.plan or "standard",
                owner=owner,
            ),
        )
        read = await _read(session, [tenant])
        made = TenantCreated(**read[0].model_dump(), invitation_url=invitation_url)
        return made, settings.practice_url(tenant.slug)

    made, address = in_platform_transaction(work)
    if as_json:
        typer.echo(made.model_dump_json())
    else:
        typer.echo(f"Practice {made.slug} ({made.key}) made: {address}")
        typer.echo(f"Its owner sets a password at {made.invitation_url}")


def show_all(*, as_json: bool) -> None:
    """Every practice, newest first."""
    rows = in_platform_transaction(_read_all)
    if as_json:
        typer.echo(Page[TenantRead](items=rows, next_cursor=None).model_dump_json())
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("Slug", "Key", "Name", "Status", "Plan", "Time zone", "Revision"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(row.slug, row.key, row.name, row.status, row.plan, row.timezone, row.schema_revision or "none")
    console = Console(highlight=False, markup=False)
    # A program that reads lines must not find them cut.
    console.width = console.width if console.is_terminal else 400
    console.print(table)


def suspend(name: str, reason: str, *, as_json: bool) -> None:
    """Stop serving the practice of this slug or key."""
    _change(name, reason, operators.suspend_tenant, as_json=as_json)


def reactivate(name: str, reason: str, *, as_json: bool) -> None:
    """Serve the practice of this slug or key again."""
    _change(name, reason, operators.reactivate_tenant, as_json=as_json)


def _change(name: str, reason: str, change: Change, *, as_json: bool) -> None:
    why = Reason(reason=reason).reason

    async def work(session: PlatformSession, _settings: Settings) -> TenantRead:
        tenant = await registry.find_tenant_by_name(session, name)
        changed = await change(session, None, tenant.id, why)
        return (await _read(session, [changed]))[0]

    read = in_platform_transaction(work)
    typer.echo(read.model_dump_json() if as_json else f"Practice {read.slug} ({read.key}) is {read.status}")


async def _read_all(session: PlatformSession, _settings: Settings) -> list[TenantRead]:
    rows: list[TenantRead] = []
    cursor: str | None = None
    while True:
        page, cursor = await registry.list_tenants(session, limit=_PAGE, cursor=cursor)
        rows += await _read(session, page)
        if cursor is None:
            return rows


async def _read(session: PlatformSession, tenants: list[Tenant]) -> list[TenantRead]:
    domains = await registry.domains_by_tenant(session, tenants)
    return [TenantRead.model_validate(tenant).model_copy(update={"domains": domains[tenant.id]}) for tenant in tenants]
