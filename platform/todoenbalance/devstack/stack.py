"""``todoenbalance up``: servers, migrations, demo data and our processes, from one command to one Ctrl-C."""

import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from todoenbalance.devstack.errors import DevstackError
from todoenbalance.devstack.postgres import EmbeddedPostgres
from todoenbalance.devstack.process import FolderLock, Launch, end_process, one_line, write_private
from todoenbalance.devstack.redis import EmbeddedRedis
from todoenbalance.devstack.sockets import bind_loopback, check_postgres, check_redis, read_readiness
from todoenbalance.devstack.supervisor import MARKER, Child, Supervisor, end_leftovers

DEFAULT_PORT = 8000
LOGIN_ROLE = "todoenbalance"
DATABASE = "todoenbalance"

_READY_SECONDS = 90.0
_FAILED_STARTS = 3
_WATCH_SECONDS = 0.2
# Celery finishes its tasks on SIGTERM and drops them on SIGQUIT; what it drops is handed out again.
_WORKER_STEPS = ((signal.SIGTERM, 15.0), (signal.SIGQUIT, 3.0))
_CHILD_STEPS = ((signal.SIGTERM, 8.0),)


class StackSettings(BaseSettings):
    """What of the application's settings `up` reads before the rest of them exists."""

    model_config = SettingsConfigDict(env_prefix="TODOENBALANCE_", extra="ignore", frozen=True)

    environment: str = "development"
    base_domain: str = "localhost"
    database_url: SecretStr | None = None
    database_admin_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    secret_keys: SecretStr | None = None
    data_dir: Path = Path(".data")


@dataclass(frozen=True)
class UpOptions:
    """What the command line chose."""

    data_dir: Path | None = None
    port: int = DEFAULT_PORT
    host: str = "localhost"
    with_demo: bool = True
    reload: bool = False
    api_workers: int = 1
    task_processes: int = 2
    show_logs: bool = False


@dataclass(frozen=True)
class ReadyStack:
    """The running stack, as ``stack.json`` tells it to other programs."""

    pid: int
    port: int
    base_domain: str
    database_url: str
    redis_url: str
    data_dir: str
    log_dir: str
    with_demo: bool

    @property
    def platform_url(self) -> str:
        """Where operators sign in."""
        return f"http://{self.base_domain}:{self.port}"

    def practice_url(self, slug: str) -> str:
        """A practice's booking site."""
        return f"http://{slug}.{self.base_domain}:{self.port}"


class StopRequested(BaseException):
    """Ctrl-C or SIGTERM: not an error, and not for ``except Exception`` to swallow."""


