"""Objects in Stripe's shape, made from the contract itself: what must be there is there, what may be null is null."""

import copy
from typing import Any

from tests.contract.documents import Document

Json = dict[str, Any]


class Shapes:
    """Blank objects by their kind."""

    def __init__(self, contract: Document) -> None:
        self._contract = contract
        self._blanks: dict[str, Json] = {}

    def make(self, kind: str, **fields: Any) -> Json:
        """A new object with these fields. Raises ValueError for a field that the contract doesn't know."""
        blank = self._blanks.get(kind)
        if blank is None:
            blank = self._blanks[kind] = self._blank(self._contract.component(kind))
        unknown = [name for name in fields if not name.startswith("_") and name not in blank]
        if unknown:
            raise ValueError(f"{kind} has no {unknown}")
        return copy.deepcopy(blank) | fields

    def is_expandable(self, kind: str, field: str) -> bool:
        """Whether the contract lets this field be expanded to the object behind it."""
        if not self._contract.has_component(kind):
            return False
        return "x-expandable" in self._contract.component(kind)["properties"].get(field, {})

    def _blank(self, schema: Any) -> Any:
        if isinstance(schema, dict) and schema.get("x-expandable"):
            alternatives = schema["anyOf"]
            return None if {"type": "null"} in alternatives else ""
        schema = self._contract.resolve(schema)
        if "anyOf" in schema:
            return None if {"type": "null"} in schema["anyOf"] else self._blank(schema["anyOf"][0])
        kind = schema.get("type")
        if isinstance(kind, list) or kind is None:
            return None
        if "enum" in schema:
            return schema["enum"][0]
        if kind == "object":
            return self._blank_fields(schema)
        return {"array": [], "string": "", "integer": 0, "number": 0, "boolean": False}[kind]

    def _blank_fields(self, schema: Json) -> Json:
        required = set(schema.get("required", []))
        made = {}
        for name, field in schema.get("properties", {}).items():
            value = self._blank(field)
            if name in required or (value is None and name != "deleted"):
                made[name] = value
        return made
