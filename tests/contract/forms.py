"""Stripe's bracket form bodies (``a[b][0][c]=v``), decoded and typed by a schema, never by guess."""

import re
from collections.abc import Callable, Iterable
from typing import Any

_INTEGER = re.compile(r"-?\d+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
DEEPEST = 12
"""Schemas refer to themselves; no form of ours nests this deep."""


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The nested value that the pairs spell; ``a[]`` and ``a[0]`` make lists. Values stay text."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        parts = [name.split("[", 1)[0], *re.findall(r"\[([^\]]*)\]", name)]
        place = root
        for part in parts[:-1]:
            held = place.setdefault(part or str(len(place)), {})
            if not isinstance(held, dict):
                raise ValueError(f"{name}: {part} is a value and an object at once")
            place = held
        place[parts[-1] or str(len(place))] = value
    return {name: _lists(value) for name, value in root.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(part) for name, part in value.items()}
    if inner and all(name.isdigit() for name in inner) and sorted(map(int, inner)) == list(range(len(inner))):
        return [inner[str(index)] for index in range(len(inner))]
    return inner


class Coercion:
    """Turns text into what the schema says it is; what doesn't fit stays text, so that the check names it."""

    def __init__(self, resolve: Callable[[Any], dict[str, Any]], fits: Callable[[dict[str, Any], Any], bool]) -> None:
        self._resolve = resolve
        self._fits = fits

    def __call__(self, value: Any, schema: Any, depth: int = 0) -> Any:
        schema = self._resolve(schema)
        if depth > DEEPEST:
            return value
        alternatives = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
        tried = [self(value, alternative, depth + 1) for alternative in alternatives]
        for alternative, typed in zip(alternatives, tried, strict=True):
            if self._fits(alternative, typed):
                return typed
        if alternatives and isinstance(value, dict | list):
            kind = "object" if isinstance(value, dict) else "array"
            for alternative, typed in zip(alternatives, tried, strict=True):
                if kind in kinds(self._resolve(alternative)):
                    return typed
        if isinstance(value, str):
            return _typed(value, kinds(schema))
        if isinstance(value, list):
            return [self(part, schema.get("items", {}), depth + 1) for part in value]
        if isinstance(value, dict):
            known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
            others = others if isinstance(others, dict) else {}
            return {name: self(part, known.get(name, others), depth + 1) for name, part in value.items()}
        return value


def kinds(schema: dict[str, Any]) -> list[str]:
    """The JSON types that a schema names for itself."""
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def _typed(value: str, allowed: list[str]) -> Any:
    if "integer" in allowed and _INTEGER.fullmatch(value):
        return int(value)
    if "number" in allowed and _NUMBER.fullmatch(value):
        return float(value)
    if "boolean" in allowed and value in {"true", "false"}:
        return value == "true"
    return value