class Report:
    """Where `up` tells what it does; the command line gives it colours."""

    def step(self, text: str) -> None:
        """A step was finished."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def trouble(self, name: str, line: str) -> None:
        """A program reports trouble, or shows its log."""
        sys.stderr.write(f"{name} | {line}\n")

    def ready(self, stack: ReadyStack) -> None:
        """Everything runs."""
        self.step(f"Ready: {stack.platform_url}")


class Stack:
    """Everything that `up` runs on one data folder."""

    def __init__(self, options: UpOptions, report: Report, settings: StackSettings | None = None) -> None:
        self._options = options
        self._report = report
        self._settings = settings or StackSettings()
        self._data_dir = (options.data_dir or self._settings.data_dir).absolute().resolve()
        self._run_dir = self._data_dir / "run"
        self._log_dir = self._data_dir / "logs"
        self._ready_path = self._run_dir / "stack.json"
        self._settings_path = self._run_dir / "env"
        self._lock = FolderLock(self._data_dir / "lock", "another running `todoenbalance up`")
        self._supervisor = Supervisor(report.trouble, show_logs=options.show_logs)
        self._sockets: list[socket.socket] = []
        self._secrets: dict[str, str] = {}
        self._ready: ReadyStack | None = None

    def start(self) -> ReadyStack:
        """Start everything and return when the API answers that it is ready.

        Raises ``DevstackError`` with one line; in any case :meth:`stop` is to follow.
        """
        if self._settings.environment == "production":
            raise DevstackError("`up` is for development: TODOENBALANCE_ENVIRONMENT is production")
        self._take_folder()
        self._sockets = bind_loopback(self._options.host, self._options.port)
        environment = self._environment(self._start_postgres(), self._start_redis())
        self._prepare(environment)
        self._start_children(environment)
        self._wait_until_ready()
        self._write_settings(environment)
        self._ready = self._describe(environment)
        self._write_ready()
        return self._ready

    def watch(self) -> None:
        """Keep everything running until interrupted by an exception (a signal's)."""
        while True:
            if self._supervisor.watch():
                self._write_ready()
            time.sleep(_WATCH_SECONDS)

    def stop(self) -> None:
        """Stop API, beat, worker, Redis and PostgreSQL, in this order, and give the folder back."""
        if self._lock.is_held:
            self._ready_path.unlink(missing_ok=True)
            self._settings_path.unlink(missing_ok=True)
        self._supervisor.stop()
        for listener in self._sockets:
            listener.close()
        self._sockets.clear()
        self._lock.release()

    def _take_folder(self) -> None:
        with one_line("make the data folder"):
            # As root PostgreSQL runs as `nobody`, who may pass through but sees nothing.
            mode = 0o711 if os.geteuid() == 0 else 0o700
            if not self._data_dir.exists():
                self._data_dir.mkdir(parents=True, mode=mode)
            self._lock.acquire()
            self._run_dir.mkdir(mode=0o700, exist_ok=True)
            self._log_dir.mkdir(mode=0o700, exist_ok=True)
            self._ready_path.unlink(missing_ok=True)
            if left := end_leftovers(self._run_dir, str(self._data_dir)):
                self._report.step(f"Ended {len(left)} processes left over from before")
            self._secrets = self._remember_secrets()

    def _remember_secrets(self) -> dict[str, str]:
        path = self._data_dir / "secrets.json"
        try:
            known = json.loads(path.read_text())
            return {"secret_keys": known["secret_keys"], "database_password": known["database_password"]}
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError):
            raise DevstackError(f"{path} is damaged: restore it, or start anew with `make reset`") from None
        made = {
            "secret_keys": f"dev:{secrets.token_urlsafe(48)}",
            "database_password": secrets.token_urlsafe(32),
        }
        write_private(path, json.dumps(made))
        return made

    def _start_postgres(self) -> tuple[str, str | None]:
        """The login's address and, where there is one, the superuser's."""
        if self._settings.database_url is not None:
            url = self._settings.database_url.get_secret_value()
            admin = self._settings.database_admin_url
            admin_url = admin.get_secret_value() if admin is not None else None
            version = check_postgres(admin_url or url)
            self._report.step(f"PostgreSQL {version} (your own server)")
            return url, admin_url
        server = EmbeddedPostgres(self._data_dir / "postgres")
        self._supervisor.start("postgres", server)
        self._report.step("PostgreSQL started")
        login = server.url_for(DATABASE, user=LOGIN_ROLE, password=self._secrets["database_password"])
        return login, server.admin_url

    def _start_redis(self) -> str:
        if self._settings.redis_url is not None:
            url = self._settings.redis_url.get_secret_value()
            check_redis(url)
            self._report.step("Redis (your own server)")
            return url
        server = EmbeddedRedis(self._data_dir / "redis")
        self._supervisor.start("redis", server)
        self._report.step("Redis started")
        return server.url

    def _environment(self, database: tuple[str, str | None], redis_url: str) -> dict[str, str]:
        """What our processes are given, over what we were given ourselves."""
        keys = self._settings.secret_keys
        environment = {
            # Programs that drive the demo come from one address.
            "TODOENBALANCE_RATE_LIMITS__FACTOR": "100",
            **os.environ,
            "TODOENBALANCE_ENVIRONMENT": self._settings.environment,
            "TODOENBALANCE_BASE_DOMAIN": self._settings.base_domain,
            "TODOENBALANCE_DATABASE_URL": database[0],
            "TODOENBALANCE_REDIS_URL": redis_url,
            "TODOENBALANCE_SECRET_KEYS": keys.get_secret_value() if keys else self._secrets["secret_keys"],
            "TODOENBALANCE_PUBLIC_PORT": str(self._options.port),
            "TODOENBALANCE_DATA_DIR": str(self._data_dir),
            "PYTHONUNBUFFERED": "1",
            MARKER: str(self._data_dir),
        }
        environment.pop("TODOENBALANCE_DATABASE_ADMIN_URL", None)
        if database[1] is not None:
            environment["TODOENBALANCE_DATABASE_ADMIN_URL"] = database[1]
        return environment

    def _prepare(self, environment: Mapping[str, str]) -> None:
        """Migrate and seed in a process of its own; its one line becomes ours when it fails."""
        command = [sys.executable, "-m", "todoenbalance.devstack.prepare"]
        command += [] if self._options.with_demo else ["--no-demo"]
        log_path = self._log_dir / "prepare.log"
        with one_line("prepare the database"), log_path.open("wb") as log:
            process = Launch(death_signal=signal.SIGTERM).spawn(command, cwd=Path.cwd(), output=log, env=environment)
            try:
                status = process.wait()
            finally:
                if process.poll() is None:
                    end_process(process.pid, _CHILD_STEPS, lambda: process.poll() is not None)
        if status != 0:
            lines = log_path.read_text(errors="replace").strip().splitlines() or [f"exit status {status}"]
            raise DevstackError(f"could not prepare the database: {lines[-1]} (log: {log_path})")
        self._report.step("Database migrated" + (", demo data ready" if self._options.with_demo else ""))

    def _start_children(self, environment: Mapping[str, str]) -> None:
        # The superuser's address was for the migrations alone.
        own = {key: value for key, value in environment.items() if key != "TODOENBALANCE_DATABASE_ADMIN_URL"}
        descriptors = [listener.fileno() for listener in self._sockets]
        python = [sys.executable, "-m"]
        api = [*python, "todoenbalance.devstack.api_server", "--workers", str(self._options.api_workers)]
        api += [word for number in descriptors for word in ("--fd", str(number))]
        api += ["--reload"] if self._options.reload else []
        worker = [*python, "todoenbalance", "worker", "--concurrency", str(self._options.task_processes)]
        beat = [*python, "todoenbalance", "beat"]
        self._start_child("worker", worker, own, steps=_WORKER_STEPS)
        self._start_child("beat", beat, own)
        self._start_child("api", api, own, descriptors=descriptors)

    def _start_child(
        self,
        name: str,
        command: list[str],
        environment: Mapping[str, str],
        *,
        steps: tuple[tuple[signal.Signals, float], ...] = _CHILD_STEPS,
        descriptors: list[int] | None = None,
    ) -> None:
        child = Child(
            command,
            env=environment,
            log_path=self._log_dir / f"{name}.log",
            pid_path=self._run_dir / f"{name}.pid.json",
            stop_steps=steps,
            pass_fds=descriptors or (),
        )
        self._supervisor.start(name, child)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        answer = "no answer"
        while True:
            ready, answer = read_readiness(self._options.port, self._settings.base_domain)
            if ready:
                break
            self._supervisor.watch()
            for name in ("api", "worker", "beat"):
                if self._supervisor.failures(name) >= _FAILED_STARTS:
                    raise DevstackError(f"{name} does not start (log: {self._log_dir / name}.log)")
            if time.monotonic() > deadline:
                log = self._log_dir / "api.log"
                raise DevstackError(f"no API after {_READY_SECONDS:.0f} s: {answer} (log: {log})")
            time.sleep(0.1)
        self._report.step("API, worker and beat started")

    def _describe(self, environment: Mapping[str, str]) -> ReadyStack:
        return ReadyStack(
            pid=os.getpid(),
            port=self._options.port,
            base_domain=self._settings.base_domain,
            database_url=environment["TODOENBALANCE_DATABASE_URL"],
            redis_url=environment["TODOENBALANCE_REDIS_URL"],
            data_dir=str(self._data_dir),
            log_dir=str(self._log_dir),
            with_demo=self._options.with_demo,
        )

    def _write_settings(self, environment: Mapping[str, str]) -> None:
        """The settings of this stack, for a shell: ``set -a; . .data/run/env``."""
        own = {name: value for name, value in environment.items() if name.startswith("TODOENBALANCE_")}
        del own[MARKER]
        write_private(self._settings_path, "".join(f"{name}={shlex.quote(own[name])}\n" for name in sorted(own)))

    def _write_ready(self) -> None:
        """Tell other programs: only written while the API has answered that it is ready."""
        stack = self._ready
        if stack is None:
            return
        document = {
            "pid": stack.pid,
            "port": stack.port,
            "urls": {
                "platform": stack.platform_url,
                "demo": stack.practice_url("demo"),
                "vital": stack.practice_url("vital"),
            },
            "database_url": stack.database_url,
            "redis_url": stack.redis_url,
            "processes": self._supervisor.pids,
            "log_dir": stack.log_dir,
        }
        write_private(self._ready_path, json.dumps(document, indent=2))


