"""What goes wrong on the way to a provider, queued by a test for the requests that it means."""

import fnmatch
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class FaultKind(Enum):
    """What happens to the request."""

    STATUS = auto()
    """Answered with a status of its own; nothing is done."""
    DROP = auto()
    """The connection ends without an answer; nothing is done."""
    DELAY = auto()
    """Answered properly, later."""
    LOSE_ANSWER = auto()
    """Done, and then the connection ends (or a 500 is answered): the case that makes double charges."""


@dataclass(slots=True)
class Fault:
    """One fault for the next ``times`` requests that it fits; ``path`` may hold ``*``."""

    kind: FaultKind
    method: str = "*"
    path: str = "*"
    times: int = 1
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def fits(self, method: str, path: str) -> bool:
        """Whether this request is meant."""
        return self.method in {"*", method} and fnmatch.fnmatchcase(path, self.path)


class Faults:
    """The faults that wait; each is used up after its times."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def answer(
        self,
        status: int,
        path: str = "*",
        *,
        method: str = "*",
        times: int = 1,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """The next requests get this status and nothing is done for them."""
        self._add(Fault(FaultKind.STATUS, method, path, times, status, body, headers or {}))

    def drop(self, path: str = "*", *, method: str = "*", times: int = 1) -> None:
        """The next requests get no answer and nothing is done for them."""
        self._add(Fault(FaultKind.DROP, method, path, times))

    def delay(self, seconds: float, path: str = "*", *, method: str = "*", times: int = 1) -> None:
        """The next requests are carried out after so long."""
        self._add(Fault(FaultKind.DELAY, method, path, times, seconds=seconds))

    def lose_answer(self, path: str = "*", *, method: str = "*", times: int = 1, status: int | None = None) -> None:
        """The next requests are carried out and their answer is lost; with a status, that is answered instead."""
        self._add(Fault(FaultKind.LOSE_ANSWER, method, path, times, status or 0))

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, used once."""
        with self._lock:
            for fault in self._waiting:
                if fault.fits(method, path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None

    def clear(self) -> None:
        """From now on everything goes well."""
        with self._lock:
            self._waiting.clear()

    def _add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)
