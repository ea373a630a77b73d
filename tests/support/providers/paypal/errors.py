"""PayPal's errors, with the issues and descriptions that the contract enumerates for the operation."""

from collections.abc import Iterator
from typing import Any

from tests.contract.documents import Operation

Json = dict[str, Any]

NAMES = {
    400: ("INVALID_REQUEST", "Request is not well-formed, syntactically incorrect, or violates schema."),
    403: ("NOT_AUTHORIZED", "Authorization failed due to insufficient permissions."),
    404: ("RESOURCE_NOT_FOUND", "The specified resource does not exist."),
    409: ("RESOURCE_CONFLICT", "The server has detected a conflict while processing this request."),
    422: (
        "UNPROCESSABLE_ENTITY",
        "The requested action could not be performed, semantically incorrect, or failed business validation.",
    ),
    429: ("RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting."),
    500: ("INTERNAL_SERVER_ERROR", "An internal server error has occurred."),
    503: ("SERVICE_UNAVAILABLE", "Service Unavailable."),
}


class PayPalError(Exception):
    """An error answer. ``name`` is only said where it isn't the status' own."""

    def __init__(
        self,
        status: int,
        issue: str | None = None,
        *,
        description: str = "",
        field: str | None = None,
        name: str | None = None,
        links: list[Json] | None = None,
        is_final: bool = False,
    ) -> None:
        """``is_final``: the payment was tried, so the same request id gets the same answer again."""
        super().__init__(issue or name or str(status))
        self.status = status
        self.issue = issue
        self.description = description
        self.field = field
        self.name = name
        self.links = links or []
        self.is_final = is_final


def refused(issue: str, *, field: str | None = None) -> PayPalError:
    """The business says no."""
    return PayPalError(422, issue, field=field)


def not_there() -> PayPalError:
    """No such thing of this merchant's."""
    return PayPalError(404, "INVALID_RESOURCE_ID")


def body_of(error: PayPalError, operation: Operation | None, debug_id: str) -> Json:
    """The error as it is answered to this operation. Raises LookupError for an issue that it doesn't enumerate."""
    name, message = NAMES[error.status]
    body: Json = {"name": error.name or name, "message": message, "debug_id": debug_id, "links": error.links}
    if operation is not None:
        body["message"] = _enumerated_message(operation, error.status) or message
    if error.issue is not None:
        known = issues(operation, error.status) if operation else {}
        if known and error.issue not in known:
            raise LookupError(f"{operation} has no issue {error.issue} with status {error.status}")
        detail = {"issue": error.issue, "description": known.get(error.issue) or error.description or error.issue}
        if error.field is not None:
            detail |= {"field": error.field, "location": "body"}
        body["details"] = [detail]
    return body


def issues(operation: Operation, status: int) -> dict[str, str]:
    """Issue and description of every error that the contract lists for this answer."""
    found: dict[str, str] = {}
    for node in _nodes(operation, status):
        named = node.get("properties", {})
        issue, description = named.get("issue", {}), named.get("description", {})
        if len(issue.get("enum", [])) == 1:
            found.setdefault(issue["enum"][0], next(iter(description.get("enum", [])), ""))
    return found


def _enumerated_message(operation: Operation, status: int) -> str | None:
    for node in _nodes(operation, status):
        said = node.get("properties", {}).get("message", {}).get("enum")
        if said:
            return str(said[0])
    return None


def _nodes(operation: Operation, status: int) -> Iterator[Json]:
    """Every schema below an answer, references followed once."""
    waiting: list[Any] = [operation.node["responses"].get(str(status))]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict) and id(node) not in seen:
            seen.add(id(node))
            if "$ref" in node:
                waiting.append(operation.document.at(node["$ref"]))
            yield node
            waiting += node.values()
