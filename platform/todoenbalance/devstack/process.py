"""Starting, recognising and ending processes, and the lock that says whose a data folder is."""

import contextlib
import errno
import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from todoenbalance.devstack import launch
from todoenbalance.devstack.errors import DevstackError

LOG_LIMIT_BYTES = 10 * 1024 * 1024
_LAUNCHER = str(Path(launch.__file__).resolve())


@dataclass(frozen=True)
class Launch:
    """How a program is started.

    ``death_signal`` is what the program gets when our process dies in any way (Linux; elsewhere the next
    start finds what was left). ``uid``/``gid`` make root give up its rights first; ``paths`` are what that
    user must be able to reach. ``pass_fds`` are open files that the program inherits.
    """

    uid: int | None = None
    gid: int | None = None
    paths: Sequence[str] = field(default_factory=tuple)
    death_signal: signal.Signals | None = None
    pass_fds: Sequence[int] = field(default_factory=tuple)

    def command(self, program: Sequence[str]) -> list[str]:
        """The command line that starts ``program`` this way."""
        # Linux sends the signal when the *thread* that started the program ends, so a short-lived
        # thread must not ask for it.
        follows = self.death_signal is not None and threading.current_thread() is threading.main_thread()
        options = {
            "uid": self.uid,
            "gid": self.gid,
            "paths": list(self.paths),
            "death_signal": int(self.death_signal) if follows and self.death_signal else None,
            "parent": os.getpid(),
        }
        return [sys.executable, "-I", "-S", _LAUNCHER, json.dumps(options), *program]

    def spawn(
        self, program: Sequence[str], *, cwd: Path, output: IO[bytes], env: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        """Start ``program`` in a session of its own, so that Ctrl-C in the terminal reaches only us."""
        return subprocess.Popen(  # noqa: S603 - every program is one of ours
            self.command(program),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(self.pass_fds),
        )

    def run(
        self, program: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        """Run ``program`` to its end and return what it said."""
        return subprocess.run(  # noqa: S603 - every program is one of ours
            self.command(program),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )


def unprivileged_user() -> tuple[int, int] | None:
    """Uid and gid for programs that refuse to run as root; ``None`` when we are not root anyway.

    `nobody` is there on every system; making a user would change the machine's accounts.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise DevstackError(
            "PostgreSQL refuses to run as root and this system has no user `nobody`: run as a normal user"
        ) from None
    return entry.pw_uid, entry.pw_gid


def is_alive(pid: int) -> bool:
    """Whether a process with that id exists and is more than a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        return _stat_fields(pid)[0] != "Z"
    return True


def _stat_fields(pid: int) -> list[str]:
    """The fields of ``/proc/<pid>/stat`` after the command's name, from `state` on (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same id; ``None`` when there is none."""
    if not is_alive(pid):
        return None
    if sys.platform == "linux":
        try:
            return _stat_fields(pid)[19]
        except (OSError, IndexError):
            return None
    answer = subprocess.run(  # noqa: S603 - a fixed program with a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def processes_in(folder: Path, name: str) -> list[int]:
    """Ids of the processes called ``name`` that work in ``folder`` (Linux; elsewhere none is found)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text().strip() == name and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return sorted(found)


def wait_until(is_true: Callable[[], bool], timeout_seconds: float, every_seconds: float = 0.02) -> bool:
    """Whether ``is_true`` came true within the time."""
    deadline = time.monotonic() + timeout_seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_seconds)
    return True


def send(pid: int, number: signal.Signals, *, to_group: bool = False) -> None:
    """Signal a process, or the group that it leads; one that is gone already is no failure."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if to_group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def end_process(
    pid: int,
    steps: Sequence[tuple[signal.Signals, float]],
    is_gone: Callable[[], bool] | None = None,
) -> bool:
    """Send each signal and give it its seconds, until the process is gone; then SIGKILL to its group.

    ``is_gone`` is for a child, whose end must be collected; returns whether the process is gone.
    """

    def gone() -> bool:
        return is_gone() if is_gone is not None else not is_alive(pid)

    for number, seconds in steps:
        send(pid, number)
        if wait_until(gone, seconds):
            return True
    send(pid, signal.SIGKILL, to_group=True)
    send(pid, signal.SIGKILL)
    return wait_until(gone, 5)


class FolderLock:
    """Says that a data folder is ours, for as long as this process lives (``flock``).

    Dies with the process even by SIGKILL, so there is no stale lock; children don't inherit it.
    """

    def __init__(self, path: Path, holder: str) -> None:
        self._path = path
        self._holder = holder
        self._file: IO[str] | None = None

    @property
    def is_held(self) -> bool:
        """Whether we have it."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock, or raise ``DevstackError`` with who has it."""
        handle = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            handle.close()
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise DevstackError(f"the data folder {self._path.parent} is in use by {holder}") from None
            raise DevstackError(f"can't lock {self._path}: {error.strerror}") from None
        handle.seek(0)
        handle.truncate()
        handle.write(f"{self._holder} (process {os.getpid()})\n")
        handle.flush()
        self._file = handle

    def release(self) -> None:
        """Give the folder back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove_folder(self, what: str, end_leftovers: Callable[[], None]) -> None:
        """Delete the folder for good, after ending whatever still runs on it."""
        folder = self._path.parent
        self.acquire()
        try:
            with one_line(f"delete {what}"):
                end_leftovers()
                shutil.rmtree(folder)
        finally:
            self.release()


@contextlib.contextmanager
def one_line(action: str) -> Iterator[None]:
    """Turn the operating system's refusals into one line: ``action`` is what we were doing."""
    try:
        yield
    except OSError as error:
        raise DevstackError(explain_os_error(action, error)) from error


def explain_os_error(action: str, error: OSError) -> str:
    """One line for ``error``."""
    where = f": {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: could not {action}{where}; free some space and try again"
    return f"could not {action}: {error.strerror}{where}"


def open_log(path: Path) -> IO[bytes]:
    """A log to append to, readable by nobody else."""
    trim_log(path)
    handle = path.open("ab", buffering=0)
    path.chmod(0o600)
    return handle


def trim_log(path: Path) -> None:
    """Move what a log holds to ``<name>.1`` once it has grown past the limit.

    Copied and emptied rather than renamed: the program that writes it keeps the file open, for appending.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            older = path.with_name(path.name + ".1")
            shutil.copyfile(path, older)
            older.chmod(0o600)
            os.truncate(path, 0)


def read_from(path: Path, offset: int) -> str:
    """What was written to ``path`` from ``offset`` on."""
    with path.open("rb") as handle:
        handle.seek(offset)
        return handle.read().decode(errors="replace")


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by ``text``, readable by nobody else at any moment."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    scratch.replace(path)


class PidFile:
    """Remembers a process beyond our own life, with what tells it from a later one of the same id."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, pid: int) -> None:
        """Remember ``pid``."""
        write_private(self._path, json.dumps({"pid": pid, "identity": identity(pid)}))

    def living(self) -> int | None:
        """The remembered process's id, if that very process still lives."""
        try:
            known = json.loads(self._path.read_text())
            pid, who = int(known["pid"]), known["identity"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pid if who is not None and identity(pid) == who else None

    def clear(self) -> None:
        """Forget it."""
        self._path.unlink(missing_ok=True)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_port_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True
