"""The command line: what a person or a program reads, and exactly one line when something is wrong."""

import asyncio
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy import update

from billing.payments.models import SandboxOrder
from tests.support.checkout import PRICE, Desk, make_desk
from todoenbalance.cli import _run
from todoenbalance.devstack.errors import DevstackError, describe
from todoenbalance.kit.database import libpq_url
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings, get_settings
from todoenbalance.kit.tenancy import TenantContext

OWNER = ("--owner-email", "o@example.com", "--owner-first-name", "Olga", "--owner-last-name", "Sol")


@dataclass(frozen=True)
class Outcome:
    """What one command did."""

    status: int
    out: str
    err: str

    @property
    def is_one_line(self) -> bool:
        return not self.out and self.err.startswith("todoenbalance: ") and self.err.count("\n") == 1


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs one command in this process, with the settings that the environment has at that moment."""

    def run(*arguments: str) -> Outcome:
        get_settings.cache_clear()
        status = _run(arguments)
        said = capsys.readouterr()
        return Outcome(status, said.out, said.err)

    yield run
    get_settings.cache_clear()


@pytest.fixture
def configured(fresh_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a deployment with a database of the test's own, and no Redis."""
    monkeypatch.setenv("TODOENBALANCE_ENVIRONMENT", "test")
    monkeypatch.setenv("TODOENBALANCE_PUBLIC_PORT", "8000")
    for name in ("database_url", "redis_url", "secret_keys"):
        secret = getattr(fresh_settings, name).get_secret_value()
        monkeypatch.setenv(f"TODOENBALANCE_{name.upper()}", secret)


