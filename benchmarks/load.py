"""The load generator: a few keep-alive connections of plain HTTP/1.1, cheap enough not to be what is measured."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from benchmarks.errors import BenchmarkError

_ANSWER_SECONDS = 30.0


@dataclass(slots=True)
class Sample:
    """What one side took: a time for each piece of work, and the time of all of it together. Seconds."""

    times: list[float] = field(default_factory=list)
    wall: float = 0.0

    def add(self, other: "Sample") -> None:
        """Take another round of the same side in."""
        self.times.extend(other.times)
        self.wall += other.wall

    @property
    def p50(self) -> float:
        """The median time."""
        return statistics.median(self.times)

    @property
    def rate(self) -> float:
        """Pieces of work a second."""
        return len(self.times) / self.wall


Side = Callable[[], Awaitable[Sample]]


async def alternate(rounds: int, sides: Sequence[Side]) -> list[Sample]:
    """Every side in turn, ``rounds`` times over: what drifts on the machine drifts for all of them."""
    samples = [Sample() for _ in sides]
    for _ in range(rounds):
        for sample, side in zip(samples, sides, strict=True):
            sample.add(await side())
    return samples


class _Connection(asyncio.Protocol):
    """One request at a time; understands answers with a Content-Length, which is all that is sent here."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass of asyncio's

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        name = head.lower().find(b"\r\ncontent-length:")
        if name < 0:
            self._fail(BenchmarkError(f"an answer without a length: {head[:200]!r}"))
            return
        length = int(head[name + 17 :].partition(b"\r\n")[0])
        if len(body) >= length:
            self._received = b""
            if self._answer is not None and not self._answer.done():
                self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(BenchmarkError(f"the server closed the connection: {exc or 'no reason given'}"))

    def _fail(self, error: BenchmarkError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def render_request(
    method: str, path: str, host: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A whole request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Load:
    """Open connections to one server."""

    def __init__(self, connections: list[_Connection]) -> None:
        self._connections = connections

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """A single request, over the first connection."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await self._connections[0].ask(request)

    async def run(
        self, feeds: Sequence[Iterator[bytes]], seconds: float, *, status: int = 200, rate: float | None = None
    ) -> Sample:
        """Ask for ``seconds``: over one connection for each feed, the next request as soon as one is answered.

        With a ``rate`` (requests a second, all connections together) each waits for its turn instead. Raises
        :class:`BenchmarkError` for an answer of another status: wrong answers are quick.
        """
        sample = Sample()
        started = time.perf_counter()
        turns = None if rate is None else _turns(started, rate)
        async with asyncio.timeout(seconds + _ANSWER_SECONDS):
            await asyncio.gather(
                *(
                    self._work(connection, feed, started + seconds, sample, status, turns)
                    for connection, feed in zip(self._connections, feeds, strict=False)
                )
            )
        sample.wall = time.perf_counter() - started
        return sample

    async def run_count(self, feed: Iterator[bytes], count: int) -> None:
        """Ask ``count`` times over all connections and don't measure: to warm up."""
        left = iter(range(count))

        async def work(connection: _Connection) -> None:
            for _ in left:
                answered, body = await connection.ask(next(feed))
                if answered != 200:
                    raise _unexpected(answered, body)

        await asyncio.gather(*(work(connection) for connection in self._connections))

    async def _work(
        self,
        connection: _Connection,
        feed: Iterator[bytes],
        deadline: float,
        sample: Sample,
        status: int,
        turns: Iterator[float] | None,
    ) -> None:
        while True:
            if turns is not None:
                due = next(turns)
                if due >= deadline:
                    return
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            request = next(feed)
            begun = time.perf_counter()
            if begun >= deadline:
                return
            answered, body = await connection.ask(request)
            sample.times.append(time.perf_counter() - begun)
            if answered != status:
                raise _unexpected(answered, body)


def _turns(started: float, rate: float) -> Iterator[float]:
    turn = 0
    while True:
        yield started + turn / rate
        turn += 1


def _unexpected(status: int, body: bytes) -> BenchmarkError:
    return BenchmarkError(f"an unexpected answer, {status}: {body[:300].decode(errors='replace')}")


@asynccontextmanager
async def connect(port: int, count: int) -> AsyncIterator[Load]:
    """``count`` connections to a server on this machine."""
    loop = asyncio.get_running_loop()
    opened: list[_Connection] = []
    try:
        for _ in range(count):
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
            opened.append(connection)
        yield Load(opened)
    finally:
        for connection in opened:
            connection.close()
