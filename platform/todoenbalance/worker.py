"""Celery: the worker that runs handed-over events, and the beat that keeps the relay ticking.

Celery is a synchronous edge over the same async services: each worker process keeps one event loop and one
pooled engine for its life. Tasks carry the id of a queue row and nothing else; the row says which practice
and what. No ``eta`` or long ``countdown`` anywhere: Redis redelivers what is not acknowledged within the
visibility timeout, so what is to happen later is a row with a later ``run_at``.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID

from celery.signals import setup_logging, worker_process_init, worker_process_shutdown

import todoenbalance.registry  # noqa: F401 - the mappers must know every table before the first query
from tenants.registry.service import TenantDirectory
from todoenbalance.broker import DELIVER_TASK, HOUSEKEEPING_TASK, RELAY_TASK, WAITING_TASK, make_celery
from todoenbalance.kit.logs import configure_logs
from todoenbalance.kit.outbox import relay
from todoenbalance.kit.outbox.dispatch import Dispatcher
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings, get_settings
from todoenbalance.operators.housekeeping import clean_platform
from todoenbalance.operators.waiting.service import look
from todoenbalance.subscriptions import (
    PLATFORM_SUBSCRIPTIONS,
    SUBSCRIPTIONS,
    register_composers,
    register_payable_kinds,
    register_personal_data_sources,
)

T = TypeVar("T")


class _Process:
    """What a worker process keeps for its life."""

    def __init__(self, settings: Settings) -> None:
        self.runner = asyncio.Runner()
        self.runtime = Runtime.from_settings(settings)
        self.directory = TenantDirectory(self.runtime.database, settings)
        self.dispatcher = Dispatcher(self.runtime, self.directory, SUBSCRIPTIONS, PLATFORM_SUBSCRIPTIONS)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the process's one loop."""
        return self.runner.run(work)

    def close(self) -> None:
        """Close the pool, then the loop that it belongs to."""
        self.runner.run(self.runtime.close())
        self.runner.close()


celery_app = make_celery(get_settings())
_process: _Process | None = None


def _this_process() -> _Process:
    global _process  # one per process, made after the fork
    if _process is None:
        register_composers()
        register_personal_data_sources()
        register_payable_kinds()
        _process = _Process(get_settings())
    return _process


@setup_logging.connect
def _logs(**_: object) -> None:
    settings = get_settings()
    configure_logs(settings.log_level, json=settings.log_json)


@worker_process_init.connect
def _start(**_: object) -> None:
    _this_process()


@worker_process_shutdown.connect
def _stop(**_: object) -> None:
    global _process  # one per process
    if _process is not None:
        _process.close()
        _process = None


@celery_app.task(name=RELAY_TASK)
def relay_due() -> None:
    """Hand over rows that are due, and of many, come again when the workers are through with half of them."""
    process = _this_process()
    settings = process.runtime.settings.outbox

    async def hand_over() -> list[relay.Handover]:
        async with process.runtime.database.platform() as session:
            return await relay.hand_over_due(session, settings, told=process.dispatcher.told)

    batch = process.run(hand_over())
    # A message in the middle of the line is met when what stands before it was taken.
    middle = len(batch) // 2 if len(batch) >= settings.in_flight // 4 else None
    for position, item in enumerate(batch):
        if position == middle:
            celery_app.send_task(RELAY_TASK, expires=settings.lease_seconds)
        celery_app.send_task(DELIVER_TASK, args=[str(item.event_id), item.attempt], expires=settings.lease_seconds * 2)


@celery_app.task(name=DELIVER_TASK)
def deliver(event_id: str, attempt: int) -> None:
    """Run one hand-over of one row."""
    process = _this_process()
    published = False

    def note() -> None:
        nonlocal published
        published = True

    process.runtime.database.on_events = note
    process.run(process.dispatcher.deliver(UUID(event_id), attempt))
    if published:
        celery_app.send_task(RELAY_TASK, expires=5)


@celery_app.task(name=HOUSEKEEPING_TASK)
def clean_up() -> None:
    """Throw away what the shared schema has kept long enough; practices' own runs are rows of the queue."""
    process = _this_process()
    process.run(clean_platform(process.runtime.database))


@celery_app.task(name=WAITING_TASK)
def look_at_what_waits() -> None:
    """Have operators told of what wants a person, if it is time to."""
    process = _this_process()
    process.run(look(process.runtime))
