"""Signing in with a cookie: a signed token that names account and sign-in, for pages only.

Its audience is one of the pages' (``client-page:…``), so it is no bearer token for the API, and a bearer
token is no cookie. The cookie alone opens nothing: each request asks the database whether the sign-in stands.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import InvalidTokenError
from todoenbalance.kit.settings import Settings


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a cookie says: whose sign-in it is, and which."""

    account_id: UUID
    session_id: UUID


def cookie_name(settings: Settings, name: str) -> str:
    """``__Host-`` where there is TLS: no other host, not even a sibling practice's, can then set it (RFC 6265bis)."""
    return f"__Host-{name}" if settings.scheme == "https" else name


def set_cookie(
    response: Response, settings: Settings, name: str, value: str, lifetime: timedelta | None = None
) -> None:
    """A cookie that scripts can't read and other sites' forms don't send."""
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=int(lifetime.total_seconds()) if lifetime is not None else None,
        path="/",
        secure=settings.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def read_sign_in(request: Request, runtime: Runtime, name: str, audience: str) -> SignIn | None:
    """The sign-in that the request's cookie claims; None without one, or for another host's or kind's."""
    token = request.cookies.get(cookie_name(runtime.settings, name))
    if not token:
        return None
    try:
        claims = runtime.signer.verify(token, audience)
    except InvalidTokenError:
        return None
    return SignIn(claims.subject, claims.session_id) if claims.session_id is not None else None


def keep_sign_in(
    response: Response, runtime: Runtime, name: str, audience: str, sign_in: SignIn, lifetime: timedelta
) -> None:
    """Give the browser the cookie of a sign-in that has just begun."""
    token = runtime.signer.issue(sign_in.account_id, audience, lifetime, session_id=sign_in.session_id)
    set_cookie(response, runtime.settings, name, token, lifetime)


def drop_sign_in(response: Response, settings: Settings, name: str) -> None:
    """Take the cookie away again."""
    response.delete_cookie(
        cookie_name(settings, name), path="/", secure=settings.scheme == "https", httponly=True, samesite="lax"
    )