def reset(data_dir: Path) -> None:
    """Delete the data folder, after ending whatever a killed `up` left running on it.

    Raises ``DevstackError`` when a running `up` has it, or when it is no data folder of ours.
    """
    folder = data_dir.absolute().resolve()
    if not folder.exists():
        return
    if not (folder / "lock").exists():
        raise DevstackError(f"{folder} was not made by `todoenbalance up`: nothing is deleted")
    lock = FolderLock(folder / "lock", "`make reset`")
    lock.acquire()
    try:
        end_leftovers(folder / "run", str(folder))
        EmbeddedPostgres(folder / "postgres").remove()
        EmbeddedRedis(folder / "redis").remove()
        with one_line("delete the data folder"):
            shutil.rmtree(folder)
    finally:
        lock.release()


def up(options: UpOptions, report: Report) -> None:
    """Run the stack until Ctrl-C or SIGTERM, which end it cleanly and are no failure.

    Raises ``DevstackError`` with one line when something can't start.
    """
    stack = Stack(options, report)
    with signals_as_exception() as stop_listening:
        try:
            report.ready(stack.start())
            stack.watch()
        except StopRequested:
            report.step("Stopping")
        finally:
            stop_listening()
            stack.stop()
    report.step("Stopped; the data is kept")


@contextmanager
def signals_as_exception() -> Iterator[Callable[[], None]]:
    """Raise :class:`StopRequested` at the first SIGINT, SIGTERM or SIGHUP; later ones change nothing.

    So a start can be broken off at any point, and the stop that follows can't. Yields a function after
    which the first one changes nothing either. A SIGHUP that was ignored (`nohup`) stays ignored.
    """
    is_over = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_over
        if not is_over:
            is_over = True
            raise StopRequested

    def stop_listening() -> None:
        nonlocal is_over
        is_over = True

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stop_listening
    finally:
        stop_listening()
        for number, handler in before.items():
            signal.signal(number, handler)
