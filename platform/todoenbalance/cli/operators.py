"""``operator create``, ``operator reset-password`` and ``operator reset-second-factor``."""

import json
import sys

import typer
from pydantic import BaseModel

from tenants.accounts.schemas import Email
from todoenbalance.cli.transactions import in_platform_transaction
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.operators import passwords
from todoenbalance.operators.models import Operator
from todoenbalance.operators.second_factors import reset_operator
from todoenbalance.operators.service import create_operator


class _Address(BaseModel):
    email: Email


def create(*, email: str, first_name: str, last_name: str, password_stdin: bool, as_json: bool) -> None:
    """Make an operator. Raises what ``create_operator`` raises, and ``ValidationError`` for an odd e-mail."""
    address = _Address(email=email).email
    password = _ask_password(from_stdin=password_stdin)

    async def work(session: PlatformSession, settings: Settings) -> Operator:
        return await create_operator(
            session,
            email=address,
            password=password,
            first_name=first_name,
            last_name=last_name,
            rules=settings.auth.passwords,
        )

    operator = in_platform_transaction(work)
    if as_json:
        typer.echo(json.dumps({"id": str(operator.id), "email": operator.email}))
    else:
        typer.echo(f"Operator {operator.email} made")


def reset_password(*, email: str, password_stdin: bool, as_json: bool) -> None:
    """Give an operator another password, end their sign-ins and lift a lock. There is no mailed way to do that.

    Raises what ``passwords.reset_password`` raises.
    """
    address = _Address(email=email).email
    password = _ask_password(from_stdin=password_stdin)

    async def work(session: PlatformSession, settings: Settings) -> Operator:
        return await passwords.reset_password(session, settings, address, password)

    operator = in_platform_transaction(work)
    if as_json:
        typer.echo(json.dumps({"id": str(operator.id), "email": operator.email}))
    else:
        typer.echo(f"Operator {operator.email} has a new password and is signed out everywhere")


def reset_second_factor(*, email: str, as_json: bool) -> None:
    """Forget an operator's second factors and end their sign-ins, on the word of whoever may use this machine.

    Raises what ``reset_operator`` raises.
    """
    address = _Address(email=email).email

    async def work(session: PlatformSession, settings: Settings) -> Operator:
        return await reset_operator(session, Runtime.from_settings(settings), address)

    operator = in_platform_transaction(work)
    if as_json:
        typer.echo(json.dumps({"id": str(operator.id), "email": operator.email}))
    else:
        typer.echo(f"Operator {operator.email} has no second factor and is signed out everywhere")


def _ask_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for the password: use --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
