"""The embedded Redis keeps its data, its port and its password."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from todoenbalance.devstack.errors import DevstackError
from todoenbalance.devstack.process import is_alive, wait_until
from todoenbalance.devstack.redis import EmbeddedRedis, impatient_client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis") as running:
        yield running


def _set(server: EmbeddedRedis, word: str) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.set("word", word)


def _get(server: EmbeddedRedis) -> str:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        return str(client.get("word"))


def test_a_restart_keeps_data_and_address(server: EmbeddedRedis) -> None:
    _set(server, "kept")
    before = server.url
    server.stop()
    assert not server.running
    server.start()
    assert server.url == before
    assert _get(server) == "kept"


def test_a_server_killed_outright_starts_again_with_its_data(server: EmbeddedRedis) -> None:
    _set(server, "kept")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert wait_until(lambda: not server.running, 5)
    server.stop()
    server.start()
    assert _get(server) == "kept"


def test_without_the_password_nobody_gets_in(server: EmbeddedRedis, tmp_path: Path) -> None:
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    with impatient_client(f"redis://127.0.0.1:{port}") as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    for name in ("redis.conf", "state.json"):
        assert stat.S_IMODE((tmp_path / "redis" / name).stat().st_mode) == 0o600


def test_a_port_taken_meanwhile_is_changed(server: EmbeddedRedis) -> None:
    _set(server, "kept")
    before = server.url
    server.stop()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", int(before.rpartition(":")[2].partition("/")[0])))
        squatter.listen()
        server.start()
        assert server.url != before
        assert _get(server) == "kept"


def test_a_folder_in_use_is_refused_in_one_line(server: EmbeddedRedis, tmp_path: Path) -> None:
    with pytest.raises(DevstackError, match=r"^the data folder .* is in use by [^\n]*$"):
        EmbeddedRedis(tmp_path / "redis").start()
    assert server.running


def test_a_leftover_server_is_ended_and_its_data_taken_over(server: EmbeddedRedis, tmp_path: Path) -> None:
    _set(server, "kept")
    left = server.pid
    assert left is not None
    server._lock.release()  # as if the supervisor had been killed, on a system without death signals
    with EmbeddedRedis(tmp_path / "redis") as again:
        assert _get(again) == "kept"
        assert again.pid != left
    assert not is_alive(left)


def test_damaged_data_is_one_line_that_says_what_to_do(server: EmbeddedRedis, tmp_path: Path) -> None:
    _set(server, "kept")
    server.stop()
    (tmp_path / "redis" / "appendonly.aof").write_bytes(b"*3\r\nnot an append-only file\r\n" * 20)
    with pytest.raises(DevstackError, match=r"^Redis did not start: its append-only file is damaged; [^\n]*$"):
        EmbeddedRedis(tmp_path / "redis").start()
