"""The long-running processes: each command becomes the server that it starts, so signals reach it."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from todoenbalance.kit.settings import get_settings

_APPLICATION = "todoenbalance.asgi:app"
_CELERY = "todoenbalance.worker:celery_app"
_GRACE_SECONDS = 30


def exec_api(*, host: str, port: int, workers: int, forwarded_allow_ips: str) -> NoReturn:
    """Become uvicorn, whose own process manager checks, replaces and reloads (SIGHUP) several workers."""
    get_settings()  # what is missing is said in one line here, not by a child of a child
    _become(
        "uvicorn",
        _APPLICATION,
        f"--host={host}",
        f"--port={port}",
        f"--workers={workers}",
        f"--timeout-graceful-shutdown={_GRACE_SECONDS}",
        f"--forwarded-allow-ips={forwarded_allow_ips}",
        "--proxy-headers",
        "--no-server-header",
        "--no-access-log",  # the application writes a line of its own for each request
    )


def exec_worker(*, concurrency: int) -> NoReturn:
    """Become a Celery worker with ``concurrency`` processes."""
    get_settings()  # what is missing is said in one line here, not by a child of a child
    _become(
        "celery",
        f"--app={_CELERY}",
        "worker",
        "--pool=prefork",
        # Workers have nothing to tell each other; without asking around they start a second sooner.
        "--without-gossip",
        "--without-mingle",
        # Nobody listens to heartbeats, and where Redis goes first, a worker that is to stop waits for one for ever.
        "--without-heartbeat",
        f"--concurrency={concurrency}",
    )


def exec_beat(*, schedule_file: Path | None) -> NoReturn:
    """Become Celery's clock; where it remembers its last runs, the application's own setting says."""
    place = schedule_file or get_settings().data_dir / "run" / "beat-schedule"
    place.parent.mkdir(parents=True, exist_ok=True)
    own_place = [f"--schedule={schedule_file}"] if schedule_file else []
    _become("celery", f"--app={_CELERY}", "beat", "--pidfile=", *own_place)


def _become(module: str, *arguments: str) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our own interpreter
