"""One base for every failure that a caller may be told of, rendered as RFC 9457 problem details."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar


class ProblemError(Exception):
    """A business failure: a fact, with a stable code, an HTTP status and a sentence in each language.

    Subclasses set ``status``, ``code``, ``title`` and ``messages`` (a format string per language; its
    arguments are the keyword arguments of the constructor and must be safe to show).
    ``keeps_changes`` marks the few failures whose changes must survive them (a revoked token family):
    the edge commits instead of rolling back.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    messages: ClassVar[dict[str, str]] = {}
    keeps_changes: ClassVar[bool] = False
    headers: Mapping[str, str] = {}
    extension: Mapping[str, Any] = {}
    """More members of the problem document (RFC 9457, 3.2), as JSON."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(self.code)
        self.arguments = arguments

    def detail(self, locale: str = "en") -> str:
        """The sentence for the caller in ``locale``, or in English where there is none."""
        text = self.messages.get(locale) or self.messages.get("en") or self.title
        return text.format(**self.arguments)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail()}"


class NotFoundError(ProblemError):
    """Nothing with that id that the caller may know of (404 rather than 403 for what belongs to others)."""

    status = 404
    code = "not_found"
    title = "Not found"
    messages: ClassVar[dict[str, str]] = {"en": "There is nothing here.", "es": "Aquí no hay nada."}


class InvalidInputError(ProblemError):
    """Input that can't be accepted as it stands, found by a rule beyond the schema.

    ``location`` and ``message`` become the ``errors`` list of the problem document.
    """

    status = 422
    code = "validation_error"
    title = "Invalid input"
    messages: ClassVar[dict[str, str]] = {"en": "{message}", "es": "Hay datos que no son válidos."}

    def __init__(self, location: list[str | int], message: str, kind: str = "value_error") -> None:
        super().__init__(message=message)
        self.errors: list[dict[str, Any]] = [{"loc": location, "msg": message, "type": kind}]

    def sentence_for(self, error: dict[str, Any], locale: str) -> str:
        """What a page says beside the field, where it knows no sentence of its own for the kind of error."""
        del locale
        return str(error["msg"])


class NotAuthenticatedError(ProblemError):
    """No valid sign-in for this host."""

    status = 401
    code = "not_authenticated"
    title = "Not signed in"
    messages: ClassVar[dict[str, str]] = {"en": "Sign in first.", "es": "Inicia sesión primero."}
    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class ForbiddenError(ProblemError):
    """Signed in, but not as someone who may do this."""

    status = 403
    code = "forbidden"
    title = "Not allowed"
    messages: ClassVar[dict[str, str]] = {
        "en": "Your account may not do this.",
        "es": "Tu cuenta no tiene permiso para esto.",
    }


class ServiceUnavailableError(ProblemError):
    """Something that we depend on does not answer; the same request may work later."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"
    messages: ClassVar[dict[str, str]] = {
        "en": "Please try again in a moment.",
        "es": "Inténtalo de nuevo en un momento.",
    }
    headers: Mapping[str, str] = {"Retry-After": "5"}


class TooManyRequestsError(ProblemError):
    """Too many attempts from one address or on one account; ``seconds`` says when the next one may be made."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"
    messages: ClassVar[dict[str, str]] = {
        "en": "Too many attempts. Try again in {wait}.",
        "es": "Demasiados intentos. Vuelve a intentarlo dentro de {wait}.",
    }

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(wait=f"{self.seconds} s" if self.seconds < 120 else f"{math.ceil(self.seconds / 60)} min")
        self.headers = {"Retry-After": str(self.seconds)}
