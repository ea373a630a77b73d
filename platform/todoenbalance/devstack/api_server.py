"""The API on sockets that the supervisor holds: ``python -m todoenbalance.devstack.api_server``.

Browsers try ::1 first for ``*.localhost`` and uvicorn takes one host or one file descriptor, so both loopback
addresses are bound by the supervisor, which also knows before anything starts that the port is free, and
keeps callers waiting instead of refusing them while the API restarts.
"""

import argparse
import importlib.util
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from uvicorn.supervisors import ChangeReload, Multiprocess

_APPLICATION = "todoenbalance.asgi:app"
_OUR_PACKAGES = (
    "todoenbalance",
    "tenants",
    "notifications",
    "billing",
    "scheduling",
    "client_portal",
    "admin_portal",
)
_GRACE_SECONDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="todoenbalance.devstack.api_server")
    parser.add_argument("--fd", type=int, action="append", required=True, help="a listening socket")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--reload", action="store_true")
    options = parser.parse_args(arguments)
    sockets = [socket.socket(fileno=number) for number in options.fd]
    config = uvicorn.Config(
        _APPLICATION,
        reload=options.reload,
        reload_dirs=[str(folder) for folder in source_folders()] if options.reload else None,
        workers=options.workers,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        server_header=False,
        access_log=False,  # the application writes a line of its own for each request
    )
    if config.should_reload:
        ChangeReload(config, target=uvicorn.Server(config).run, sockets=sockets).run()
    elif config.workers > 1:
        Multiprocess(config, sockets=sockets).run()
    else:
        server = uvicorn.Server(config)
        server.run(sockets=sockets)
        return 0 if server.started else 3
    return 0


def source_folders() -> list[Path]:
    """The folders of our own code, for ``--reload``."""
    specs = [importlib.util.find_spec(package) for package in _OUR_PACKAGES]
    return [Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ()]


if __name__ == "__main__":
    sys.exit(main())
