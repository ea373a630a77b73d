"""The product as its user runs it: `todoenbalance up` in a process of its own, spoken to over HTTP."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
OPERATOR = ("operator@example.com", "operator-demo-1")


class LoopbackTransport(httpx.HTTPTransport):
    """Sends requests for any `*.localhost` to this machine, whatever its resolver says; the Host header stays."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "localhost" or request.url.host.endswith(".localhost"), request.url
        request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(look: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """The first answer of ``look`` that is not None (or False); fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.1)


class RunningStack:
    """A started stack and how to speak to it."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self._environment = {
            **os.environ,
            "TODOENBALANCE_OUTBOX__LEASE_SECONDS": "3",
            "TODOENBALANCE_OUTBOX__RELAY_INTERVAL_SECONDS": "0.5",
        } | environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run `todoenbalance up` until it says that it is ready."""
        command = [
            sys.executable,
            "-m",
            "todoenbalance",
            "up",
            "--data-dir",
            str(self.data_dir),
            "--port",
            str(self.port),
        ]
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "run" / "stack.json").unlink(missing_ok=True)  # of one that was killed
        with (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

        def ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.output()
            return (self.data_dir / "run" / "stack.json").exists()

        wait_for(ready, "the stack to be ready", 120)

    def stop(self) -> int:
        """Ctrl-C; the exit status."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        return self._process.wait(60)

    def kill(self) -> None:
        """kill -9 of the supervisor, and of it alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def output(self) -> str:
        """What it said on the terminal."""
        return (self.data_dir.parent / f"{self.data_dir.name}.log").read_text()

    def state(self) -> dict[str, Any]:
        """The ready marker: addresses and process ids."""
        loaded: dict[str, Any] = json.loads((self.data_dir / "run" / "stack.json").read_text())
        return loaded

    def url(self, slug: str | None = None, path: str = "") -> str:
        """The address of a practice's host, or of the platform's."""
        return f"http://{slug + '.' if slug else ''}localhost:{self.port}{path}"

    @contextmanager
    def http(self, slug: str | None = None, **headers: str) -> Iterator[httpx.Client]:
        """A client of a practice's host, or of the platform's."""
        with httpx.Client(
            transport=LoopbackTransport(verify=False), base_url=self.url(slug), headers=headers, timeout=30
        ) as client:
            yield client

    def mails(self, slug: str, to: str | None = None) -> list[dict[str, Any]]:
        """What the practice mailed, newest first."""
        with self.http(slug, Accept="application/json") as client:
            items: list[dict[str, Any]] = client.get("/dev/mailbox").json()["items"]
        return [item for item in items if to is None or item["to"] == to]

    def wait_for_mail(self, slug: str, to: str, subject: str, seconds: float = 30.0) -> dict[str, Any]:
        """The newest mail to this address whose subject matches."""

        def look() -> dict[str, Any] | None:
            return next((mail for mail in self.mails(slug, to) if re.search(subject, mail["subject"])), None)

        return wait_for(look, f"a mail to {to} about {subject}", seconds)
