"""Forms that only our own pages can have sent (CSRF, CWE-352).

Each form carries a token bound to the visitor's sign-in, or, for anonymous ones, to a random cookie. What the
browser says of the request's origin is checked as well. Either alone would do; together they outlive a mistake.
"""

import hmac
import secrets
from typing import ClassVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from todoenbalance.kit.errors import ForbiddenError
from todoenbalance.kit.pages.cookies import cookie_name, set_cookie
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings

TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a field
_COOKIE = "forms"


class FormNotOursError(ForbiddenError):
    """The form was not sent by a page of ours, or the page is older than the sign-in."""

    code = "form_not_ours"
    messages: ClassVar[dict[str, str]] = {
        "en": "This form was too old or came from another site, so nothing was done. Go back, reload the page and"
        " try again.",
        "es": "Este formulario era antiguo o venía de otro sitio, así que no se ha hecho nada. Vuelve atrás, recarga"
        " la página e inténtalo de nuevo.",
    }


class FormGuard:
    """Makes and checks the tokens of one visitor's forms."""

    def __init__(self, request: Request, runtime: Runtime, session_id: UUID | None) -> None:
        self._request = request
        self._runtime = runtime
        self._session_id = session_id
        self._cookie = request.cookies.get(cookie_name(runtime.settings, _COOKIE))
        self._new_cookie: str | None = None

    def token(self) -> str:
        """The token of a form on the page that is being made; :meth:`remember` must follow."""
        if self._session_id is None and not self._cookie:
            self._cookie = self._new_cookie = secrets.token_urlsafe(32)
        return self._digest()

    def remember(self, response: Response) -> None:
        """Give the browser the cookie that :meth:`token` bound a form to, if it has none yet."""
        if self._new_cookie is not None:
            set_cookie(response, self._runtime.settings, _COOKIE, self._new_cookie)

    def check(self, token: str) -> None:
        """Raises :class:`FormNotOursError` unless the request's form is one of this visitor's."""
        known = self._session_id is not None or bool(self._cookie)
        # By every key: a rotation must not make a form void that somebody is filling in.
        right = known and any(
            hmac.compare_digest(token.encode(), digest.encode())
            for digest in self._runtime.signer.digests(f"form:{self._bound_to()}")
        )
        if not right or not is_same_origin(self._request, self._runtime.settings):
            raise FormNotOursError

    def _digest(self) -> str:
        return self._runtime.signer.digest(f"form:{self._bound_to()}")

    def _bound_to(self) -> str:
        return f"session:{self._session_id}" if self._session_id is not None else f"cookie:{self._cookie}"


def is_same_origin(request: Request, settings: Settings) -> bool:
    """Whether nothing the browser says of the request's origin speaks of another (Fetch, 3.2; Fetch Metadata)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    if origin == "null":
        return site == "same-origin"
    return origin.lower() == own_origin(request, settings)


def own_origin(request: Request, settings: Settings) -> str:
    """The origin of the page that was asked for: our public scheme, and the host that it was asked of."""
    return f"{settings.scheme}://{request.headers.get('host', '').lower()}"
