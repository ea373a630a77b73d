"""PayPal's API for asynchronous callers: the blocking transport in threads of its own, errors in the port's words."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Self, TypeVar

from billing.accounts.service import AccountAccess
from billing.providers.paypal.refusals import RefusedError
from billing.providers.paypal.transport import PayPalTransport, transport_for
from todoenbalance.kit.settings import Settings

_T = TypeVar("_T")

# Of its own, so that a PayPal that hangs does not keep passwords from being checked in the common pool.
_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="paypal")


class PayPalClient:
    """One account's calls. Each raises :class:`~billing.providers.port.ProviderError`s only."""

    def __init__(self, transport: PayPalTransport) -> None:
        self._transport = transport

    @classmethod
    def of(cls, settings: Settings, access: AccountAccess) -> Self:
        """Over the connection that this process keeps for the account. Raises ``NotAuthorisedError`` without one."""
        return cls(transport_for(settings, access))

    async def get(self, path: str) -> dict[str, Any]:
        """Read."""
        return await self._call("GET", path)

    async def post(self, path: str, body: Any, *, key: str | None = None) -> dict[str, Any]:
        """Make or do; by the same ``key`` once."""
        return await self._call("POST", path, body, key=key)

    async def post_raw(self, path: str, text: str) -> dict[str, Any]:
        """The same with a body that must go out as it is."""
        return await self._call("POST", path, raw=text)

    async def patch(self, path: str, operations: list[dict[str, Any]], *, key: str | None = None) -> dict[str, Any]:
        """Change (RFC 6902)."""
        return await self._call("PATCH", path, operations, key=key)

    async def delete(self, path: str) -> None:
        """Remove."""
        await self._call("DELETE", path)

    async def _call(self, method: str, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        call = partial(self._transport.call, method, path, *args, **kwargs)
        try:
            return await in_thread(call)
        except RefusedError as refusal:
            raise refusal.to_error() from None


async def in_thread(call: Callable[[], _T]) -> _T:
    """Run what blocks in PayPal's threads, with the caller's log context."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_threads, context.run, call)
