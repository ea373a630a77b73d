"""JSON Schema of the classes that annotate the installed ``stripe`` package, read as syntax and never imported.

Every file of stripe-python is generated from Stripe's own specification: a TypedDict for what each request takes
and an annotated class for each object. What is read here is therefore Stripe's contract of the locked version.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_PRIMITIVES: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "Decimal": {"type": "string", "format": "decimal"},
    "Any": {},
    "object": {},
    "None": {"type": "null"},
    "IO": {"type": "string"},
    "datetime": {"type": "string"},
}
_OPEN_OBJECT: Json = {"type": "object", "additionalProperties": True}
_MACHINERY = frozenset(
    {"deleted", "_inner_class_types", "_inner_class_encodings", "OBJECT_NAME", "_field_encodings", "_field_remappings"}
)
"""Attributes of the classes that are no fields on the wire."""
_KEYWORDS = frozenset({"from", "in", "is", "class", "import"})
"""Field names that Python writes with an underscore behind."""
_DEEPEST_REPEAT = 3
"""How often a class may stand inside itself before it is taken as any object."""
_METADATA: Json = {
    "type": "object",
    "maxProperties": 50,
    "propertyNames": {"maxLength": 40},
    "additionalProperties": {"type": "string", "maxLength": 500},
}
"""Metadata in a request; its limits are in Stripe's guide, annotations hold none."""


class Kind(Enum):
    """What a class describes: what a request takes is closed to other names, what is answered is not."""

    REQUEST = auto()
    OBJECT = auto()


