"""The command line's edge: one transaction of the platform per command."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import todoenbalance.registry  # noqa: F401 - the mappers must know every table before the first query
from todoenbalance.kit.database import Database, PlatformSession
from todoenbalance.kit.settings import Settings, get_settings

T = TypeVar("T")


def in_platform_transaction(work: Callable[[PlatformSession, Settings], Awaitable[T]]) -> T:
    """What ``work`` answers, committed; rolled back if it raises."""

    async def run() -> T:
        settings = get_settings()
        async with _platform(settings) as session:
            return await work(session, settings)

    return asyncio.run(run())


@asynccontextmanager
async def _platform(settings: Settings) -> AsyncIterator[PlatformSession]:
    database = Database.from_settings(settings)
    try:
        async with database.platform() as session:
            yield session
    finally:
        await database.close()
