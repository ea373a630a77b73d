"""``todoenbalance up`` as a person meets it: a terminal, one line when something is wrong, Ctrl-C."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from todoenbalance.devstack import sockets
from todoenbalance.devstack.errors import DevstackError
from todoenbalance.devstack.postgres import EmbeddedPostgres
from todoenbalance.devstack.process import free_port, is_alive, wait_until
from todoenbalance.devstack.supervisor import MARKER

READY_SECONDS = 90


def _environment() -> dict[str, str]:
    """Ours without any settings, as on a bare machine."""
    return {key: value for key, value in os.environ.items() if not key.startswith("TODOENBALANCE_")}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "todoenbalance", *arguments]


def _run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        _command(*arguments), env=_environment() | settings, capture_output=True, text=True, timeout=60, check=False
    )


def _is_one_line(text: str) -> bool:
    return text.endswith("\n") and text.count("\n") == 1


class TestRefusing:
    @pytest.fixture
    def taken_port(self) -> Iterator[int]:
        with socket.socket() as squatter:
            squatter.bind(("127.0.0.1", 0))
            squatter.listen()
            yield int(squatter.getsockname()[1])

    def test_a_port_that_is_taken_is_one_line_before_anything_starts(self, taken_port: int, tmp_path: Path) -> None:
        result = _run("up", "--data-dir", str(tmp_path / "data"), "--port", str(taken_port))
        assert result.returncode == 1
        assert result.stderr == (
            f"todoenbalance: port {taken_port} is in use by another program: choose another with --port or PORT\n"
        )
        assert not (tmp_path / "data" / "postgres").exists()

    def test_the_port_may_come_from_the_environment(self, taken_port: int, tmp_path: Path) -> None:
        result = _run("up", "--data-dir", str(tmp_path / "data"), PORT=str(taken_port))
        assert f"port {taken_port} is in use" in result.stderr

    def test_data_of_another_version_is_one_line(self, tmp_path: Path) -> None:
        cluster = tmp_path / "data" / "postgres" / "cluster"
        cluster.mkdir(parents=True)
        (cluster / "PG_VERSION").write_text("15\n")
        result = _run("up", "--data-dir", str(tmp_path / "data"), "--port", str(free_port()))
        assert result.returncode == 1
        assert _is_one_line(result.stderr)
        assert "was written by PostgreSQL 15" in result.stderr

    def test_a_server_of_ones_own_that_does_not_answer_is_one_line(self, tmp_path: Path) -> None:
        port = str(free_port())
        folder = ("--data-dir", str(tmp_path / "data"), "--port", str(free_port()))
        database = _run("up", *folder, TODOENBALANCE_DATABASE_URL=f"postgresql://x:y@127.0.0.1:{port}/z")
        assert database.returncode == 1
        assert _is_one_line(database.stderr)
        assert "TODOENBALANCE_DATABASE_URL" in database.stderr

    def test_a_server_of_ones_own_that_is_too_old_is_refused(
        self, cluster: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert sockets.check_postgres(cluster.admin_url).startswith("18.")
        monkeypatch.setattr(sockets, "MINIMUM_SERVER_VERSION", 990000)  # no older server is at hand
        with pytest.raises(DevstackError, match=r"^PostgreSQL 18\.\d+ is too old: 16 or newer is needed$"):
            sockets.check_postgres(cluster.admin_url)

    def test_a_redis_of_ones_own_that_does_not_answer_is_one_line(self) -> None:
        with pytest.raises(DevstackError, match=r"^TODOENBALANCE_REDIS_URL: [^\n]*refused[^\n]*$"):
            sockets.check_redis(f"redis://127.0.0.1:{free_port()}/0")

    def test_production_is_refused(self, tmp_path: Path) -> None:
        result = _run("up", "--data-dir", str(tmp_path / "data"), TODOENBALANCE_ENVIRONMENT="production")
        assert result.returncode == 1
        assert _is_one_line(result.stderr)

    def test_a_folder_that_is_not_ours_is_never_deleted(self, tmp_path: Path) -> None:
        (tmp_path / "precious").write_text("")
        result = subprocess.run(
            [sys.executable, "-m", "todoenbalance.devstack.reset"],
            env=_environment() | {"TODOENBALANCE_DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 1
        assert _is_one_line(result.stderr)
        assert (tmp_path / "precious").exists()


class TestListening:
    def test_localhost_is_both_loopback_addresses(self) -> None:
        listeners = sockets.bind_loopback("localhost", free_port())
        families = {listener.family for listener in listeners}
        for listener in listeners:
            listener.close()
        assert socket.AF_INET in families
        assert (socket.AF_INET6 in families) == _has_ipv6_loopback()


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class RunningStack:
    """``todoenbalance up`` in a process of its own, without the demo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = folder.with_suffix(".out")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                _command("up", "--no-demo", "--data-dir", str(folder), "--port", str(self.port)),
                env=_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def marker(self) -> Path:
        return self.folder / "run" / "stack.json"

    def wait_until_ready(self) -> dict[str, Any]:
        assert wait_until(lambda: self.process.poll() is not None or self._names_us(), READY_SECONDS), (
            self.output.read_text()
        )
        assert self.process.poll() is None, self.output.read_text()
        return self.read_marker()

    def _names_us(self) -> bool:
        return self.marker.exists() and self.read_marker()["pid"] == self.process.pid

    def read_marker(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.marker.read_text())
        return document

    def status(self, path: str, host: str = "localhost") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={"Host": f"{host}:{self.port}"})
            return connection.getresponse().status
        finally:
            connection.close()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningStack]:
    made = RunningStack(tmp_path / "data")
    yield made
    made.end()