@dataclass(frozen=True)
class Scope:
    """Where a name is looked up: the classes around it, inside out, then its module."""

    module: str
    tree: ast.Module
    classes: tuple[ast.ClassDef, ...]
    kind: Kind

    def find(self, name: str) -> tuple[ast.ClassDef, tuple[ast.ClassDef, ...]] | None:
        """The class of that name and what it stands in."""
        for depth in range(len(self.classes), 0, -1):
            inner = class_named(self.classes[depth - 1].body, name)
            if inner is not None:
                return inner, self.classes[:depth]
        outer = class_named(self.tree.body, name)
        return None if outer is None else (outer, ())

    def imported(self, name: str) -> tuple[str, str] | None:
        """Module and name there of something imported from the package."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stripe"):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return node.module, alias.name
        return None


class Annotations:
    """Reads classes of the package; objects that were met wait in ``components`` until :meth:`finish`."""

    def __init__(self, package: Path, kept: frozenset[str]) -> None:
        """``kept``: names of the objects that are described in full; any other is an open object."""
        self._package = package
        self._kept = kept
        self._trees: dict[str, ast.Module] = {}
        self._waiting: list[tuple[str, str, str]] = []
        self._inside: list[str] = []
        self.components: dict[str, Json] = {}

    def tree(self, module: str) -> ast.Module:
        """The syntax of a module such as ``stripe.checkout._session``."""
        held = self._trees.get(module)
        if held is None:
            place = self._package.joinpath(*module.split(".")[1:])
            file = place.with_suffix(".py") if place.with_suffix(".py").exists() else place / "__init__.py"
            held = self._trees[module] = ast.parse(file.read_text(encoding="utf-8"))
        return held

    def finish(self) -> None:
        """Describes every object that a description referred to."""
        while self._waiting:
            key, module, name = self._waiting.pop()
            tree = self.tree(module)
            found = class_named(tree.body, name)
            assert found is not None, f"{module} has no {name}"
            self.components[key] = self._class(found, Scope(module, tree, (), Kind.OBJECT))

    def resource(self, module: str, name: str) -> Json:
        """A reference to an object of the API, or an open object where it is not kept."""
        kind = self._object_name(module, name)
        if kind is None:
            return dict(_OPEN_OBJECT)
        if kind not in self._kept:
            fields = {"id": {"type": "string"}, "object": {"type": "string"}}
            return {"type": "object", "properties": fields, "additionalProperties": True, "x-collapsed": kind}
        if kind not in self.components:
            self.components[kind] = {}
            self._waiting.append((kind, module, name))
        return {"$ref": f"#/components/schemas/{kind}"}

    def schema(self, annotation: ast.expr, scope: Scope) -> Json:
        """The schema of one annotation."""
        node = unquoted(annotation)
        if isinstance(node, ast.Constant) and node.value is None:
            return {"type": "null"}
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._union(list(_alternatives(node)), scope)
        if isinstance(node, ast.Subscript):
            return self._generic(node, scope)
        return self._named(node, scope)

    def _generic(self, node: ast.Subscript, scope: Scope) -> Json:
        base, argument = name_of(node.value), node.slice
        several = list(argument.elts) if isinstance(argument, ast.Tuple) else [argument]
        match base:
            case "NotRequired" | "Required":
                return self.schema(argument, scope)
            case "Optional":
                return nullable(self.schema(argument, scope))
            case "Union":
                return self._union(several, scope)
            case "Literal":
                values = [it.value for it in several if isinstance(it, ast.Constant)]
                kind = "boolean" if all(isinstance(it, bool) for it in values) else "string"
                return {"type": kind, "enum": values}
            case "List" | "Sequence" | "list":
                return {"type": "array", "items": self.schema(argument, scope)}
            case "Dict" | "Mapping" | "dict":
                return {"type": "object", "additionalProperties": self.schema(several[1], scope)}
            case "UntypedStripeObject":
                return {"type": "object", "additionalProperties": self.schema(argument, scope)}
            case "ExpandableField":
                return {"anyOf": [{"type": "string"}, self.schema(argument, scope)], "x-expandable": True}
            case "ListObject":
                return listing(self.schema(argument, scope))
        raise ValueError(f"{scope.module}: what is {ast.unparse(node)}?")

    def _named(self, node: ast.expr, scope: Scope) -> Json:
        name = name_of(node)
        if name in _PRIMITIVES:
            return dict(_PRIMITIVES[name])
        if name in {"StripeObject", "UntypedStripeObject"}:
            return dict(_OPEN_OBJECT)
        if isinstance(node, ast.Attribute):
            outer = scope.find(name_of(node.value))
            inner = outer and class_named(outer[0].body, name)
            if outer and inner:
                return self._class(inner, self._within(scope, (*outer[1], outer[0])))
        found = scope.find(name)
        if found is not None:
            if scope.kind is Kind.OBJECT and not found[1]:
                return self.resource(scope.module, name)
            return self._class(found[0], self._within(scope, found[1]))
        imported = scope.imported(name)
        if imported is None:
            raise ValueError(f"{scope.module}: what is {ast.unparse(node)}?")
        module, original = imported
        if module.startswith("stripe.params"):
            tree = self.tree(module)
            parameters = class_named(tree.body, original)
            assert parameters is not None, f"{module} has no {original}"
            return self._class(parameters, Scope(module, tree, (), Kind.REQUEST))
        if module == "stripe._stripe_object":
            return dict(_OPEN_OBJECT)
        return self.resource(module, original)

    def _union(self, members: list[ast.expr], scope: Scope) -> Json:
        parts = [unquoted(it) for it in members]
        real = [it for it in parts if not _is_none(it)]
        literal = next((it for it in real if isinstance(it, ast.Subscript) and name_of(it.value) == "Literal"), None)
        if len(real) == 2 and literal is not None and any(name_of(it) == "str" for it in real):
            # "One of these, or what a later version adds": a test wants the ones that are known.
            made = self.schema(literal, scope)
            made = {"type": "string"} if made["enum"] == [""] else made | {"x-open-enum": True}
        else:
            different: list[Json] = []
            for part in real:
                described = self.schema(part, scope)
                if described not in different:
                    different.append(described)
            made = different[0] if len(different) == 1 else {"anyOf": different}
        return nullable(made) if len(real) < len(parts) else made

    def _class(self, found: ast.ClassDef, scope: Scope) -> Json:
        if self._inside.count(found.name) > _DEEPEST_REPEAT:
            return dict(_OPEN_OBJECT)
        self._inside.append(found.name)
        inner = self._within(scope, (*scope.classes, found))
        fields: dict[str, Json] = {}
        required: set[str] = set()
        for base in found.bases:
            self._add_base(base, inner, fields, required)
        for statement in found.body:
            if isinstance(statement, ast.AnnAssign):
                self._add_field(name_of(statement.target), statement.annotation, inner, fields, required)
        self._inside.pop()
        made: Json = {"type": "object", "properties": fields}
        if required:
            made["required"] = sorted(required)
        if scope.kind is Kind.REQUEST:
            made["additionalProperties"] = False
        return made

    def _add_base(self, base: ast.expr, scope: Scope, fields: dict[str, Json], required: set[str]) -> None:
        """Fields of a TypedDict whose names are no Python names stand in a base, written as a call or a class."""
        if isinstance(base, ast.Call) and name_of(base.func) == "TypedDict" and isinstance(base.args[1], ast.Dict):
            for key, value in zip(base.args[1].keys, base.args[1].values, strict=True):
                assert isinstance(key, ast.Constant)
                self._add_field(str(key.value), value, scope, fields, required)
        elif name_of(base).startswith("_") and name_of(base).endswith("Base"):
            found = scope.find(name_of(base))
            assert found is not None
            inherited = self._class(found[0], self._within(scope, found[1]))
            fields.update(inherited["properties"])
            required.update(inherited.get("required", []))

    def _add_field(
        self, name: str, annotation: ast.expr, scope: Scope, fields: dict[str, Json], required: set[str]
    ) -> None:
        node = unquoted(annotation)
        wrapper = name_of(node.value) if isinstance(node, ast.Subscript) else ""
        if name in _MACHINERY or wrapper == "ClassVar":
            return
        wire = name[:-1] if name.endswith("_") and name[:-1] in _KEYWORDS else name
        if wire == "metadata" and scope.kind is Kind.REQUEST:
            # An empty text takes all of it away.
            fields[wire] = {"anyOf": [dict(_METADATA), {"type": "string", "enum": [""]}]}
        else:
            fields[wire] = self.schema(node, scope)
        if wrapper not in {"NotRequired", "Optional"}:
            required.add(wire)

    def _within(self, scope: Scope, classes: tuple[ast.ClassDef, ...]) -> Scope:
        return Scope(scope.module, scope.tree, classes, scope.kind)

    def _object_name(self, module: str, name: str) -> str | None:
        found = class_named(self.tree(module).body, name)
        for statement in found.body if found else []:
            if (
                isinstance(statement, ast.AnnAssign)
                and name_of(statement.target) == "OBJECT_NAME"
                and isinstance(statement.value, ast.Constant)
            ):
                return str(statement.value.value)
        return None


def class_named(body: list[ast.stmt], name: str) -> ast.ClassDef | None:
    """The class of that name among these statements."""
    return next((it for it in body if isinstance(it, ast.ClassDef) and it.name == name), None)


def unquoted(node: ast.expr) -> ast.expr:
    """The expression that a quoted annotation holds."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return ast.parse(node.value, mode="eval").body
    return node


def name_of(node: ast.expr) -> str:
    """The last name of a dotted one; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def nullable(schema: Json) -> Json:
    """The same, or null."""
    if not schema:
        return schema
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    made = schema | {"type": [schema["type"], "null"]}
    return made | {"enum": [*made["enum"], None]} if "enum" in made else made


def listing(items: Json) -> Json:
    """A page of objects as Stripe answers it."""
    fields = {
        "object": {"type": "string", "enum": ["list"]},
        "data": {"type": "array", "items": items},
        "has_more": {"type": "boolean"},
        "url": {"type": "string"},
        "total_count": {"type": "integer"},
    }
    return {"type": "object", "required": ["data", "has_more", "object", "url"], "properties": fields}


def _is_none(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value is None) or name_of(node) == "None"


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    node = unquoted(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _alternatives(node.left)
        yield from _alternatives(node.right)
    else:
        yield node
