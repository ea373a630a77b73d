"""The servers of a measurement: PostgreSQL as durable as in production, Redis, the API, and what it is held against."""

import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psycopg
from pydantic import SecretStr

from benchmarks.errors import BenchmarkError
from todoenbalance.devstack.postgres import EmbeddedPostgres
from todoenbalance.devstack.process import free_port
from todoenbalance.devstack.redis import EmbeddedRedis
from todoenbalance.devstack.supervisor import Child
from todoenbalance.kit.settings import Environment, Settings

LOGIN_ROLE = DATABASE = "todoenbalance"
BASE_DOMAIN = "localhost"

WORKER_PROCESSES = 2
_START_SECONDS = 60.0
_PREFIX = "TODOENBALANCE_"

Say = Callable[[str], None]
"""Told what goes on, a line at a time."""


@dataclass(slots=True)
class Server:
    """A uvicorn process with one worker on a port of this machine."""

    name: str
    child: Child
    port: int


@dataclass(frozen=True, slots=True)
class MailSink:
    """A mail server, and the file in which it notes each mail: the time, a space, the recipient."""

    port: int
    notes: Path


class Stack:
    """What runs. Everything lies in one folder that is deleted at the end."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, redis: EmbeddedRedis, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.password = secrets.token_urlsafe(32)
        self.admin_url = postgres.admin_url
        self.database_url = postgres.url_for(DATABASE, LOGIN_ROLE, self.password)
        self.settings = Settings(
            environment=Environment.TEST,
            base_domain=BASE_DOMAIN,
            database_url=SecretStr(self.database_url),
            database_admin_url=SecretStr(self.admin_url),
            redis_url=SecretStr(redis.url),
            secret_keys=SecretStr(f"bench:{secrets.token_urlsafe(48)}"),
            data_dir=folder / "data",
            log_level="WARNING",
        )

    @property
    def folder(self) -> Path:
        """Where files of a measurement may lie."""
        return self._folder

    def analyze(self) -> None:
        """What autovacuum would do in its own time: statistics and visibility of what was just written."""
        with psycopg.connect(self.admin_url, dbname=DATABASE, autocommit=True) as admin:
            admin.execute("VACUUM (ANALYZE)")

    def start_api(self) -> Server:
        """The product, with the settings of a deployment of its own."""
        return self._serve("api", "todoenbalance.asgi:app", self._environment(), "/healthz")

    def start_worker(self, mail_port: int) -> None:
        """The product's worker and its clock, with mail by SMTP to a port of this machine."""
        mail = {"ADAPTER": "smtp", "SMTP__HOST": "127.0.0.1", "SMTP__PORT": str(mail_port), "SMTP__SECURITY": "none"}
        environment = self._environment() | {f"{_PREFIX}MAIL__{name}": value for name, value in mail.items()}
        for name, *more in (("worker", f"--concurrency={WORKER_PROCESSES}"), ("beat",)):
            self._start(name, [sys.executable, "-m", "todoenbalance", name, *more], environment)

    def start_mail_sink(self) -> MailSink:
        """A mail server that takes everything."""
        sink = MailSink(free_port(), self._folder / "mails.txt")
        sink.notes.touch()
        child = self._start("sink", [sys.executable, "-m", "benchmarks.mail_sink", str(sink.port), str(sink.notes)], {})
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(sink.port):
            if not child.running or time.monotonic() > deadline:
                raise BenchmarkError("the mail server did not start")
            time.sleep(0.05)
        return sink

    def _environment(self) -> dict[str, str]:
        settings = self.settings
        own = {
            "ENVIRONMENT": settings.environment.value,
            "BASE_DOMAIN": settings.base_domain,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "SECRET_KEYS": settings.secret_keys.get_secret_value(),
            "DATA_DIR": str(settings.data_dir),
            "LOG_LEVEL": settings.log_level,
            # Everything comes from one address here; the limits are checked all the same.
            "RATE_LIMITS__FACTOR": "100000",
        }
        return {f"{_PREFIX}{name}": value for name, value in own.items()}

    def start_floor(self, variable: str, question: str) -> Server:
        """What availability is held against."""
        return self._serve("floor", "benchmarks.floor:app", {variable: question}, "/")

    def _serve(self, name: str, application: str, environment: dict[str, str], path: str) -> Server:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port)]
        # Connections wait while the other side has its turn.
        command += ["--workers", "1", "--log-level", "warning", "--no-access-log", "--timeout-keep-alive", "600"]
        child = self._start(name, command, environment)
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            if not child.running or time.monotonic() > deadline:
                said = child.log_path.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
                raise BenchmarkError(f"{name} did not start: {said[-1]}")
            time.sleep(0.05)
        return Server(name, child, port)

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> Child:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(_PREFIX)}
        child = Child(
            command,
            env={**inherited, **environment},
            log_path=self._folder / f"{name}.log",
            pid_path=self._folder / f"{name}.pid.json",
        )
        self._stack.callback(child.stop)
        child.start()
        return child


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310 - our own server on this machine
            return int(answer.status) == 200
    except OSError:
        return False


@contextmanager
def running(say: Say) -> Iterator[Stack]:
    """Start both databases in a temporary folder; end everything and delete it afterwards, whatever happens."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="todoenbalance-bench-")))
        postgres = EmbeddedPostgres(folder / "postgres", durable=True)
        stack.enter_context(postgres)
        redis = EmbeddedRedis(folder / "redis")
        stack.enter_context(redis)
        say("PostgreSQL (durable) and Redis started")
        yield Stack(folder, postgres, redis, stack)
