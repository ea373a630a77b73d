"""Keeps a list of programs running: starts them in order, restarts what crashes, stops them in reverse."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from todoenbalance.devstack.errors import DevstackError
from todoenbalance.devstack.process import (
    Launch,
    PidFile,
    end_process,
    is_alive,
    one_line,
    open_log,
    send,
    trim_log,
)

MARKER = "TODOENBALANCE_STACK"
"""Variable in every child's environment that names its data folder: how the next start finds leftovers."""

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
_STEADY_SECONDS = 30.0

# Structured and plain log lines of a level that a person should see at once.
_TROUBLE = re.compile(
    r"\[(error|critical)\s*\]|\b(ERROR|CRITICAL|FATAL|PANIC)\b|\"level\": ?\"(error|critical)\"|^Traceback"
)

Say = Callable[[str, str], None]
"""Told a program's name and a line about it."""


class Supervised(Protocol):
    """What the supervisor keeps running: a child, or one of the embedded servers."""

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        ...

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        ...

    def start(self) -> None:
        """Start it, or raise ``DevstackError``."""
        ...

    def stop(self) -> None:
        """Stop it in bounded time; harmless when it is not running."""
        ...


class Child:
    """One program of ours, in a session of its own, its output in a log file.

    ``stop_steps`` are the signals that ask it to end and the seconds that each gets; after them, and after
    a crash, its whole group is killed, so that no pool process outlives it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log_path: Path,
        pid_path: Path,
        stop_steps: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 10.0),),
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._command = list(command)
        self._env = dict(env)
        self._log_path = log_path
        self._pid_file = PidFile(pid_path)
        self._stop_steps = tuple(stop_steps)
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return self._log_path

    @property
    def exit_status(self) -> int | None:
        """How it ended, the negative number of a signal included; ``None`` while it runs."""
        return self._process.poll() if self._process is not None else None

    def start(self) -> None:
        """Start it, after ending what is left of the one before."""
        self._bury()
        with one_line(f"start {self._log_path.stem}"), open_log(self._log_path) as log:
            self._process = Launch(death_signal=signal.SIGTERM, pass_fds=self._pass_fds).spawn(
                self._command, cwd=Path.cwd(), output=log, env=self._env
            )
            self._pid_file.write(self._process.pid)

    def stop(self) -> None:
        """Ask it to end, then make it end."""
        process = self._process
        if process is not None and process.poll() is None:
            end_process(process.pid, self._stop_steps, lambda: process.poll() is not None)
        self._bury()

    def _bury(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            send(self._process.pid, signal.SIGKILL, to_group=True)
            self._pid_file.clear()
            self._process = None


class LogTail:
    """What was added to a log file since the last look, in whole lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def new_lines(self) -> list[str]:
        """The lines that are complete now."""
        try:
            with self._path.open("rb") as handle:
                if self._path.stat().st_size < self._offset:
                    self._offset = 0
                handle.seek(self._offset)
                added = handle.read()
        except FileNotFoundError:
            return []
        self._offset += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


@dataclass
class _Kept:
    name: str
    what: Supervised
    tail: LogTail
    failures: int = 0
    started_at: float = field(default_factory=time.monotonic)
    next_start_at: float | None = None
    in_traceback: bool = False


class Supervisor:
    """Runs what it is given until :meth:`stop`.

    ``say`` hears of crashes, and of log lines that report trouble (all of them with ``show_logs``).
    """

    def __init__(self, say: Say, *, show_logs: bool = False) -> None:
        self._say = say
        self._show_logs = show_logs
        self._kept: list[_Kept] = []

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of what runs now, by name."""
        return {kept.name: kept.what.pid for kept in self._kept if kept.what.pid is not None}

    def start(self, name: str, what: Supervised) -> None:
        """Start it and keep it running. Raises ``DevstackError`` when the first start fails."""
        # Listed before it starts, so that a start that is broken off is stopped as well.
        self._kept.append(_Kept(name, what, LogTail(what.log_path)))
        what.start()

    def watch(self) -> bool:
        """Look once: report trouble, restart what has crashed and whose delay is over.

        Returns whether a process was started.
        """
        started = [self._look_at(kept) for kept in self._kept]
        return any(started)

    def stop(self) -> None:
        """Stop everything, the last started first."""
        for kept in reversed(self._kept):
            kept.what.stop()
            self._report_log(kept)
        self._kept.clear()

    def _look_at(self, kept: _Kept) -> bool:
        self._report_log(kept)
        now = time.monotonic()
        if kept.what.running:
            if now - kept.started_at > _STEADY_SECONDS:
                kept.failures = 0
            return False
        if kept.next_start_at is None:
            delay = min(_FIRST_DELAY_SECONDS * 2**kept.failures, _LONGEST_DELAY_SECONDS)
            kept.failures += 1
            kept.next_start_at = now + delay
            self._say(kept.name, f"stopped by itself; starting again in {delay:g} s (log: {kept.what.log_path})")
        if now < kept.next_start_at:
            return False
        kept.next_start_at = None
        kept.started_at = now
        kept.what.stop()
        try:
            kept.what.start()
        except DevstackError as error:
            self._say(kept.name, str(error))
            return False
        return True

    def failures(self, name: str) -> int:
        """How often it has crashed since it last ran for a while."""
        return next((kept.failures for kept in self._kept if kept.name == name), 0)

    def _report_log(self, kept: _Kept) -> None:
        for line in kept.tail.new_lines():
            troubled = bool(_TROUBLE.search(line))
            if kept.in_traceback:
                # A traceback ends with the first line that is not indented: the exception itself.
                troubled = True
                kept.in_traceback = line.startswith((" ", "Traceback")) or not line
            elif line.startswith("Traceback"):
                kept.in_traceback = True
            if troubled or self._show_logs:
                self._say(kept.name, line)
        with contextlib.suppress(OSError):
            trim_log(kept.what.log_path)


def end_leftovers(run_dir: Path, marker: str) -> list[int]:
    """End the children of a supervisor that was killed; returns their process ids.

    Found by their pid files, and on Linux by ``marker`` in their environment, which pool processes carry
    too. Raises ``DevstackError`` when one can't be ended.
    """
    left = set(_marked(marker)) if sys.platform == "linux" else set()
    for path in run_dir.glob("*.pid.json"):
        if (pid := PidFile(path).living()) is not None:
            left.add(pid)
    for pid in sorted(left):
        send(pid, signal.SIGTERM)
    for pid in sorted(left):
        if is_alive(pid) and not end_process(pid, ((signal.SIGTERM, 5.0),)):
            raise DevstackError(f"a process left over from before can't be ended (process {pid})")
    for path in run_dir.glob("*.pid.json"):
        path.unlink(missing_ok=True)
    return sorted(left)


def _marked(marker: str) -> list[int]:
    wanted = f"{MARKER}={marker}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(entry.name) != os.getpid() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found
