"""Every command: its options and one call. What it does lies in the module that it imports when it runs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="todoenbalance",
    help="Booking, payment and practice platform for nutritionists.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for a program.")]


@app.command()
def up(
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where the data lies.  [default: TODOENBALANCE_DATA_DIR or .data]", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="Port of the API.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; localhost is both loopbacks.")] = "localhost",
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Don't make the demo practices.")] = False,
    reload: Annotated[bool, typer.Option("--reload", help="Restart the API when code changes.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the API.")] = 1,
    tasks: Annotated[int, typer.Option(min=1, help="Processes of the Celery worker.")] = 2,
    logs: Annotated[bool, typer.Option("--logs", help="Show every log line, not only the troubles.")] = False,
) -> None:
    """Run everything on this machine, PostgreSQL and Redis included, for development."""
    from todoenbalance.cli.up import run_stack
    from todoenbalance.devstack.stack import UpOptions

    run_stack(
        UpOptions(
            data_dir=data_dir,
            port=port,
            host=host,
            with_demo=not no_demo,
            reload=reload,
            api_workers=workers,
            task_processes=tasks,
            show_logs=logs,
        )
    )


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104 - a container's default
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the API.")] = 1,
    forwarded_allow_ips: Annotated[
        str, typer.Option(help="Proxies whose X-Forwarded-* headers are believed, or *.")
    ] = "127.0.0.1",
) -> None:
    """Serve the API and the pages, for production."""
    from todoenbalance.cli.processes import exec_api

    exec_api(host=host, port=port, workers=workers, forwarded_allow_ips=forwarded_allow_ips)


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(min=1, help="Processes that run tasks.")] = 2,
) -> None:
    """Run the tasks (Celery, one event loop in each process)."""
    from todoenbalance.cli.processes import exec_worker

    exec_worker(concurrency=concurrency)


@app.command()
def beat(
    schedule_file: Annotated[
        Path | None, typer.Option(help="Where Celery remembers its last runs.  [default: the data folder]")
    ] = None,
) -> None:
    """Run the clock that starts recurring tasks; exactly one per deployment."""
    from todoenbalance.cli.processes import exec_beat

    exec_beat(schedule_file=schedule_file)


@app.command()
def migrate(as_json: AsJson = False) -> int:
    """Bring the platform, then every practice, up to date; repeat it as often as you like."""
    from todoenbalance.cli.database import run_migrations

    return run_migrations(as_json=as_json)


@app.command()
def doctor(as_json: AsJson = False) -> int:
    """Check the settings, PostgreSQL and Redis, and say what to do about what is not right."""
    from todoenbalance.cli.database import run_doctor

    return run_doctor(as_json=as_json)


operator_app = typer.Typer(help="Operators of the platform.", no_args_is_help=True)
tenant_app = typer.Typer(help="Practices.", no_args_is_help=True)
billing_app = typer.Typer(help="Money and invoices.", no_args_is_help=True)
keys_app = typer.Typer(help="Secret keys.", no_args_is_help=True)
app.add_typer(billing_app, name="billing")
app.add_typer(keys_app, name="keys")
app.add_typer(operator_app, name="operator")
app.add_typer(tenant_app, name="tenant")

Practice = Annotated[str, typer.Argument(help="The practice's slug or key.", metavar="PRACTICE")]
Why = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]


@operator_app.command("create")
def operator_create(
    email: Annotated[str, typer.Option(help="What the operator signs in with.")],
    first_name: Annotated[str, typer.Option()] = "",
    last_name: Annotated[str, typer.Option()] = "",
    locale: Annotated[
        str | None, typer.Option(help="es or en, for their mails.  [default: the deployment's]", show_default=False)
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, not the terminal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an operator; asks for the password."""
    from todoenbalance.cli.operators import create

    create(
        email=email,
        first_name=first_name,
        last_name=last_name,
        locale=locale,
        password_stdin=password_stdin,
        as_json=as_json,
    )