class TestWithoutSettings:
    @pytest.fixture(autouse=True)
    def _bare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEYS"):
            monkeypatch.delenv(f"TODOENBALANCE_{name}", raising=False)

    def test_help_names_every_command(self, run: Run) -> None:
        outcome = run("--help")
        assert outcome.status == 0
        for command in ("up", "serve", "worker", "beat", "migrate", "operator", "tenant", "doctor"):
            assert f"\n  {command} " in outcome.out

    @pytest.mark.parametrize(
        "command", [("migrate",), ("doctor",), ("worker",), ("beat",), ("serve",), ("tenant", "list")]
    )
    def test_what_is_missing_is_said_in_one_line(self, run: Run, command: tuple[str, ...]) -> None:
        outcome = run(*command)
        assert outcome.status == 1
        assert outcome.is_one_line
        assert outcome.err == (
            "todoenbalance: settings: missing: TODOENBALANCE_DATABASE_URL, TODOENBALANCE_REDIS_URL,"
            " TODOENBALANCE_SECRET_KEYS\n"
        )

    def test_a_server_that_does_not_answer_is_one_line(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TODOENBALANCE_ENVIRONMENT", "test")
        monkeypatch.setenv("TODOENBALANCE_DATABASE_URL", "postgresql://x:y@127.0.0.1:1/z")
        monkeypatch.setenv("TODOENBALANCE_REDIS_URL", "redis://127.0.0.1:1/0")
        monkeypatch.setenv("TODOENBALANCE_SECRET_KEYS", "k:0123456789abcdefghijklmnopqrstuvwxyz")
        outcome = run("tenant", "list")
        assert outcome.status == 1
        assert outcome.is_one_line
        assert "can't work with PostgreSQL" in outcome.err

    @pytest.mark.parametrize("arguments", [("nonsense",), ("up", "--port", "many"), ("tenant", "suspend", "demo")])
    def test_a_wrong_call_is_one_line(self, run: Run, arguments: tuple[str, ...]) -> None:
        outcome = run(*arguments)
        assert outcome.status == 2
        assert outcome.is_one_line

    def test_a_traceback_is_there_for_who_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TODOENBALANCE_DEBUG", "1")
        assert describe(DevstackError("no")).startswith("todoenbalance.devstack.errors.DevstackError: no")


@pytest.mark.usefixtures("configured")
class TestMigrateAndDoctor:
    def test_a_database_that_is_up_to_date_stays_so(self, run: Run) -> None:
        outcome = run("migrate", "--json")
        report = json.loads(outcome.out)
        assert outcome.status == 0
        assert report["ok"] is True
        assert report["failed"] == {}

    def test_doctor_finds_what_is_wrong_and_nothing_else(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TODOENBALANCE_SECRET_KEYS", "weak:aaaaaaaa")
        outcome = run("doctor", "--json")
        checks = {check["name"]: check["ok"] for check in json.loads(outcome.out)["checks"]}
        assert outcome.status == 1
        assert [name for name, is_ok in checks.items() if not is_ok] == ["secret key weak", "Redis answers"]
        assert "FAIL  Redis answers: " in run("doctor").out


@pytest.mark.usefixtures("configured")
class TestOperators:
    def _create(self, run: Run, monkeypatch: pytest.MonkeyPatch, email: str, password: str) -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
        return run("operator", "create", "--email", email, "--password-stdin", "--json")

    def test_a_password_that_would_be_guessed_is_refused_in_one_line(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = self._create(run, monkeypatch, "op@example.com", "1234567890")
        assert refused.status != 0
        assert refused.is_one_line
        assert "1234567890" not in refused.err

    def test_a_lost_password_is_set_anew(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self._create(run, monkeypatch, "op@example.com", "long enough it is").status == 0
        monkeypatch.setattr(sys, "stdin", io.StringIO("another phrase altogether\n"))
        done = run("operator", "reset-password", "--email", "op@example.com", "--password-stdin", "--json")
        assert (done.status, json.loads(done.out)["email"]) == (0, "op@example.com")
        monkeypatch.setattr(sys, "stdin", io.StringIO("another phrase altogether\n"))
        nobody = run("operator", "reset-password", "--email", "nobody@example.com", "--password-stdin")
        assert nobody.status != 0
        assert nobody.is_one_line

    def test_the_others_are_told_of_who_comes_and_goes(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, fresh_settings: Settings
    ) -> None:
        def told() -> list[str]:
            with psycopg.connect(libpq_url(fresh_settings.database_url.get_secret_value())) as connection:
                query = "SELECT payload->>'kind' FROM platform.outbox WHERE topic = 'operator_mail.send' ORDER BY id"
                return [kind for (kind,) in connection.execute(query).fetchall()]

        assert self._create(run, monkeypatch, "first@example.com", "long enough it is").status == 0
        assert told() == []  # there was nobody else
        assert self._create(run, monkeypatch, "second@example.com", "long enough it is").status == 0
        for _ in range(2):
            assert run("operator", "disable", "--email", "second@example.com", "--json").status == 0
        for _ in range(2):
            assert run("operator", "enable", "--email", "second@example.com").status == 0
        monkeypatch.setattr(sys, "stdin", io.StringIO("another phrase altogether\n"))
        assert run("operator", "reset-password", "--email", "first@example.com", "--password-stdin").status == 0
        assert told() == ["operator_created", "operator_disabled", "operator_created", "operator_password_reset"]
        assert run("operator", "disable", "--email", "nobody@example.com").is_one_line

    def test_an_operator_is_made_once(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        made = self._create(run, monkeypatch, "Op@Example.com", "long enough it is")
        assert made.status == 0
        assert json.loads(made.out)["email"] == "op@example.com"
        again = self._create(run, monkeypatch, "op@example.com", "long enough it is")
        assert again.status == 1
        assert again.is_one_line

    @pytest.mark.parametrize(("email", "password"), [("op@example.com", "short"), ("op", "long enough it is")])
    def test_what_is_refused_is_one_line(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, email: str, password: str
    ) -> None:
        outcome = self._create(run, monkeypatch, email, password)
        assert outcome.status == 1
        assert outcome.is_one_line

    def test_without_a_terminal_the_password_is_not_guessed(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        outcome = run("operator", "create", "--email", "op@example.com")
        assert outcome.status == 2
        assert "--password-stdin" in outcome.err


@pytest.mark.usefixtures("configured")
class TestTenants:
    def test_a_practice_is_made_listed_suspended_and_reactivated(self, run: Run) -> None:
        made = run("tenant", "create", "--slug", "nueva", "--name", "Nueva", *OWNER, "--json")
        assert made.status == 0, made.err
        tenant = json.loads(made.out)
        assert tenant["status"] == "active"
        assert "/admin/accept-invitation?token=" in tenant["invitation_url"]

        assert [row["slug"] for row in json.loads(run("tenant", "list", "--json").out)["items"]] == ["nueva"]
        assert tenant["key"] in run("tenant", "list").out

        suspended = run("tenant", "suspend", "nueva", "--reason", "unpaid", "--json")
        assert json.loads(suspended.out)["status"] == "suspended"
        reactivated = run("tenant", "reactivate", tenant["key"], "--reason", "paid", "--json")
        assert json.loads(reactivated.out)["status"] == "active"

    @pytest.mark.parametrize("slug", ["admin", "UPPER", "a--b"])
    def test_a_name_that_may_not_be_is_one_line(self, run: Run, slug: str) -> None:
        outcome = run("tenant", "create", "--slug", slug, "--name", "Nueva", *OWNER)
        assert outcome.status == 1
        assert outcome.is_one_line

    def test_a_practice_that_is_not_there_is_one_line(self, run: Run) -> None:
        outcome = run("tenant", "suspend", "nope", "--reason", "x")
        assert outcome.status == 1
        assert outcome.is_one_line


class TestReconciling:
    @pytest.fixture(autouse=True)
    def _served(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TODOENBALANCE_ENVIRONMENT", "test")
        monkeypatch.setenv("TODOENBALANCE_PUBLIC_PORT", "8000")
        for name in ("database_url", "redis_url", "secret_keys"):
            monkeypatch.setenv(f"TODOENBALANCE_{name.upper()}", getattr(settings, name).get_secret_value())

    def _reconcile(self, run: Run, desk: Desk, *more: str) -> Outcome:
        return run("billing", "reconcile", "--tenant", desk.practice.slug, *more)

    async def test_it_mends_says_what_disagrees_and_fails_then(
        self, run: Run, runtime: Runtime, practice: TenantContext
    ) -> None:
        desk = await make_desk(runtime, practice)
        payment = await desk.pay(await desk.book())  # a closed tab, and a webhook that never came
        done = await asyncio.to_thread(self._reconcile, run, desk, "--json")
        report = json.loads(done.out)
        assert (done.status, report["ok"], report["practices"][0]["mended"]) == (0, True, 1)
        order = await desk.order_of(payment)
        async with runtime.database.tenant(practice) as session:
            await session.execute(
                update(SandboxOrder).where(SandboxOrder.id == order.id).values(captured_minor=PRICE - 1)
            )
        done = await asyncio.to_thread(self._reconcile, run, desk)
        assert done.status == 1
        assert done.out == f"{practice.slug}: 1 compared, 0 mended, 0 unreadable, 1 that disagree\n"

    async def test_a_practice_that_is_not_there_is_one_line(self, run: Run) -> None:
        done = await asyncio.to_thread(run, "billing", "reconcile", "--tenant", "nobody-here")
        assert done.status == 1
        assert done.is_one_line
