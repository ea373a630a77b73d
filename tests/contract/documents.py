"""An OpenAPI 3.0 or 3.1 document as something to check requests, answers and objects against.

A document is brought to JSON Schema 2020-12 once. Besides what its schemas say, a name that they don't know is a
violation at every depth: providers leave their objects open, and a misspelt field would pass.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.contract.forms import Coercion, nest

Json = dict[str, Any]
FORM: Final = "application/x-www-form-urlencoded"
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_BY_NAME = frozenset(
    {"properties", "patternProperties", "schemas", "responses", "parameters", "requestBodies", "headers", "paths"}
)
"""Below these stand names that the document's author chose, not keywords."""
_PROSE = frozenset({"example", "examples", "discriminator", "xml", "externalDocs"})
_VALUES = frozenset({"enum", "default", "const", "required"})
_LONGEST_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and a path of a document."""

    document: "Document"
    method: str
    template: str
    pattern: re.Pattern[str]
    node: Json = field(repr=False)
    parameters: tuple[Json, ...] = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """Method and path template, as handlers are registered by."""
        return self.method, self.template


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """What a request said, typed by the contract, and everything the contract holds against it."""

    operation: Operation | None
    path: Mapping[str, str]
    query: Json
    body: Any
    violations: tuple[str, ...]


class Document:
    """One OpenAPI document."""

    def __init__(self, raw: Json, name: str) -> None:
        self.name = name
        self._base = f"urn:contract:{name}"
        self.node: Json = _normalise(raw, self._base)
        self._registry: Registry[Any] = Registry().with_resource(
            self._base, Resource.from_contents(self.node, default_specification=DRAFT202012)
        )
        self._validators: dict[int, tuple[Draft202012Validator, Any]] = {}
        self._coerce = Coercion(self.resolve, lambda schema, value: self._validator(schema).is_valid(value))
        self.operations = tuple(self._operations())

    @classmethod
    def load(cls, path: Path) -> "Document":
        """The document in a file."""
        return cls(json.loads(path.read_text(encoding="utf-8")), path.name)

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that a request calls; where two fit, the one that fixes more of the path."""
        hits = [it for it in self.operations if it.method == method and it.pattern.fullmatch(path)]
        return min(hits, key=lambda it: it.template.count("{"), default=None)

    def resolve(self, node: Any) -> Json:
        """What a node stands for, references followed; ``{}`` for anything that is no schema."""
        while isinstance(node, dict) and "$ref" in node and len(node) == 1:
            node = self.at(node["$ref"])
        return node if isinstance(node, dict) else {}

    def at(self, reference: str) -> Any:
        """The node that a reference names."""
        node: Any = self.node
        for part in reference.split("#", 1)[1].split("/")[1:]:
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def component(self, name: str) -> Json:
        """A schema by its name. Raises KeyError."""
        schema: Json = self.node["components"]["schemas"][name]
        return schema

    def has_component(self, name: str) -> bool:
        """Whether the document describes such an object."""
        return name in self.node.get("components", {}).get("schemas", {})

    def check_request(
        self, method: str, path: str, headers: Mapping[str, str], query: str, body: bytes
    ) -> CheckedRequest:
        """``headers`` with lower-case names, ``path`` without the query."""
        operation = self.find(method, path)
        if operation is None:
            return CheckedRequest(None, {}, {}, None, (f"{method} {path}: no such operation in {self.name}",))
        match = operation.pattern.fullmatch(path)
        assert match is not None
        places = {name: unquote(value) for name, value in match.groupdict().items()}
        asked, wrong = self._check_parameters(operation, places, headers, query)
        said, wrong_body = self._check_body(operation, headers, body)
        return CheckedRequest(operation, places, asked, said, tuple(sorted({*wrong, *wrong_body})))

    def check_answer(self, operation: Operation, status: int, payload: Any) -> tuple[str, ...]:
        """What is wrong with an answer; ``payload`` None is one without a body."""
        answers = operation.node["responses"]
        node = answers.get(str(status)) or answers.get(f"{status // 100}XX") or answers.get("default")
        if node is None:
            return (f"status {status} is not in {self.name}",)
        content = self.resolve(node).get("content", {}).get("application/json")
        if content is None:
            return () if payload is None else ("a body where the contract has none",)
        return self.check(content.get("schema", {}), payload)

    def check_object(self, name: str, value: Any) -> tuple[str, ...]:
        """What is wrong with an object of a kind that the document describes."""
        return self.check(self.component(name), value)

    def check(self, schema: Any, value: Any) -> tuple[str, ...]:
        """What is wrong with a value by a schema of this document, unknown names included."""
        wrong = [_describe(error) for error in self._validator(schema).iter_errors(value)]
        wrong += self._unknown(value, [schema], "")
        return tuple(sorted(set(wrong)))

    def _operations(self) -> Iterator[Operation]:
        for template, item in self.node["paths"].items():
            named = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            for method, node in item.items():
                if method in _METHODS:
                    parameters = [*node.get("parameters", []), *item.get("parameters", [])]
                    resolved = tuple(self.resolve(it) for it in parameters)
                    yield Operation(self, method.upper(), template, re.compile(named), node, resolved)

    def _validator(self, schema: Any) -> Draft202012Validator:
        held = self._validators.get(id(schema))
        if held is None:
            made = Draft202012Validator(
                schema, registry=self._registry, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
            # The schema is kept too: an id is only its own while it lives.
            held = self._validators[id(schema)] = (made, schema)
        return held[0]

    def _check_parameters(
        self, operation: Operation, places: Mapping[str, str], headers: Mapping[str, str], query: str
    ) -> tuple[Json, list[str]]:
        asked: Json = {}
        wrong: list[str] = []
        try:
            sent = nest(parse_qsl(query, keep_blank_values=True))
        except ValueError as error:
            return {}, [f"query: {error}"]
        known = set()
        for parameter in operation.parameters:
            name, where = parameter["name"], parameter["in"]
            value: Any
            if where == "path":
                value = places.get(name)
            elif where == "header":
                value = headers.get(name.lower())
            elif where == "query":
                known.add(name)
                value = sent.get(name)
            else:
                continue
            if value is None:
                if parameter.get("required"):
                    wrong.append(f"{where} {name}: missing")
                continue
            schema = parameter.get("schema", {})
            typed = self._coerce(value, schema)
            if where == "query":
                asked[name] = typed
            wrong += [f"{where} {name}: {it}" for it in self.check(schema, typed)]
        wrong += [f"query {name}: not in the contract" for name in sent if name not in known]
        return asked, wrong

    def _check_body(self, operation: Operation, headers: Mapping[str, str], body: bytes) -> tuple[Any, list[str]]:
        described = self.resolve(operation.node.get("requestBody"))
        if not described:
            return None, ["a body where the operation has none"] if body else []
        content, media = described["content"], headers.get("content-type", "").split(";")[0].strip()
        if not body:
            return None, ["body: missing"] if described.get("required") else []
        if media not in content:
            return None, [f"content type {media!r}, not one of {sorted(content)}"]
        schema = content[media].get("schema", {})
        try:
            if media == FORM:
                said = self._coerce(nest(parse_qsl(body.decode(), keep_blank_values=True)), schema)
            else:
                said = json.loads(body)
        except ValueError as error:
            return None, [f"body: can't be read: {error}"]
        return said, [f"body{it}" for it in self.check(schema, said)]

    def _unknown(self, value: Any, schemas: list[Any], path: str) -> Iterator[str]:
        """Names that no schema in force at this place knows; an object that is declared open knows all."""
        if not isinstance(value, dict | list):
            return
        parts = list(self._in_force(schemas))
        if isinstance(value, list):
            items = [it["items"] for it in parts if isinstance(it.get("items"), dict)]
            for index, part in enumerate(value):
                if items:
                    yield from self._unknown(part, items, f"{path}/{index}")
            return
        known: dict[str, list[Any]] = {}
        for part in parts:
            for name, schema in part.get("properties", {}).items():
                known.setdefault(name, []).append(schema)
        others = [it["additionalProperties"] for it in parts if "additionalProperties" in it]
        described = [it for it in others if isinstance(it, dict)]
        is_open = not known or any(it is not False for it in others)
        for name, part in value.items():
            if name in known:
                yield from self._unknown(part, known[name], f"{path}/{name}")
            elif described:
                yield from self._unknown(part, described, f"{path}/{name}")
            elif not is_open:
                yield f"{path}/{name}: not in the contract"

    def _in_force(self, schemas: list[Any]) -> Iterator[Json]:
        waiting, seen = list(schemas), set()
        while waiting:
            schema = waiting.pop()
            if not isinstance(schema, dict) or id(schema) in seen:
                continue
            seen.add(id(schema))
            if "$ref" in schema:
                waiting.append(self.at(schema["$ref"]))
            yield schema
            for keyword in ("allOf", "anyOf", "oneOf"):
                waiting += schema.get(keyword, [])


def _describe(error: ValidationError) -> str:
    """Of a union, the alternative that came closest: the union itself says nothing."""
    closest = best_match([error]) or error
    place = "".join(f"/{part}" for part in closest.absolute_path)
    return f"{place}: {closest.message[:_LONGEST_MESSAGE]}"


def _normalise(node: Any, base: str, *, names: bool = False) -> Any:
    """OpenAPI 3.0's dialect to JSON Schema 2020-12, local references made absolute."""
    if isinstance(node, list):
        return [_normalise(it, base) for it in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {name: _normalise(value, base) for name, value in node.items()}
    made: Json = {}
    for name, value in node.items():
        if name in _PROSE:
            continue
        if name == "$ref":
            made[name] = base + value if value.startswith("#") else value
        elif name in _VALUES:
            made[name] = value
        else:
            made[name] = _normalise(value, base, names=name in _BY_NAME)
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if made.get(exclusive) is True:
            made[exclusive] = made.pop(limit)
        elif made.get(exclusive) is False:
            del made[exclusive]
    return _nullable(made) if made.pop("nullable", False) else made


def _nullable(schema: Json) -> Json:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    elif "anyOf" in schema:
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema
