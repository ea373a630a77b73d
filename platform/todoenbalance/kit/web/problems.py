"""Every failure leaves as RFC 9457 ``application/problem+json``, in one shape; browsers get a page instead."""

import traceback
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from todoenbalance.kit.errors import InvalidInputError, NotFoundError, ProblemError, ServiceUnavailableError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.pages.errors import error_page, wants_page
from todoenbalance.kit.web.context import find_context

_log = get_logger("http")
_TITLES = {
    400: "Bad request",
    404: "Not found",
    405: "Method not allowed",
    413: "Too large",
    415: "Unsupported type",
}
_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


class FieldError(BaseModel):
    """What is wrong with one part of the input."""

    loc: list[str | int]
    msg: str
    type: str


class ProblemDocument(BaseModel):
    """The one shape of an error (RFC 9457): ``code`` is stable, ``detail`` is a sentence for a person."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | None = None


def responses(*problems: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of a route from the failures that it can raise."""
    documented: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        entry = documented.setdefault(problem.status, {"model": ProblemDocument, "description": ""})
        entry["description"] = ", ".join(filter(None, [entry["description"], f"`{problem.code}`"]))
    return documented


def problem_response(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
    extension: Mapping[str, Any] | None = None,
) -> Response:
    """A problem document as an answer, or a page that says the same to a browser outside the API's paths."""
    if wants_page(request):
        page = error_page(request, status, detail)
        page.headers.update(headers or {})
        return page
    context = find_context(request.scope)
    body: dict[str, Any] = {
        "type": f"urn:todoenbalance:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": context.request_id if context else "",
    }
    body |= extension or {}
    if errors is not None:
        body["errors"] = errors
    return JSONResponse(body, status, headers=dict(headers or {}), media_type="application/problem+json")


def render_problem(request: Request, problem: ProblemError) -> Response:
    """A business failure as an answer, in the reader's language."""
    context = find_context(request.scope)
    return problem_response(
        request,
        status=problem.status,
        code=problem.code,
        title=problem.title,
        detail=problem.detail(context.locale if context else "en"),
        errors=problem.errors if isinstance(problem, InvalidInputError) else None,
        headers=problem.headers,
        extension=problem.extension,
    )


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for this class alone
    return render_problem(request, error)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    # What was sent (`input`) stays out of the answer and of every log: it may be a password.
    errors = [{"loc": list(e["loc"]), "msg": e["msg"], "type": e["type"]} for e in error.errors()]
    context = find_context(request.scope)
    spanish = context is not None and context.locale == "es"
    return problem_response(
        request,
        status=422,
        code="validation_error",
        title="Invalid input",
        detail="Hay datos que no son válidos." if spanish else "Some of the input is not valid.",
        errors=errors,
    )


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    return problem_response(
        request,
        status=error.status_code,
        code=_CODES.get(error.status_code, "http_error"),
        title=_TITLES.get(error.status_code, "Error"),
        detail=_http_detail(request, error),
        headers=error.headers,
    )


def _http_detail(request: Request, error: HTTPException) -> str:
    """Starlette's own words for programs; people are told of a missing page in their language."""
    context = find_context(request.scope)
    if error.status_code == 404 and context is not None and wants_page(request):
        return NotFoundError().detail(context.locale)
    return str(error.detail)


def _in_language(request: Request, english: str, spanish: str) -> str:
    context = find_context(request.scope)
    return spanish if context is not None and context.locale == "es" else english


async def _on_data_error(request: Request, error: Exception) -> Response:
    """A value that no column can hold (a NUL character, a number out of range): the input's fault."""
    _log.warning("unstorable_input", error=type(error).__name__)
    return problem_response(
        request,
        status=422,
        code="validation_error",
        title="Invalid input",
        detail=_in_language(request, "Some of the input can't be stored.", "Hay datos que no se pueden guardar."),
        errors=[{"loc": ["body"], "msg": "holds a value that can't be stored", "type": "value_error"}],
    )


async def _on_unavailable(request: Request, error: Exception) -> Response:
    """No connection to be had, or the database broke off: the same request may work in a moment."""
    _log.warning("database_unavailable", error=type(error).__name__)
    return render_problem(request, ServiceUnavailableError())


async def _on_departure(request: Request, error: Exception) -> Response:
    """Whoever asked left before they had said what: nobody reads the answer, and nothing of ours is wrong."""
    return Response(status_code=499)  # nginx's word for it in logs and metrics; HTTP has none


async def _on_unexpected(request: Request, error: Exception) -> Response:
    # A database error's own words quote the row (`Key (email)=(…)`): its class and place are enough.
    if isinstance(error, DBAPIError):
        _log.error("unhandled", error=type(error.orig).__name__, at=traceback.format_tb(error.__traceback__)[-3:])
    else:
        _log.error("unhandled", exc_info=error)
    return problem_response(
        request,
        status=500,
        code="internal_error",
        title="Internal error",
        detail=_in_language(request, "Something went wrong on our side.", "Algo ha fallado por nuestra parte."),
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Give a surface the one error shape."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(DataError, _on_data_error)
    app.add_exception_handler(UnicodeError, _on_data_error)
    app.add_exception_handler(OperationalError, _on_unavailable)
    app.add_exception_handler(PoolTimeoutError, _on_unavailable)
    app.add_exception_handler(ClientDisconnect, _on_departure)
    app.add_exception_handler(Exception, _on_unexpected)