@operator_app.command("reset-password")
def operator_reset_password(
    email: Annotated[str, typer.Option(help="Whose password it is.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, not the terminal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give an operator another password and sign them out everywhere; asks for the password."""
    from todoenbalance.cli.operators import reset_password

    reset_password(email=email, password_stdin=password_stdin, as_json=as_json)


@operator_app.command("reset-second-factor")
def operator_reset_second_factor(
    email: Annotated[str, typer.Option(help="Whose second factors are lost.")],
    as_json: AsJson = False,
) -> None:
    """Forget an operator's second factors and sign them out everywhere; they set up new ones after the password."""
    from todoenbalance.cli.operators import reset_second_factor

    reset_second_factor(email=email, as_json=as_json)


@operator_app.command("disable")
def operator_disable(
    email: Annotated[str, typer.Option(help="Who is to have no access any more.")], as_json: AsJson = False
) -> None:
    """Take an operator's access away and sign them out everywhere; the others are told by mail."""
    from todoenbalance.cli.operators import disable

    disable(email=email, as_json=as_json)


@operator_app.command("enable")
def operator_enable(
    email: Annotated[str, typer.Option(help="Who is to have access again.")], as_json: AsJson = False
) -> None:
    """Give a disabled operator access again; the others are told by mail."""
    from todoenbalance.cli.operators import enable

    enable(email=email, as_json=as_json)


@tenant_app.command("create")
def tenant_create(
    slug: Annotated[str, typer.Option(help="Its subdomain.")],
    name: Annotated[str, typer.Option(help="What its clients read.")],
    owner_email: Annotated[str, typer.Option(help="Who is invited to run it.")],
    owner_first_name: Annotated[str, typer.Option()],
    owner_last_name: Annotated[str, typer.Option()],
    country: Annotated[str, typer.Option(help="ISO 3166 code.")] = "ES",
    timezone: Annotated[str, typer.Option(help="IANA time zone.")] = "Europe/Madrid",
    locale: Annotated[str, typer.Option(help="es or en.")] = "es",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "EUR",
    plan: Annotated[str, typer.Option()] = "standard",
    as_json: AsJson = False,
) -> None:
    """Make a practice, whole or not at all, and invite its owner."""
    from todoenbalance.cli.tenants import create
    from todoenbalance.operators.schemas import TenantIn

    owner = {"email": owner_email, "first_name": owner_first_name, "last_name": owner_last_name}
    fields = {
        "slug": slug,
        "name": name,
        "country": country,
        "timezone": timezone,
        "locale": locale,
        "currency": currency,
        "plan": plan,
        "owner": owner,
    }
    create(TenantIn.model_validate(fields), as_json=as_json)


@tenant_app.command("list")
def tenant_list(as_json: AsJson = False) -> None:
    """Every practice, newest first."""
    from todoenbalance.cli.tenants import show_all

    show_all(as_json=as_json)


@tenant_app.command("suspend")
def tenant_suspend(practice: Practice, reason: Why, as_json: AsJson = False) -> None:
    """Stop serving a practice; nothing is deleted."""
    from todoenbalance.cli.tenants import suspend

    suspend(practice, reason, as_json=as_json)


@tenant_app.command("reactivate")
def tenant_reactivate(practice: Practice, reason: Why, as_json: AsJson = False) -> None:
    """Serve a suspended practice again."""
    from todoenbalance.cli.tenants import reactivate

    reactivate(practice, reason, as_json=as_json)


@keys_app.command("reseal")
def keys_reseal(as_json: AsJson = False) -> int:
    """Seal stored secrets with the present key, so that the older ones can be dropped; repeat it as you like."""
    from todoenbalance.cli.keys import run_reseal

    return run_reseal(as_json=as_json)


@billing_app.command("reconcile")
def billing_reconcile(
    tenant: Annotated[
        str | None, typer.Option(help="One practice's slug or key.  [default: all]", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Compare payments with their providers, mend what can be mended; status 0 only if all of them agree."""
    from todoenbalance.cli.billing import run_reconcile

    return run_reconcile(tenant, as_json=as_json)


@billing_app.command("verify-documents")
def billing_verify_documents(
    practice: Annotated[
        str | None, typer.Argument(help="Only this practice, by slug or key.", metavar="[PRACTICE]")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Hold every issued invoice against its chain of hashes; exit status 1 if anything was changed or is missing."""
    from todoenbalance.cli.invoices import run_verify_documents

    return run_verify_documents(practice, as_json=as_json)
