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
import stat
import sys
from collections.abc import Callable
from pathlib import Path

CANNOT_LAUNCH = 125

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_GET_SECUREBITS = 27
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
# capabilities(7): read and search anything; where a container withholds it (Docker's default), the one
# that may also write anything.
_CAP_DAC_READ_SEARCH = 2
_CAP_DAC_OVERRIDE = 1
_CAP_SETPCAP = 8
_SECBIT_NO_SETUID_FIXUP = 1 << 2

_Six = ctypes.c_uint32 * 6


class LaunchError(Exception):
    """A step failed; the text is one line."""


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _out_of_reach(paths: list[str]) -> str | None:
    """The first of ``paths`` that we can't use, as PostgreSQL looks: its own programs with access(2)."""
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(Path(path).stat().st_mode)
            if is_folder:
                os.stat(f"{path}/.")  # noqa: PTH116 - pathlib drops the dot, which asks for the right to enter
            elif not os.access(path, os.X_OK):
                return path
        except PermissionError:
            return path
    return None


def _refuse_out_of_reach(paths: list[str]) -> None:
    if (path := _out_of_reach(paths)) is not None:
        raise LaunchError(f"it may not run as root, and the user {os.geteuid()} can't reach {path}")


def _hold(libc: ctypes.CDLL, *, effective: int = 0, permitted: int = 0) -> None:
    """Hold these capabilities of 0-31 and no others; the effective ones are inheritable as well."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _call(libc.capset, header, _Six(effective, permitted, effective, 0, 0, 0))


def _permitted(libc: ctypes.CDLL) -> int:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    held = _Six()
    _call(libc.capget, header, held)
    return int(held[1])


def _keep_one_capability(libc: ctypes.CDLL, paths: list[str], permitted: int) -> None:
    kept = next((one for one in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if permitted & (1 << one)), None)
    if kept is not None:
        _hold(libc, effective=1 << kept, permitted=1 << kept)
        _call(libc.prctl, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, kept, 0, 0)
    _refuse_out_of_reach(paths)


def _become(libc: ctypes.CDLL, uid: int, gid: int, paths: list[str]) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    if sys.platform != "linux":
        os.setresuid(uid, uid, uid)
        _refuse_out_of_reach(paths)
        return
    before = libc.prctl(_PR_GET_SECUREBITS, 0, 0, 0, 0)
    # With this bit a change of user leaves capabilities alone, and access(2) goes by them (capabilities(7)).
    # Where a container forbids it, the older way is enough for everything but access(2).
    has_bit = libc.prctl(_PR_SET_SECUREBITS, before | _SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0
    if not has_bit:
        _call(libc.prctl, _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setresuid(uid, uid, uid)
    permitted = _permitted(libc)
    _hold(libc, permitted=permitted)
    # Looks with the user's own rights: nothing is effective now.
    if _out_of_reach(paths) is not None:
        _keep_one_capability(libc, paths, permitted)
        return
    if has_bit:
        _hold(libc, effective=permitted & (1 << _CAP_SETPCAP), permitted=permitted)
        _call(libc.prctl, _PR_SET_SECUREBITS, before, 0, 0, 0)
    _hold(libc)


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
