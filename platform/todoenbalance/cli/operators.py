"""``operator create``, ``disable``, ``enable``, ``reset-password`` and ``reset-second-factor``.

The mails that these cause are queued in the same transaction; a worker sends them.
"""

import json
import sys

import typer
from pydantic import BaseModel

from tenants.accounts.schemas import Email, LocaleCode
from todoenbalance.cli.transactions import in_platform_transaction
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.operators import passwords
from todoenbalance.operators.access import disable_operator, enable_operator
from todoenbalance.operators.models import Operator
from todoenbalance.operators.second_factors import reset_operator
from todoenbalance.operators.service import create_operator


class _Address(BaseModel):
    email: Email


class _Language(BaseModel):
    locale: LocaleCode | None


def create(
    *, email: str, first_name: str, last_name: str, locale: str | None, password_stdin: bool, as_json: bool
) -> None:
    """Make an operator. Raises what ``create_operator`` raises, and ``ValidationError`` for an odd e-mail."""
    address = _Address(email=email).email
    language = _Language.model_validate({"locale": locale}).locale
    password = _ask_password(from_stdin=password_stdin)

    async def work(session: PlatformSession, settings: Settings) -> Operator:
        return await create_operator(
            session,
            email=address,
            password=password,
            first_name=first_name,
            last_name=last_name,
            locale=language,
            rules=settings.auth.passwords,
        )

    _show(in_platform_transaction(work), "made", as_json=as_json)


def reset_password(*, email: str, password_stdin: bool, as_json: bool) -> None:
    """Give an operator another password, end their sign-ins and lift a lock. There is no mailed way to do that.

    Raises what ``passwords.reset_password`` raises.
    """
    address = _Address(email=email).email
    password = _ask_password(from_stdin=password_stdin)

    async def work(session: PlatformSession, settings: Settings) -> Operator:
        return await passwords.reset_password(session, settings, address, password)

    _show(in_platform_transaction(work), "has a new password and is signed out everywhere", as_json=as_json)


def reset_second_factor(*, email: str, as_json: bool) -> None:
    """Forget an operator's second factors and end their sign-ins, on the word of whoever may use this machine.

    Raises what ``reset_operator`` raises.
    """
    address = _Address(email=email).email

    async def work(session: PlatformSession, settings: Settings) -> Operator:
        return await reset_operator(session, Runtime.from_settings(settings), address)

    _show(in_platform_transaction(work), "has no second factor and is signed out everywhere", as_json=as_json)


def disable(*, email: str, as_json: bool) -> None:
    """Take an operator's access away. Raises what ``disable_operator`` raises."""
    address = _Address(email=email).email

    async def work(session: PlatformSession, settings: Settings) -> Operator:
        return await disable_operator(session, settings, address)

    _show(in_platform_transaction(work), "is disabled and signed out everywhere", as_json=as_json)


def enable(*, email: str, as_json: bool) -> None:
    """Give it back. Raises what ``enable_operator`` raises."""
    address = _Address(email=email).email

    async def work(session: PlatformSession, _settings: Settings) -> Operator:
        return await enable_operator(session, address)

    _show(in_platform_transaction(work), "may sign in again", as_json=as_json)


def _show(operator: Operator, done: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"id": str(operator.id), "email": operator.email}))
    else:
        typer.echo(f"Operator {operator.email} {done}")


def _ask_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for the password: use --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
