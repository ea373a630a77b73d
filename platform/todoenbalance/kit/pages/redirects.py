"""Where a page sends a browser next, and where it must not."""

import re
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

# Browsers drop tabs and line breaks and read a backslash as a slash (WHATWG URL, 4.4); no path of ours has them.
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_LONGEST = 2000


class SeeOtherError(Exception):
    """The request can't be answered here: go there instead (a sign-in page). Rolls the transaction back."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def see_other(location: str) -> Response:
    """303: the answer to a form that did what it should, so that reloading repeats nothing (RFC 9110, 15.4.4)."""
    return Response(status_code=303, headers={"Location": quote(location, safe=":/%#?=@[]!$&'()*+,;~"), **_NOT_KEPT})


_NOT_KEPT = {"Cache-Control": "no-store"}


def safe_next(value: str | None, default: str) -> str:
    """``value`` if it is a path on this host, else ``default``; anything else is an open redirect (CWE-601)."""
    if not value or len(value) > _LONGEST or not value.startswith("/") or _UNSAFE.search(value):
        return default
    try:
        url = urlsplit(value)
    except ValueError:
        return default
    if value.startswith("//") or url.scheme or url.netloc:
        return default
    return value


def with_next(path: str, request: Request) -> str:
    """``path`` with the page that was asked for as ``next``; for a form's address its own page is not known."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{path}?next={quote(asked, safe='')}" if request.method == "GET" and asked != "/" else path


async def on_see_other(_request: Request, error: Exception) -> Response:
    """The handler of :class:`SeeOtherError`."""
    assert isinstance(error, SeeOtherError)  # noqa: S101 - registered for this class alone
    return see_other(error.location)
