"""What the local providers have in common: a real server in a thread, checking, recording, and things going wrong."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.contract.documents import CheckedRequest
from tests.support.providers.faults import Fault, FaultKind, Faults

Json = dict[str, Any]
METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]
STARTUP_SECONDS = 20
STOP_SECONDS = 10


class OffContractError(Exception):
    """What a local provider wanted to say doesn't fit the contract: the fault is the provider's, not the product's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answers; ``body`` None is no body, bytes are sent as they are."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Exchange:
    """A request as it arrived, and what came of it. ``status`` None: the answer never left."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    raw: bytes
    client_port: int
    asked: Json = field(default_factory=dict)
    body: Any = None
    violations: tuple[str, ...] = ()
    fault: FaultKind | None = None
    status: int | None = None
    answer: Any = None


class ProviderServer:
    """One provider. Subclasses say how a request is checked (:meth:`check`) and carried out (:meth:`perform`).

    Requests are carried out one at a time under ``lock``; control methods, which tests call from their own thread,
    take it too.
    """

    name: ClassVar[str]
    pages: ClassVar[tuple[str, ...]] = ("/_/",)
    """How the paths begin that are for people, or at any rate no part of the API."""

    def __init__(self, port: int = 0) -> None:
        """``port`` 0 is any that is free."""
        self._port = port
        self.lock = threading.RLock()
        self.faults = Faults()
        self.exchanges: list[Exchange] = []
        self.failures: list[str] = []
        """Faults of this server itself: answers or webhooks off the contract."""
        self._expected: list[str] = []
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    # --- what a subclass says

    def check(self, exchange: Exchange) -> CheckedRequest:
        """The request against the contract."""
        raise LookupError(f"{self.name} checks nothing")

    def perform(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        """Does what was asked, under the lock."""
        raise LookupError(f"{self.name} does nothing")

    def refuse(self, status: int) -> Any:
        """The body of an answer that a fault asks for, in the provider's shape."""
        raise LookupError(f"{self.name} has no errors, {status} neither")

    def page(self, method: str, path: str, form: Mapping[str, str]) -> Answer | None:
        """A page for people at this path, or None. A ``Location`` among the headers redirects."""
        return None

    def release(self, exchange: Exchange) -> None:
        """Called when a request that was begun is over, however it ended."""

    def begin(self, exchange: Exchange) -> Answer | None:
        """Called before any delay; an answer ends the request at once."""
        return None

    # --- running

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "not started"
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    def start(self) -> Self:
        """Listens, and returns once it does."""
        app = Starlette(routes=[Route("/{path:path}", self._serve, methods=METHODS)])
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=self._port,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            timeout_graceful_shutdown=2,
        )
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, name=f"local {self.name}", daemon=True)
        self._thread.start()
        waited = threading.Event()
        for _ in range(STARTUP_SECONDS * 100):
            if server.started:
                return self
            if not self._thread.is_alive():
                break
            waited.wait(0.01)
        raise RuntimeError(f"the local {self.name} did not start")

    def stop(self) -> None:
        """Stops listening and waits until it has."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- what tests ask

    def requests(self, path: str = "", method: str | None = None) -> list[Exchange]:
        """The recorded requests whose path contains this, in order of arrival."""
        return [it for it in self.exchanges if path in it.path and method in {None, it.method}]

    @property
    def violations(self) -> list[str]:
        """What recorded requests said against the contract, those that a test expected left out."""
        found = [f"{it.method} {it.path}: {wrong}" for it in self.exchanges for wrong in it.violations]
        return [it for it in found if not any(expected in it for expected in self._expected)]

    @contextmanager
    def expecting_violations(self, *texts: str) -> Iterator[None]:
        """The test sends something wrong on purpose: each text must be found in a violation of this block."""
        before = len(self.exchanges)
        yield
        found = [f"{it.method} {it.path}: {wrong}" for it in self.exchanges[before:] for wrong in it.violations]
        missing = [text for text in texts if not any(text in it for it in found)]
        assert not missing, f"{self.name} found nothing against {missing}; it found {found}"
        self._expected += found

    def assert_clean(self) -> None:
        """Fails if a request broke the contract unexpectedly, or the server itself did."""
        assert not self.failures, f"the local {self.name} is off its contract: {self.failures}"
        assert not self.violations, f"requests to {self.name} off its contract: {self.violations}"

    def fail(self, what: str, wrong: tuple[str, ...]) -> None:
        """Something of this server's own is off the contract."""
        self.failures.append(f"{what}: {'; '.join(wrong[:5])}")
        raise OffContractError(self.failures[-1])

    # --- one request

    async def _serve(self, request: Request) -> Response:
        path, raw = request.url.path, await request.body()
        paged = self._page(request, path, raw)
        if paged is not None:
            return paged
        assert request.client is not None
        exchange = Exchange(
            request.method, path, request.url.query, dict(request.headers.items()), raw, request.client.port
        )
        fault = self.faults.take(request.method, path)
        exchange.fault = fault.kind if fault else None
        answer = await self._answer(exchange, fault)
        if answer is None:
            await self._hang_up(request)
            return Response(status_code=500)
        exchange.status, exchange.answer = answer.status, answer.body
        return _response(answer)

    async def _hang_up(self, request: Request) -> None:
        assert self._server is not None
        assert request.client is not None
        for connection in self._server.server_state.connections:
            if connection.transport.get_extra_info("peername")[1] == request.client.port:
                connection.transport.abort()
        # Uvicorn takes an application that says nothing for a broken one, unless the client is gone already.
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async def _answer(self, exchange: Exchange, fault: Fault | None) -> Answer | None:
        with self.lock:
            checked = self.check(exchange)
            exchange.asked, exchange.body, exchange.violations = checked.query, checked.body, checked.violations
            self.exchanges.append(exchange)
            early = self.begin(exchange)
        if early is not None:
            return early
        try:
            if fault and fault.kind is FaultKind.STATUS:
                body = self.refuse(fault.status) if fault.body is None else fault.body
                return Answer(fault.status, body, fault.headers)
            if fault and fault.kind is FaultKind.DROP:
                return None
            if fault and fault.kind is FaultKind.DELAY:
                await asyncio.sleep(fault.seconds)
            with self.lock:
                answer = self._performed(exchange, checked)
        finally:
            self.release(exchange)
        if fault and fault.kind is FaultKind.LOSE_ANSWER:
            return Answer(fault.status, self.refuse(fault.status)) if fault.status else None
        return answer

    def _performed(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        """A fault in this server is a 500 with its name, and fails the test that caused it."""
        try:
            return self.perform(exchange, checked)
        except OffContractError as error:
            return Answer(500, {"local_provider_failed": str(error)})
        except Exception as error:
            self.failures.append(f"{exchange.method} {exchange.path}: {error!r}")
            return Answer(500, {"local_provider_failed": repr(error)})

    def _page(self, request: Request, path: str, raw: bytes) -> Response | None:
        if not path.startswith(self.pages):
            return None
        form = dict(parse_qsl(raw.decode())) if request.method == "POST" else {}
        with self.lock:
            answer = self.page(request.method, path, {**dict(request.query_params), **form})
        if answer is None:
            return None
        if "Location" in answer.headers:
            return RedirectResponse(answer.headers["Location"], status_code=303)
        if isinstance(answer.body, bytes):
            return _response(answer)
        return HTMLResponse(answer.body, status_code=answer.status)


def _response(answer: Answer) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status, headers=dict(answer.headers))
    if isinstance(answer.body, bytes):
        return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))
    content = json.dumps(answer.body).encode()
    return Response(content, answer.status, dict(answer.headers), media_type="application/json")
