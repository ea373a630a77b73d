"""The outermost layer: request id, language, one log line and one measurement for each request."""

import re
import time
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.metrics import REQUEST_SECONDS
from todoenbalance.kit.security.devices import Device
from todoenbalance.kit.web.context import SCOPE_KEY, RequestContext, negotiate_locale
from todoenbalance.kit.web.problems import problem_response

_SANE_REQUEST_ID = re.compile(r"^[A-Za-z0-9._:-]{1,100}$")
_log = get_logger("http")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; object-src 'none';"
        " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}


_API = "/api/"
"""What is answered there is nobody else's and no cache's: tokens (RFC 6749, 5.1) and what people tell us."""

MAX_BODY_BYTES = 1_000_000
"""More than any form or document of the API; webhooks have a smaller limit of their own."""


def _declared_length(headers: Headers) -> int:
    """The ``Content-Length``, 0 where there is none (the bytes are counted as they come)."""
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 16 else 0


def host_of(header: str | None) -> str:
    """The host name of a ``Host`` header: lower case, without port; empty if it is not one."""
    try:
        return (urlsplit(f"//{header or ''}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class EdgeMiddleware:
    """Makes the :class:`RequestContext` that everything below reads."""

    def __init__(self, app: ASGIApp, *, default_locale: str = "en") -> None:
        self._app = app
        self._default_locale = default_locale

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _SANE_REQUEST_ID.fullmatch(given) else str(new_id())
        context = RequestContext(
            request_id=request_id,
            locale=negotiate_locale(headers.get("accept-language"), self._default_locale),
            hostname=host_of(headers.get("host")),
            device=Device.of(headers.get("user-agent", ""), (scope.get("client") or ("",))[0]),
        )
        scope[SCOPE_KEY] = context
        started = time.perf_counter()
        status = 500
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, "The request is too large.")
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    out.setdefault(name, value)
                if scope["path"].startswith(_API):
                    out.setdefault("Cache-Control", "no-store")
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                if _declared_length(headers) > MAX_BODY_BYTES:
                    answer = problem_response(
                        Request(scope),
                        status=413,
                        code="too_large",
                        title="Too large",
                        detail="The request is too large.",
                    )
                    await answer(scope, receive, send_with_headers)
                else:
                    await self._app(scope, receive_within_limit, send_with_headers)
            finally:
                seconds = time.perf_counter() - started
                route = scope.get("route")
                template = getattr(route, "path", "unmatched")
                REQUEST_SECONDS.labels(scope["method"], template, str(status)).observe(seconds)
                _log.info(
                    "request",
                    method=scope["method"],
                    # The route's template, not the path: paths may carry tokens.
                    route=template,
                    status=status,
                    ms=round(seconds * 1000, 1),
                    practice=context.tenant.key if context.tenant else None,
                )
