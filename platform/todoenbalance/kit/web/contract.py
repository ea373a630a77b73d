"""Makes the OpenAPI document say what is served: problem documents, and who may call."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from todoenbalance.kit.web.problems import ProblemDocument

PROBLEM_MEDIA_TYPE = "application/problem+json"
_REF = "#/components/schemas/{model}"
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_PROBLEM = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="ProblemDocument")}}}


def install_contract(app: FastAPI) -> None:
    """Give ``app`` an OpenAPI document that agrees with the one shape of errors.

    FastAPI documents its own shape for 422 and knows nothing of our media type; every operation that needs
    a token can answer 401, and one that needs a permission 403. A guard with the attribute
    ``who_may_call`` has its sentence added to the operation's description; what a rate limit guards can answer 429.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _tell_who_may_call(app, document)
            _tell_limits(app, document)
            _describe_problems(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents for changing it


def _describe_problems(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    own = ProblemDocument.model_json_schema(ref_template=_REF)
    schemas.update(own.pop("$defs", {}))
    schemas["ProblemDocument"] = own
    for item in document["paths"].values():
        for operation in item.values():
            responses = operation["responses"]
            if operation.get("security"):
                responses.setdefault("401", {"description": "`not_authenticated`, `invalid_token`"})
            for status, response in responses.items():
                if status >= "400":
                    response["content"] = _PROBLEM
                    if status == "429":
                        response["headers"] = _RETRY_AFTER
                    if response["description"] == "Validation Error":
                        response["description"] = "`validation_error`"


def _operations(app: FastAPI, document: dict[str, Any]) -> Iterator[tuple[Dependant, dict[str, Any]]]:
    """What is documented: what each operation depends on, and its part of the document."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                yield route.dependant, document["paths"][route.path_format][method.lower()]


def _tell_who_may_call(app: FastAPI, document: dict[str, Any]) -> None:
    for dependant, operation in _operations(app, document):
        for sentence in _guards(dependant):
            operation["description"] = f"{operation.get('description', '')}\n\n{sentence}".strip()
            operation["responses"].setdefault("403", {"description": "`forbidden`"})


def _tell_limits(app: FastAPI, document: dict[str, Any]) -> None:
    for dependant, operation in _operations(app, document):
        if _is_limited(dependant):
            entry = operation["responses"].setdefault("429", {"description": ""})
            entry["description"] = ", ".join(filter(None, [entry["description"], "`too_many_requests`"]))


def _is_limited(dependant: Dependant) -> bool:
    return hasattr(dependant.call, "rate_limit") or any(_is_limited(below) for below in dependant.dependencies)


def _guards(dependant: Dependant) -> list[str]:
    found = [sentence] if (sentence := getattr(dependant.call, "who_may_call", None)) else []
    for below in dependant.dependencies:
        found += _guards(below)
    return found
