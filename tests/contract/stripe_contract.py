"""Stripe's contract, derived from the installed SDK in about a second and kept by version and by what derives it."""

import ast
import hashlib
import importlib.metadata
import json
import os
import re
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.contract import annotations
from tests.contract.annotations import Annotations, Kind, Scope, name_of, unquoted
from tests.contract.documents import FORM, Document

Json = dict[str, Any]

_OBJECTS = """
    account account_link account_session login_link checkout.session payment_intent setup_intent charge refund
    customer application_fee fee_refund dispute event webhook_endpoint balance balance_transaction payout
    payment_method item line_item price product application subscription subscription_item invoice invoiceitem
    billing_portal.session mandate
"""
OBJECTS = frozenset(_OBJECTS.split())
"""Described in full; what else they refer to is an open object."""

_SERVICES: dict[str, tuple[str, ...]] = {
    "_account_service": ("create", "retrieve", "retrieve_current", "update", "list"),
    "_account_link_service": ("create",),
    "_account_session_service": ("create",),
    "_account_login_link_service": ("create",),
    "checkout._session_service": ("create", "retrieve", "expire", "list"),
    "_payment_intent_service": ("create", "retrieve", "update", "confirm", "capture", "cancel", "list"),
    "_setup_intent_service": ("create", "retrieve", "confirm", "cancel", "list"),
    "_customer_service": ("create", "retrieve", "update", "delete", "list"),
    "_customer_payment_method_service": ("list",),
    "_payment_method_service": ("retrieve", "attach", "detach", "list"),
    "_refund_service": ("create", "retrieve", "list"),
    "_charge_service": ("retrieve", "list"),
    "_balance_service": ("retrieve",),
    "_balance_transaction_service": ("retrieve", "list"),
    "_application_fee_service": ("retrieve", "list"),
    "_application_fee_refund_service": ("create", "retrieve", "list"),
    "_dispute_service": ("retrieve", "update", "list"),
    "_event_service": ("retrieve", "list"),
    "_webhook_endpoint_service": ("create", "retrieve", "update", "delete", "list"),
    "_subscription_service": ("create", "retrieve", "update", "cancel", "list"),
    "_invoice_service": ("retrieve", "list", "pay"),
    "_invoice_item_service": ("create",),
    "_product_service": ("create", "retrieve", "update", "list"),
    "_price_service": ("create", "retrieve", "list"),
    "_payout_service": ("retrieve", "list"),
    "billing_portal._session_service": ("create",),
}
"""Services of the SDK and the methods of them that a platform like ours calls."""
_PAYMENT_OBJECTS = ("payment_intent", "setup_intent", "payment_method")
_ERROR_TEXTS = """
    code decline_code message param doc_url request_log_url advice_code network_advice_code network_decline_code charge
    payment_method_type
"""
_HEADERS = ("Stripe-Account", "Stripe-Version")
_LONGEST_KEY = 255


@cache
def stripe_contract() -> Document:
    """The contract of the installed SDK, as a document."""
    return Document(_kept(), "stripe")


def derive() -> Json:
    """An OpenAPI 3.1 document of the installed package."""
    package = _package()
    read = Annotations(package, OBJECTS)
    paths: Json = {}
    for service, methods in _SERVICES.items():
        for path, verb, operation in _operations(read, f"stripe.{service}", methods):
            paths.setdefault(path, {})[verb] = operation
    paths["/oauth/deauthorize"] = {"post": _deauthorize(read)}
    read.resource("stripe._event", "Event")
    read.finish()
    components = dict(sorted(read.components.items()))
    for deletable in ("account", "customer", "webhook_endpoint"):
        components[deletable]["properties"]["deleted"] = {"type": "boolean"}
    components["error"] = _error()
    components["oauth_error"] = _object(
        {"error": {"type": "string"}, "error_description": {"type": "string"}}, ["error"]
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stripe, as the installed SDK is annotated", "version": api_version()},
        "paths": paths,
        "components": {"schemas": components},
    }


def api_version() -> str:
    """The version of the API that the installed SDK speaks."""
    source = (_package() / "_api_version.py").read_text(encoding="utf-8")
    found = re.search(r'CURRENT = "([^"]+)"', source)
    assert found is not None
    return found.group(1)


