"""What a document finds in requests, answers and objects."""

import json
from typing import Any

import pytest

from tests.contract.documents import FORM, Document
from tests.contract.forms import nest

HEADERS = {"content-type": "application/json", "x-key": "abc"}


def document(**paths: Any) -> Document:
    """One with a thing that is bought by the piece, in the older dialect."""
    piece = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 5},
            "count": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            "note": {"type": "string", "nullable": True},
            "maker": {"$ref": "#/components/schemas/maker"},
        },
        "required": ["name"],
    }
    maker = {"type": "object", "properties": {"country": {"type": "string", "enum": ["ES", "PT"], "nullable": True}}}
    taken = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/piece"}}}, "required": True}
    post = {
        "parameters": [
            {"name": "X-Key", "in": "header", "required": True, "schema": {"type": "string", "maxLength": 3}},
            {"name": "page", "in": "query", "schema": {"type": "integer"}},
        ],
        "requestBody": taken,
        "responses": {
            "201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/piece"}}}},
            "4XX": {"content": {"application/json": {"schema": {"type": "object", "required": ["error"]}}}},
        },
    }
    raw = {
        "paths": {
            "/pieces/{id}": {"post": post, "parameters": [{"name": "id", "in": "path", "schema": {"maxLength": 4}}]},
            "/pieces/new": {"post": {**post, "requestBody": {}}},
            **paths,
        },
        "components": {"schemas": {"piece": piece, "maker": maker}},
    }
    return Document(raw, "test")


def wrong(body: Any, *, headers: dict[str, str] = HEADERS, query: str = "", path: str = "/pieces/7") -> str:
    """What is held against such a request."""
    content = b"" if body is None else json.dumps(body).encode()
    return " ".join(document().check_request("POST", path, headers, query, content).violations)


class TestRequests:
    def test_one_that_fits_has_no_violation_and_its_values_are_typed(self) -> None:
        checked = document().check_request("POST", "/pieces/7", HEADERS, "page=3", b'{"name": "nut", "note": null}')

        assert checked.violations == ()
        assert checked.query == {"page": 3}
        assert checked.path == {"id": "7"}
        assert checked.body == {"name": "nut", "note": None}

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ({"name": "nut", "colour": "red"}, "body/colour: not in the contract"),
            ({"name": "nut", "maker": {"town": "Vigo"}}, "body/maker/town: not in the contract"),
            ({"name": "nut", "maker": {"country": "FR"}}, "body/maker/country"),
            ({"name": "longer"}, "body/name"),
            ({"name": "nut", "count": 0}, "body/count"),
            ({"count": 1}, "'name' is a required property"),
            (None, "body: missing"),
        ],
    )
    def test_a_body_is_checked_at_every_depth(self, body: Any, found: str) -> None:
        assert found in wrong(body)

    @pytest.mark.parametrize(
        ("changes", "found"),
        [
            ({"headers": {"content-type": "application/json"}}, "header X-Key: missing"),
            ({"headers": HEADERS | {"x-key": "abcd"}}, "header X-Key"),
            ({"headers": HEADERS | {"content-type": "text/plain"}}, "content type 'text/plain'"),
            ({"query": "pge=3"}, "query pge: not in the contract"),
            ({"query": "page=three"}, "query page"),
            ({"path": "/pieces/12345"}, "path id"),
            ({"path": "/things"}, "no such operation"),
        ],
    )
    def test_so_are_headers_query_and_path(self, changes: dict[str, Any], found: str) -> None:
        assert found in wrong({"name": "nut"}, **changes)

    def test_a_body_where_none_is_taken_is_a_violation(self) -> None:
        assert "a body where the operation has none" in wrong({"name": "nut"}, path="/pieces/new")

    def test_the_operation_that_fixes_more_of_the_path_is_meant(self) -> None:
        operation = document().find("POST", "/pieces/new")

        assert operation is not None
        assert operation.template == "/pieces/new"

    def test_what_is_no_json_is_a_violation_and_no_crash(self) -> None:
        checked = document().check_request("POST", "/pieces/7", HEADERS, "", b"{")

        assert "can't be read" in checked.violations[0]


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "payload", "found"),
        [
            (201, {"name": "nut"}, ""),
            (201, {"name": "nut", "color": 1}, "not in the contract"),
            (201, {"name": 1}, "is not of type 'string'"),
            (404, {"error": "none"}, ""),
            (404, {}, "'error' is a required property"),
            (200, {"name": "nut"}, "status 200 is not in"),
        ],
    )
    def test_are_checked_by_their_status(self, status: int, payload: Any, found: str) -> None:
        checked = document()
        operation = checked.find("POST", "/pieces/7")
        assert operation is not None

        violations = " ".join(checked.check_answer(operation, status, payload))

        assert found in violations
        assert bool(violations) is bool(found)


class TestForms:
    @pytest.mark.parametrize(
        ("pairs", "nested"),
        [
            ([("a", "1")], {"a": "1"}),
            ([("a[b][c]", "1")], {"a": {"b": {"c": "1"}}}),
            ([("a[0][b]", "1"), ("a[1][b]", "2")], {"a": [{"b": "1"}, {"b": "2"}]}),
            ([("a[]", "1"), ("a[]", "2")], {"a": ["1", "2"]}),
            ([("a[1]", "1")], {"a": {"1": "1"}}),
        ],
    )
    def test_brackets_nest(self, pairs: list[tuple[str, str]], nested: dict[str, Any]) -> None:
        assert nest(pairs) == nested

    def test_a_name_can_t_be_a_value_and_an_object(self) -> None:
        with pytest.raises(ValueError, match="a value and an object"):
            nest([("a", "1"), ("a[b]", "2")])

    def test_text_becomes_what_the_schema_says_and_nothing_else(self) -> None:
        fields = {
            "amount": {"type": "integer"},
            "reference": {"type": "string"},
            "enabled": {"type": "boolean"},
            "names": {"anyOf": [{"type": "string", "enum": [""]}, {"type": "array", "items": {"type": "integer"}}]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        }
        schema = {"type": "object", "properties": fields, "additionalProperties": False}
        post = {"requestBody": {"content": {FORM: {"schema": schema}}}, "responses": {}}
        form = b"amount=12&reference=0034&enabled=true&names[0]=1&names[1]=2&labels[a]=5"

        checked = document(**{"/form": {"post": post}}).check_request("POST", "/form", {"content-type": FORM}, "", form)

        assert checked.violations == ()
        assert checked.body == {
            "amount": 12,
            "reference": "0034",
            "enabled": True,
            "names": [1, 2],
            "labels": {"a": "5"},
        }

    def test_what_does_not_fit_stays_text_and_is_named(self) -> None:
        post = {
            "requestBody": {"content": {FORM: {"schema": {"properties": {"amount": {"type": "integer"}}}}}},
            "responses": {},
        }

        checked = document(**{"/form": {"post": post}}).check_request(
            "POST", "/form", {"content-type": FORM}, "", b"amount=10.00"
        )

        assert checked.violations == ("body/amount: '10.00' is not of type 'integer'",)
