"""To stand in another transaction's way and know when it has come to a stand there."""

import asyncio
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_PATIENCE_SECONDS: Final = 20.0
_WAITING: Final = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
)


async def until_blocked(session: AsyncSession, waiting: int = 1) -> None:
    """Returns once that many others wait for a lock of this open transaction, which must be idle meanwhile.

    Sleeping "long enough" instead is wrong on a busy machine.

    Raises:
        TimeoutError: Nobody came to wait within twenty seconds.
    """
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while (await session.scalar(_WAITING) or 0) < waiting:  # noqa: ASYNC110 - the event is another process's
            await asyncio.sleep(0.01)
