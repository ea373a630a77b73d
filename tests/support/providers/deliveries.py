"""Webhooks on their way to the product: at once, held back, twice, in another order, or never."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import httpx

TIMEOUT_SECONDS = 20
SETTLE_SECONDS = 30


class DeliveryMode(Enum):
    """What becomes of webhooks from now on."""

    NOW = auto()
    HELD = auto()
    """They wait for :meth:`Deliveries.release`."""
    TWICE = auto()
    DROPPED = auto()
    """They never leave, and count as failed."""


@dataclass(eq=False, slots=True)
class Delivery:
    """One event to one endpoint. ``statuses``: what the endpoint answered, 0 for no answer."""

    url: str
    body: bytes
    sign: Callable[[bytes], Mapping[str, str]]
    """The headers, made anew for each attempt."""
    event_id: str
    event_type: str
    statuses: list[int] = field(default_factory=list)

    @property
    def is_delivered(self) -> bool:
        """Whether an attempt was answered with success."""
        return any(200 <= it < 300 for it in self.statuses)


class Deliveries:
    """Posts from one thread of its own, so in order."""

    def __init__(self) -> None:
        self.mode = DeliveryMode.NOW
        self.late_seconds = 0.0
        """Each webhook leaves that much later."""
        self.held: list[Delivery] = []
        self.all: list[Delivery] = []
        self._queue: queue.Queue[Delivery | None] = queue.Queue()
        self._worker: threading.Thread | None = None

    def add(self, delivery: Delivery) -> None:
        """Takes a webhook as the mode says."""
        self.all.append(delivery)
        match self.mode:
            case DeliveryMode.NOW:
                self._enqueue(delivery)
            case DeliveryMode.TWICE:
                self._enqueue(delivery)
                self._enqueue(delivery)
            case DeliveryMode.HELD:
                self.held.append(delivery)
            case DeliveryMode.DROPPED:
                delivery.statuses.append(0)

    def release(
        self, order: Callable[[Sequence[Delivery]], Sequence[Delivery]] = lambda held: held, *, times: int = 1
    ) -> None:
        """Sends what was held, in the order that is made of it (``order`` may leave some out), and waits."""
        held, self.held = self.held, []
        for delivery in order(held):
            for _ in range(times):
                self._enqueue(delivery)
        self.settle()

    def repeat_failed(self) -> None:
        """Sends again what was never answered with success, as a provider does for days, and waits."""
        for delivery in self.all:
            if not delivery.is_delivered and delivery not in self.held:
                self._enqueue(delivery)
        self.settle()

    def settle(self) -> None:
        """Waits until everything on its way has arrived. Raises TimeoutError."""
        until = time.monotonic() + SETTLE_SECONDS
        while self._queue.unfinished_tasks:
            if time.monotonic() > until:
                raise TimeoutError("webhooks are still on their way")
            time.sleep(0.005)

    def undelivered(self, event_id: str) -> int:
        """To how many endpoints this event has not come."""
        return sum(1 for it in self.all if it.event_id == event_id and not it.is_delivered)

    def stop(self) -> None:
        """Sends nothing more."""
        if self._worker is not None:
            self._queue.put(None)
            self._worker.join(SETTLE_SECONDS)

    def _enqueue(self, delivery: Delivery) -> None:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="local webhooks", daemon=True)
            self._worker.start()
        self._queue.put(delivery)

    def _work(self) -> None:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            while (delivery := self._queue.get()) is not None:
                if self.late_seconds:
                    time.sleep(self.late_seconds)
                try:
                    headers = dict(delivery.sign(delivery.body))
                    answer = client.post(delivery.url, content=delivery.body, headers=headers)
                    delivery.statuses.append(answer.status_code)
                except httpx.HTTPError:
                    delivery.statuses.append(0)
                finally:
                    self._queue.task_done()
