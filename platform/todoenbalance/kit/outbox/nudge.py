"""Telling the relay that there is something to do, so that the usual delay is milliseconds.

Best effort: with Redis down the rows wait for the relay's own tick. Nudges coalesce, run in one thread
and never raise, so a slow broker slows no request.
"""

import threading
from collections.abc import Callable

from todoenbalance.kit.logs import get_logger

MIN_INTERVAL_SECONDS = 0.02
"""A run of the relay takes what a burst of commits left, so more nudges than this are work for nothing."""

_log = get_logger("outbox.nudge")


class Nudger:
    """Calls ``send`` soon after :meth:`nudge`; however many nudges come while it runs, once more."""

    def __init__(self, send: Callable[[], None]) -> None:
        self._send = send
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def nudge(self) -> None:
        """Ask for a run of the relay; returns at once."""
        self._wanted.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="outbox-nudger", daemon=True)
                    self._thread.start()

    def stop(self) -> None:
        """End the thread; what was not sent is for the relay's own tick."""
        self._stopped.set()
        self._wanted.set()

    def _run(self) -> None:
        failing = False
        while True:
            self._wanted.wait()
            if self._stopped.is_set():
                return
            self._wanted.clear()
            try:
                self._send()
                failing = False
                self._stopped.wait(MIN_INTERVAL_SECONDS)
            except Exception as error:  # the broker's client raises many kinds; the tick makes up for it
                if not failing:
                    _log.warning("nudge_failed", error=type(error).__name__)
                failing = True
                self._stopped.wait(1.0)
