"""Somebody else's web server, on this machine: answers what a test tells it to, and remembers what it was asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class CalendarServer:
    """``answers`` by path; ``asked``: path and headers of every request."""

    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str = "/calendar.ics", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def serves(self, content: bytes, path: str = "/calendar.ics", status: int = 200, **headers: str) -> None:
        """From now on; ``_`` in a header's name stands for a hyphen."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            tag = headers.get("ETag")
            if tag is not None and request.headers.get("If-None-Match") == tag:
                request.send_response(304)
                request.end_headers()
                return
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name.replace("_", "-"), value)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)

        self.answers[path] = answer

    def redirects(self, path: str, target: str, status: int = 302) -> None:
        self.serves(b"", path, status, Location=target)


@contextmanager
def calendar_server(context: SSLContext | None = None) -> Iterator[CalendarServer]:
    """One that listens on a free port of this machine until the block ends."""
    made: CalendarServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            answer = made.answers.get(self.path)
            if answer is None:
                self.send_error(404)
            else:
                answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
            """Nothing to say."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Clients hang up on us: that is what is being tested."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    made = CalendarServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