def _package() -> Path:
    spec = find_spec("stripe")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _kept() -> Json:
    """From the cache, or derived and put there; several test processes may do so at once."""
    ours = b"".join(Path(it).read_bytes() for it in (__file__, annotations.__file__))
    name = f"stripe-{importlib.metadata.version('stripe')}-{hashlib.sha256(ours).hexdigest()[:16]}.json"
    folder = Path(tempfile.gettempdir()) / f"todoenbalance-contracts-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    file = folder / name
    try:
        kept: Json = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        kept = derive()
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as draft:
            json.dump(kept, draft, separators=(",", ":"))
        Path(draft.name).replace(file)
    return kept


def _operations(read: Annotations, module: str, methods: tuple[str, ...]) -> list[tuple[str, str, Json]]:
    tree = read.tree(module)
    scope = Scope(module, tree, (), Kind.REQUEST)
    service = next(it for it in tree.body if isinstance(it, ast.ClassDef))
    found = {it.name: it for it in service.body if isinstance(it, ast.FunctionDef)}
    return [_operation(read, scope, found[method]) for method in methods]


def _operation(read: Annotations, scope: Scope, method: ast.FunctionDef) -> tuple[str, str, Json]:
    call = next(it for it in ast.walk(method) if isinstance(it, ast.Call) and name_of(it.func) == "_request")
    verb_node, path_node = call.args[0], call.args[1]
    if isinstance(path_node, ast.Call) and isinstance(path_node.func, ast.Attribute):
        path_node = path_node.func.value
    assert isinstance(verb_node, ast.Constant)
    assert isinstance(path_node, ast.Constant)
    verb, path = str(verb_node.value), str(path_node.value)
    taken = _parameters(read, scope, method)
    assert method.returns is not None
    answer = read.schema(method.returns, scope)
    if verb == "delete" and "$ref" in answer:
        answer = {"anyOf": [answer, _deleted()]}
    return path, verb, _described(path, verb, taken, answer)


def _parameters(read: Annotations, scope: Scope, method: ast.FunctionDef) -> Json:
    for argument in method.args.args:
        if argument.arg == "params" and argument.annotation is not None:
            node = unquoted(argument.annotation)
            return read.schema(node.slice if isinstance(node, ast.Subscript) else node, scope)
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _described(path: str, verb: str, taken: Json, answer: Json, error: str = "error") -> Json:
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    parameters += [{"name": name, "in": "header", "schema": {"type": "string"}} for name in _HEADERS]
    operation: Json = {
        "parameters": parameters,
        "responses": {
            "200": {"content": {"application/json": {"schema": answer}}},
            "default": {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{error}"}}}},
        },
    }
    if verb == "post":
        key = {"type": "string", "minLength": 1, "maxLength": _LONGEST_KEY}
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": key})
        required = bool(taken.get("required"))
        operation["requestBody"] = {"required": required, "content": {FORM: {"schema": taken}}}
    else:
        required_names = taken.get("required", [])
        for name, schema in taken["properties"].items():
            parameters.append({"name": name, "in": "query", "required": name in required_names, "schema": schema})
    return operation


def _deauthorize(read: Annotations) -> Json:
    """Of the Connect host; the one operation that the SDK writes by hand, and not in a service like the others."""
    tree = read.tree("stripe._oauth")
    taken = read.schema(ast.parse("OAuth.OAuthDeauthorizeParams", mode="eval").body, _oauth(tree, Kind.REQUEST))
    taken["required"] = sorted({*taken.get("required", []), "client_id"})
    answer = read.schema(ast.parse("OAuth.OAuthDeauthorization", mode="eval").body, _oauth(tree, Kind.OBJECT))
    return _described("/oauth/deauthorize", "post", taken, answer, "oauth_error")


def _oauth(tree: ast.Module, kind: Kind) -> Scope:
    return Scope("stripe._oauth", tree, (), kind)


def _deleted() -> Json:
    fields: Json = {
        "id": {"type": "string"},
        "object": {"type": "string"},
        "deleted": {"type": "boolean", "enum": [True]},
    }
    return _object(fields, sorted(fields))


def _error() -> Json:
    """An error as Stripe answers it; the SDK's class of it names every field as always there."""
    fields: Json = {name: {"type": "string"} for name in _ERROR_TEXTS.split()}
    fields["type"] = {
        "type": "string",
        "enum": ["api_error", "card_error", "idempotency_error", "invalid_request_error"],
    }
    fields |= {name: {"$ref": f"#/components/schemas/{name}"} for name in _PAYMENT_OBJECTS}
    return _object({"error": _object(fields, ["type"])}, ["error"])


def _object(fields: Json, required: list[str]) -> Json:
    return {"type": "object", "properties": fields, "required": required}