def _all_gone(pids: dict[str, int]) -> bool:
    return not any(is_alive(pid) for pid in pids.values())


@pytest.mark.e2e
class TestRunning:
    def test_it_runs_refuses_a_second_one_mends_crashes_and_stops_with_ctrl_c(
        self, running: RunningStack, tmp_path: Path
    ) -> None:
        ready = running.wait_until_ready()
        assert set(ready["processes"]) == {"postgres", "redis", "worker", "beat", "api"}
        assert stat.S_IMODE(running.marker.stat().st_mode) == 0o600
        assert running.status("/readyz") == 200

        same_folder = _run("up", "--data-dir", str(running.folder), "--port", str(free_port()))
        assert same_folder.returncode == 1
        assert _is_one_line(same_folder.stderr)
        assert f"(process {running.process.pid})" in same_folder.stderr
        same_port = _run("up", "--data-dir", str(tmp_path / "other"), "--port", str(running.port))
        assert same_port.returncode == 1
        assert f"port {running.port} is in use" in same_port.stderr

        os.kill(ready["processes"]["api"], signal.SIGKILL)
        assert wait_until(lambda: running.read_marker()["processes"].get("api") != ready["processes"]["api"], 20)
        assert running.status("/healthz") == 200  # waits in the socket's queue, and is not refused

        last = running.read_marker()["processes"]
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(60) == 0
        assert _all_gone(last)
        assert not running.marker.exists()
        assert "Stopped; the data is kept" in running.output.read_text()

    def test_a_supervisor_killed_outright_leaves_nothing_and_the_next_start_has_the_data(
        self, running: RunningStack
    ) -> None:
        ready = running.wait_until_ready()
        running.process.kill()
        running.process.wait()
        if sys.platform == "linux":
            # Each gets its signal at once; how long PostgreSQL writes what it holds is up to the disk.
            wait_until(lambda: _all_gone(ready["processes"]), 90)
            assert [name for name, pid in ready["processes"].items() if is_alive(pid)] == []
        password = json.loads((running.folder / "secrets.json").read_text())["database_password"]

        with EmbeddedPostgres(running.folder / "postgres") as server:
            import psycopg

            with psycopg.connect(server.url_for("todoenbalance", "todoenbalance", password)) as connection:
                row = connection.execute("SELECT to_regclass('platform.tenants') IS NOT NULL").fetchone()
            assert row == (True,)

    def test_a_stop_during_the_start_is_clean_as_well(self, running: RunningStack) -> None:
        assert wait_until(lambda: (running.folder / "postgres" / "cluster").exists(), 30)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
        if sys.platform == "linux":
            assert _marked_processes(running.folder) == []


def _marked_processes(folder: Path) -> list[int]:
    wanted = f"{MARKER}={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found
