"""Checking that a failure has the one shape."""

import httpx


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The problem document of ``answer``, which must be this one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == f"urn:todoenbalance:problem:{code}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    if code == "validation_error":
        errors = body["errors"]
        assert isinstance(errors, list)
        assert errors
        assert all(set(error) == {"loc", "msg", "type"} for error in errors)
    return body
