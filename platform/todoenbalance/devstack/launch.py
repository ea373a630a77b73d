"""Becomes another program: ``python -I -S launch.py <options as JSON> <program> [arguments]``.

A script with nothing but the standard library, run as a process of its own because the steps below are
not safe between ``fork`` and ``exec`` of a threaded parent. In this order it

1. gives up root for ``uid``/``gid`` when asked to (PostgreSQL refuses to run as root);
2. when that user can't reach ``paths`` (a checkout below ``/root`` with mode 700), keeps the one Linux
   capability that passes through closed folders, and nothing else: no mode is changed, nothing is copied;
3. asks Linux to send ``death_signal`` when ``parent`` dies, even by SIGKILL;
4. replaces itself by the program.

Ends with status 125 and one line on standard error when a step fails.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

CANNOT_LAUNCH = 125

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
# capabilities(7): read and search anything; where a container withholds it (Docker's default), the one
# that may also write anything.
_CAP_DAC_READ_SEARCH = 2
_CAP_DAC_OVERRIDE = 1

_Six = ctypes.c_uint32 * 6


class LaunchError(Exception):
    """A step failed; the text is one line."""


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _can_reach(paths: list[str]) -> bool:
    for path in paths:
        try:
            Path(path).stat()
        except PermissionError:
            return False
    return True


def _keep_one_capability(libc: ctypes.CDLL, paths: list[str]) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    held = _Six()
    _call(libc.capget, header, held)
    wanted = [number for number in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if held[1] & (1 << number)]
    if not wanted:
        raise LaunchError(f"no other user can reach {paths[0]}, and root holds no capability to help")
    mask = 1 << wanted[0]
    # effective, permitted, inheritable of the capabilities 0-31, then the same of 32-63
    _call(libc.capset, header, _Six(mask, mask, mask, 0, 0, 0))
    _call(libc.prctl, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, wanted[0], 0, 0)


def _become(libc: ctypes.CDLL, uid: int, gid: int, paths: list[str]) -> None:
    is_linux = sys.platform == "linux"
    if is_linux:
        _call(libc.prctl, _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # The effective set is empty now, so this looks with the user's own rights. What is still permitted
    # vanishes at exec unless it is made ambient.
    if not _can_reach(paths):
        if not is_linux:
            raise LaunchError(f"the user that PostgreSQL runs as can't reach {paths[0]}")
        _keep_one_capability(libc, paths)
        if not _can_reach(paths):
            raise LaunchError(f"the user that PostgreSQL runs as can't reach {paths[0]}")


def main() -> int:
    """Do the steps; returns only when one failed."""
    options = json.loads(sys.argv[1])
    command = sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        os.umask(0o077)
        if options["uid"] is not None:
            _become(libc, options["uid"], options["gid"], options["paths"])
        if options["death_signal"] is not None and sys.platform == "linux":
            _call(libc.prctl, _PR_SET_PDEATHSIG, options["death_signal"], 0, 0, 0)
            if os.getppid() != options["parent"]:
                os.kill(os.getpid(), signal.SIGKILL)
        os.execv(command[0], command)  # noqa: S606 - the point of this script; the caller chose the program
    except (OSError, LaunchError) as error:
        sys.stderr.write(f"launch: {error}\n")
    return CANNOT_LAUNCH


if __name__ == "__main__":
    sys.exit(main())
