"""The supervisor restarts what crashes, stops all of it, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from todoenbalance.devstack import process
from todoenbalance.devstack.errors import DevstackError
from todoenbalance.devstack.process import FolderLock, PidFile, is_alive, trim_log, wait_until
from todoenbalance.devstack.supervisor import MARKER, Child, LogTail, Supervisor, end_leftovers

PATIENT = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)
FAMILY = "import subprocess, sys, time; subprocess.Popen(['sleep', '61']); time.sleep(60)"


class Heard:
    """What the supervisor said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append(f"{name}: {line}")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def supervisor(heard: Heard) -> Iterator[Supervisor]:
    made = Supervisor(heard)
    yield made
    made.stop()


def _child(folder: Path, program: str, name: str = "child", seconds: float = 5.0) -> Child:
    return Child(
        [sys.executable, "-c", program],
        env={**os.environ, MARKER: str(folder)},
        log_path=folder / f"{name}.log",
        pid_path=folder / f"{name}.pid.json",
        stop_steps=((signal.SIGTERM, seconds),),
    )


def _watch_until(supervisor: Supervisor, is_true: object, seconds: float = 10) -> bool:
    def look() -> bool:
        supervisor.watch()
        return bool(is_true() if callable(is_true) else is_true)

    return wait_until(look, seconds, every_seconds=0.05)


class TestRestarting:
    def test_a_crashed_program_is_started_again(self, supervisor: Supervisor, heard: Heard, tmp_path: Path) -> None:
        child = _child(tmp_path, PATIENT)
        supervisor.start("child", child)
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert _watch_until(supervisor, lambda: child.running and child.pid != first)
        assert any("stopped by itself" in line for line in heard.lines)

    def test_each_crash_waits_longer(self, supervisor: Supervisor, heard: Heard, tmp_path: Path) -> None:
        supervisor.start("child", _child(tmp_path, "raise SystemExit(3)"))
        assert _watch_until(supervisor, lambda: supervisor.failures("child") >= 3)
        delays = [line.partition("again in ")[2].partition(" s")[0] for line in heard.lines if "again in" in line]
        assert delays == ["0.5", "1", "2"]

    def test_what_a_crashed_program_left_is_ended(self, supervisor: Supervisor, tmp_path: Path) -> None:
        child = _child(tmp_path, FAMILY)
        supervisor.start("child", child)
        assert wait_until(lambda: len(_marked(tmp_path)) == 2, 5)
        first = child.pid
        assert first is not None
        orphan = next(pid for pid in _marked(tmp_path) if pid != first)
        os.kill(first, signal.SIGKILL)
        assert _watch_until(supervisor, lambda: child.running and child.pid != first)
        # It was sent SIGKILL before the next one started; the kernel takes its time on a busy machine.
        assert wait_until(lambda: not is_alive(orphan), 10)


class TestStopping:
    def test_a_program_that_does_not_listen_is_killed_in_bounded_time(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        child = _child(tmp_path, STUBBORN, seconds=0.5)
        supervisor.start("child", child)
        assert wait_until(lambda: "deaf" in child.log_path.read_text(), 5)
        began = time.monotonic()
        supervisor.stop()
        assert time.monotonic() - began < 4
        assert _marked(tmp_path) == []

    def test_the_last_started_is_stopped_first(self, supervisor: Supervisor, tmp_path: Path) -> None:
        farewell = (
            "import pathlib, signal, sys, time\n"
            "def stop(*_):\n"
            "    with open('{journal}', 'a') as journal: journal.write('{name} ')\n"
            "    sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, stop); print('ready', flush=True); time.sleep(60)"
        )
        journal = tmp_path / "journal"
        for name in ("first", "second", "third"):
            child = _child(tmp_path, farewell.format(journal=journal, name=name), name)
            supervisor.start(name, child)
            assert wait_until(lambda log=child.log_path: "ready" in log.read_text(), 5)  # type: ignore[misc]  # bound now
        supervisor.stop()
        assert journal.read_text().split() == ["third", "second", "first"]


class TestLeftovers:
    def test_children_of_a_supervisor_killed_outright_end(self, tmp_path: Path) -> None:
        program = (
            "import sys, time; from pathlib import Path\n"
            "from tests.devstack.test_supervisor import PATIENT, _child\n"
            "child = _child(Path(sys.argv[1]), PATIENT); child.start(); print(child.pid, flush=True)\n"
            "time.sleep(60)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as parent:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            parent.kill()
        if sys.platform != "linux":
            end_leftovers(tmp_path, str(tmp_path))
        assert wait_until(lambda: not is_alive(child), 5)

    def test_the_next_start_ends_whole_families(self, tmp_path: Path) -> None:
        child = _child(tmp_path, FAMILY)
        child.start()
        assert wait_until(lambda: len(_marked(tmp_path)) == 2, 5)
        assert child.pid in end_leftovers(tmp_path, str(tmp_path))
        assert _marked(tmp_path) == []
        child.stop()

    def test_a_later_process_with_the_same_id_is_left_alone(self, tmp_path: Path) -> None:
        bystander = subprocess.Popen(["sleep", "60"])
        try:
            path = tmp_path / "child.pid.json"
            path.write_text(f'{{"pid": {bystander.pid}, "identity": "another start"}}')
            assert PidFile(path).living() is None
            assert end_leftovers(tmp_path, str(tmp_path)) == []
            assert bystander.poll() is None
        finally:
            bystander.kill()
            bystander.wait()


class TestLogs:
    def test_troubles_reach_the_terminal_and_the_rest_stays_in_the_file(
        self, supervisor: Supervisor, heard: Heard, tmp_path: Path
    ) -> None:
        program = (
            "import time\n"
            "print('2026-01-01T00:00:00Z [info     ] all is well')\n"
            "print('2026-01-01T00:00:00Z [error    ] mail was refused')\n"
            "print('Traceback (most recent call last):\\n  File x\\nValueError: no', flush=True)\n"
            "print('on we go', flush=True); time.sleep(60)"
        )
        child = _child(tmp_path, program)
        supervisor.start("child", child)
        assert _watch_until(supervisor, lambda: "child: ValueError: no" in heard.lines)
        assert "all is well" in child.log_path.read_text()
        assert [line for line in heard.lines if "well" in line or "on we go" in line] == []
        assert any("mail was refused" in line for line in heard.lines)

    def test_a_log_that_has_grown_too_long_is_moved_while_it_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "LOG_LIMIT_BYTES", 10)
        path = tmp_path / "x.log"
        with process.open_log(path) as log:
            tail = LogTail(path)
            log.write(b"twenty characters ok\n")
            assert tail.new_lines() == ["twenty characters ok"]
            trim_log(path)
            log.write(b"after\n")
            assert tail.new_lines() == ["after"]
        assert path.read_text() == "after\n"
        assert (tmp_path / "x.log.1").read_text() == "twenty characters ok\n"


class TestFolderLock:
    def test_the_second_holder_is_told_who_the_first_is(self, tmp_path: Path) -> None:
        first, second = (FolderLock(tmp_path / "lock", "the test") for _ in range(2))
        first.acquire()
        with pytest.raises(DevstackError, match=rf"is in use by the test \(process {os.getpid()}\)$"):
            second.acquire()
        first.release()
        second.acquire()
        second.release()


def _marked(folder: Path) -> list[int]:
    from todoenbalance.devstack.supervisor import _marked as find

    return [pid for pid in find(str(folder)) if is_alive(pid)]
