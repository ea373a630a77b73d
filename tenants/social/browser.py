"""The cookie that ties a sign-in to the browser that began it, on the practice's own host."""

import re
import secrets
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from tenants.social.flows import FLOW_LIFETIME, HANDOFF_LIFETIME
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.pages.cookies import cookie_name, set_cookie
from todoenbalance.kit.pages.redirects import safe_next
from todoenbalance.kit.settings import Settings

_COOKIE = "social"
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")
_LIFETIME = FLOW_LIFETIME + HANDOFF_LIFETIME + timedelta(minutes=1)


def read_secret(request: Request, settings: Settings) -> str | None:
    """The browser's secret, if it has one."""
    found = request.cookies.get(cookie_name(settings, _COOKIE), "")
    return found if _FORM.fullmatch(found) else None


def new_or_known_secret(request: Request, settings: Settings) -> str:
    """The browser's secret, or one to give it: two windows may each begin a sign-in, and both may finish."""
    return read_secret(request, settings) or secrets.token_urlsafe(32)


def keep_secret(response: Response, settings: Settings, secret: str) -> None:
    """Have the browser keep it until the sign-in must be over; no other host gets it, and no script."""
    set_cookie(response, settings, _COOKIE, secret, _LIFETIME)


def check_return_to(value: str, location: str) -> str:
    """``value`` itself if it is a path on this host. Raises :class:`InvalidInputError` (CWE-601)."""
    if safe_next(value, "") != value or not value:
        raise InvalidInputError([location, "return_to"], "must be a path on this host")
    return value
